"""Colours of places on a mesh: material, vertex colours and texture multiplied, in linear light."""

import numpy as np
from jaxtyping import Float, Int

from apg_core.protocol.appearance import Appearance, Texture, Wrap, linear

_LINEAR = linear(np.arange(256) / 255).astype(np.float32)
"""Linear light of each sRGB byte."""


def texels(texture: Texture, uv: Float[np.ndarray, "Q 2"]) -> Float[np.ndarray, "Q 4"]:
    """Linear colour and alpha at places of a texture, from its four nearest pixels."""
    height, width, channels = texture.pixels.shape
    x, x_share = _pixel(uv[:, 0], width)
    y, y_share = _pixel(uv[:, 1], height)
    found = np.zeros((len(uv), 4), np.float32)
    for right in (0, 1):
        for below in (0, 1):
            columns = _wrapped(x + right, width, texture.wrap[0])
            rows = _wrapped(y + below, height, texture.wrap[1])
            weight = (x_share if right else 1 - x_share) * (y_share if below else 1 - y_share)
            pixels = texture.pixels[rows, columns]
            found[:, :3] += weight[:, None] * _LINEAR[pixels[:, :3]]
            found[:, 3] += weight * (pixels[:, 3] / np.float32(255) if channels == 4 else 1)
    return found


def colours_at(
    look: Appearance, faces: Int[np.ndarray, " Q"], weights: Float[np.ndarray, "Q 3"]
) -> Float[np.ndarray, "Q 4"]:
    """Linear colour and alpha at places on faces, given by the weights of the faces' corners."""
    table = np.array([material.colour for material in look.materials], np.float32).reshape(-1, 4)
    found = table[look.material[faces]]
    if look.colours is not None:
        found = found * np.einsum("qc,qcx->qx", weights, look.colours[faces])
    if look.uv is None:
        return found
    texture_of = np.array([-1 if one.texture is None else one.texture for one in look.materials])[look.material[faces]]
    for place, texture in enumerate(look.textures):
        some = np.flatnonzero(texture_of == place)
        uv = np.einsum("qc,qcx->qx", weights[some], look.uv[faces[some]])
        found[some] *= texels(texture, uv)
    return found


def corner_colours(look: Appearance) -> Float[np.ndarray, "F 3 4"]:
    """Linear colour and alpha at each face's corners."""
    faces = np.repeat(np.arange(len(look.material)), 3)
    weights = np.tile(np.eye(3, dtype=np.float32), (len(look.material), 1))
    return colours_at(look, faces, weights).reshape(-1, 3, 4)


def _pixel(place: Float[np.ndarray, " Q"], size: int) -> tuple[Int[np.ndarray, " Q"], Float[np.ndarray, " Q"]]:
    """The pixel whose middle is last before each place, and how far on to the next it is."""
    at = np.clip(np.nan_to_num(place), -1e6, 1e6) * size - 0.5
    first = np.floor(at)
    return first.astype(np.int64), (at - first).astype(np.float32)


def _wrapped(pixel: Int[np.ndarray, " Q"], size: int, wrap: Wrap) -> Int[np.ndarray, " Q"]:
    if wrap == "repeat":
        return pixel % size
    if wrap == "mirror":
        twice = pixel % (2 * size)
        return np.minimum(twice, 2 * size - 1 - twice)
    return np.clip(pixel, 0, size - 1)
