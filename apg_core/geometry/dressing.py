"""The looks of a given mesh, given to the parts that were made of it."""

from dataclasses import replace

import igl
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from apg_core.protocol.appearance import Appearance, Material, linear_rgba
from apg_core.protocol.mesh import TriangleMesh

CUT = Material("cut", linear_rgba((214, 205, 190)))
"""What faces are made of where a part was cut from others."""
NEAR = 0.02
"""Distance in the normalised frame, beyond which a face's middle is not of the given surface: two cells of the coarsest
grid that is of use, 128."""
_BEYOND = 1.0  # weights of a triangle's corners outside it, beyond which its texture is not continued
_CUT_FACE = -1


def dress(part: TriangleMesh, given: TriangleMesh, look: Appearance) -> Appearance:
    """How a part looks that was made of the given mesh, both in one frame; faces of a cut have the material `CUT`.

    Where the part knows which given face each of its own lies in, its looks are exactly the given ones; elsewhere they
    are those of the nearest point.
    """
    if part.source is not None:
        faces = np.repeat(part.source[:, None], 3, axis=1).astype(np.int64)
        weights = _weights(given, np.maximum(faces, 0), part.vertices[part.faces])
    else:
        faces, weights = _nearest(part, given, look)
    on_cut = faces[:, 0] == _CUT_FACE
    faces = np.maximum(faces, 0)
    material = np.where(on_cut, len(look.materials), look.material[faces[:, 0]]).astype(np.int32)
    return replace(
        look,
        materials=(*look.materials, CUT),
        material=material,
        uv=None if look.uv is None else _blend(look.uv, faces, weights, on_cut, 0.0),
        colours=None if look.colours is None else np.clip(_blend(look.colours, faces, weights, on_cut, 1.0), 0, 1),
    )


def own_colour(part: TriangleMesh, material: Material) -> Appearance:
    """A part in one material, but for its faces of a cut where they are known."""
    if part.source is None:
        return Appearance.plain(len(part.faces), material)
    return Appearance((material, CUT), (part.source < 0).astype(np.int32))


def _blend(
    values: Float[np.ndarray, "G 3 c"],
    faces: Int[np.ndarray, "F 3"],
    weights: Float[np.ndarray, "F 3 3"],
    on_cut: Bool[np.ndarray, " F"],
    neutral: float,
) -> Float[np.ndarray, "F 3 c"]:
    """The given corners' values at each of the part's corners."""
    blended = np.einsum("fcw,fcwx->fcx", weights, values[faces].astype(np.float64))
    blended[on_cut] = neutral
    return blended.astype(np.float32)


def _weights(
    given: TriangleMesh, faces: Int[np.ndarray, "F 3"], places: Float[np.ndarray, "F 3 3"]
) -> Float[np.ndarray, "F 3 3"]:
    """For each place, the weights of the corners of its face that make it up, in the face's plane."""
    a, b, c = np.moveaxis(given.vertices[given.faces[faces]].astype(np.float64), -2, 0)
    u, v, w = b - a, c - a, places - a
    uu, uv, vv = (np.einsum("...i,...i->...", *pair) for pair in ((u, u), (u, v), (v, v)))
    wu, wv = np.einsum("...i,...i->...", w, u), np.einsum("...i,...i->...", w, v)
    area = uu * vv - uv * uv
    safe = np.where(area > 0, area, 1.0)
    second, third = (vv * wu - uv * wv) / safe, (uu * wv - uv * wu) / safe
    second, third = np.where(area > 0, second, 0.0), np.where(area > 0, third, 0.0)
    return np.stack([1 - second - third, second, third], axis=-1)


def _nearest(
    part: TriangleMesh, given: TriangleMesh, look: Appearance
) -> tuple[Int[np.ndarray, "F 3"], Float[np.ndarray, "F 3 3"]]:
    """For each corner the given face whose looks it takes, and its weights there; `_CUT_FACE` on faces of a cut."""
    corners = part.vertices[part.faces].astype(np.float64)
    surface = given.vertices.astype(np.float64), given.faces.astype(np.int64)
    squared, middle = _nearest_alike(corners, surface)
    faces = np.repeat(middle[:, None], 3, axis=1)
    weights = _continued(_weights(given, faces, corners))
    if look.uv is not None or look.colours is not None:
        _, own, near = igl.point_mesh_squared_distance(part.vertices.astype(np.float64), *surface)
        at_corners, places = own[part.faces].astype(np.int64), near[part.faces]
        chart = _charts(given, look)
        alike = (chart[at_corners] == chart[middle][:, None]).all(axis=1)
        faces[alike] = at_corners[alike]
        weights[alike] = _weights(given, at_corners[alike], places[alike])
    faces[squared > NEAR**2] = _CUT_FACE
    return faces, weights


def _nearest_alike(
    corners: Float[np.ndarray, "F 3 3"], surface: tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "G 3"]]
) -> tuple[Float[np.ndarray, " F"], Int[np.ndarray, " F"]]:
    """For each triangle's middle the squared distance to a given face, and which.

    It is the nearest one, unless one that looks the same way is near too: where solids touch, both have a face there.
    """
    vertices, given = surface
    middles, way, ways = corners.mean(axis=1), _across(corners), _across(vertices[given])
    squared, found, _ = igl.point_mesh_squared_distance(middles, vertices, given)
    found = found.astype(np.int64)
    against = np.einsum("fi,fi->f", way, ways[found]) < 0
    for axis in range(3):
        for sign in (-1.0, 1.0):
            some = np.flatnonzero(against & (np.abs(way).argmax(axis=1) == axis) & (sign * way[:, axis] > 0))
            alike = np.flatnonzero(sign * ways[:, axis] > 0.5 * np.linalg.norm(ways, axis=1))
            if not len(some) or not len(alike):
                continue
            again, at, _ = igl.point_mesh_squared_distance(middles[some], vertices, given[alike])
            near = again <= NEAR**2
            squared[some[near]], found[some[near]] = again[near], alike[at.astype(np.int64)[near]]
    return squared, found


def _across(corners: Float[np.ndarray, "F 3 3"]) -> Float[np.ndarray, "F 3"]:
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _continued(weights: Float[np.ndarray, "F 3 3"]) -> Float[np.ndarray, "F 3 3"]:
    """Weights not further outside than `_BEYOND`, summing to one."""
    bounded = np.clip(weights, -_BEYOND, 1 + _BEYOND)
    total = bounded.sum(axis=-1, keepdims=True)
    return np.where(np.abs(total) > 0.1, bounded / np.where(np.abs(total) > 0.1, total, 1.0), 1 / 3)


def _charts(given: TriangleMesh, look: Appearance) -> Int[np.ndarray, " G"]:
    """For each given face, the piece of surface over which material and texture places go on without a seam."""
    corners = given.faces.reshape(-1)
    rows = [given.vertices[corners], np.repeat(look.material, 3)[:, None]]
    if look.uv is not None:
        rows.append(look.uv.reshape(-1, 2))
    _, knot = np.unique(np.concatenate(rows, axis=1), axis=0, return_inverse=True)
    knot = knot.reshape(-1, 3)
    ends = np.concatenate([knot[:, [0, 1]], knot[:, [1, 2]]])
    graph = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(knot.max() + 1,) * 2)
    _, of_knot = connected_components(graph, directed=False)
    return of_knot[knot[:, 0]]
