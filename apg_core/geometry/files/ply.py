"""Meshes as binary PLY: all parts in one, with their colours at the vertices, textures among them."""

import numpy as np

from apg_core.geometry.files.corners import distinct_corners, drawn_faces
from apg_core.geometry.files.model import GENERATOR, Model
from apg_core.geometry.texels import corner_colours
from apg_core.protocol.appearance import srgb
from apg_core.protocol.mesh import TriangleMesh

_VERTEX = np.dtype([("place", "<f4", 3), ("colour", "u1", 4)])
_FACE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])


def write(stem: str, model: Model) -> list[tuple[str, bytes]]:
    """The file of a model; colours are sRGB, as the format's readers take them."""
    mesh = TriangleMesh.joined([part.mesh for part in model.parts])
    light = np.concatenate([corner_colours(part.look) for part in model.parts])
    drawn = drawn_faces(mesh.faces)
    light[..., :3] = srgb(light[..., :3])
    colours = np.round(255 * np.clip(light, 0, 1)).astype(np.uint8)[drawn].reshape(-1, 4)
    corners = mesh.faces[drawn].reshape(-1)
    first, vertex = distinct_corners(corners, [colours])
    vertices, faces = np.zeros(len(first), _VERTEX), np.zeros(len(vertex) // 3, _FACE)
    vertices["place"], vertices["colour"] = mesh.vertices[corners[first]], colours[first]
    faces["count"], faces["corners"] = 3, vertex.reshape(-1, 3)
    header = f"""ply
format binary_little_endian 1.0
comment {GENERATOR}
comment {model.frame.about}
element vertex {len(vertices)}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
property uchar alpha
element face {len(faces)}
property list uchar int vertex_indices
end_header
"""
    return [(f"{stem}.ply", header.encode() + vertices.tobytes() + faces.tobytes())]
