"""The triangles of a Wavefront OBJ; names and normals are not looked at, `obj_looks` reads materials and textures.

Our own reading: trimesh takes a minute for a large file of mixed polygons, and follows `mtllib`.
"""

import re
import warnings
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int, Shaped

from apg_core.errors import MeshError
from apg_core.inputs.obj_looks import Polygons, read_looks, vertex_colours
from apg_core.inputs.plain_text import plain_text
from apg_core.protocol.appearance import Appearance, Material
from apg_core.protocol.arrays import FaceArray
from apg_core.protocol.beside import Fetch
from apg_core.protocol.limits import InputLimits, check_limit
from apg_core.protocol.mesh import TriangleMesh

_DRAWN = re.compile(rb"^[vf] [^\n]*$", re.MULTILINE)
# Texture and normal of a corner (7/1/3), comments, and the ends of lines that go on in the next.
_NOISE = re.compile(rb"/[^ \t\r\n]*|#[^\r\n]*|\\\r?\n")


def read_obj(data: bytes, limits: InputLimits, *, fetch: Fetch | None = None) -> TriangleMesh:
    """Every polygon of the file, cut into a fan of triangles; `fetch` gets the materials and textures beside it.

    Raises:
        MeshError: a line holds something other than numbers, or too few of them.
        LimitError: more vertices or faces than `limits` allow.
    """
    lines: list[bytes] = _DRAWN.findall(plain_text(_NOISE.sub(b" ", data)))
    is_vertex = np.array([line.startswith(b"v") for line in lines], bool)
    sizes = np.array([line.count(b" ") for line in lines], np.int64)
    check_limit("vertices", int(is_vertex.sum()), limits.mesh_vertices, field="mesh")
    check_limit("faces", int(np.maximum(sizes[~is_vertex] - 2, 0).sum()), limits.mesh_faces, field="mesh")
    if (sizes < 3).any():
        worst = lines[int(np.argmax(sizes < 3))]
        raise MeshError(f"an OBJ line has fewer than three numbers: {worst[:40]!r}; export it again", field="mesh")
    vertices = _numbers([line for line in lines if line.startswith(b"v")], sizes[is_vertex])
    corners = _numbers([line for line in lines if line.startswith(b"f")], sizes[~is_vertex], dtype=np.int64)
    # A negative corner counts back from the last vertex above its line; the others count from one.
    above = np.repeat(np.cumsum(is_vertex)[~is_vertex], sizes[~is_vertex])
    corners = np.where(corners < 0, above + corners, corners - 1)
    starts = np.cumsum(sizes[is_vertex]) - sizes[is_vertex]
    fans = _fans(np.arange(len(corners)), sizes[~is_vertex])
    look = None if fetch is None else read_looks(data, Polygons(fans, sizes[~is_vertex]), limits, fetch)
    mesh = TriangleMesh(vertices[starts[:, None] + np.arange(3)], corners[fans], look=look)
    if len(starts) and (sizes[is_vertex] == 6).all():
        return _coloured(mesh, vertices[starts[:, None] + np.arange(3, 6)])
    return mesh


def _coloured(mesh: TriangleMesh, rows: Float[np.ndarray, "V 3"]) -> TriangleMesh:
    """The mesh with these values at its vertices as colours, if they are colours."""
    if mesh.faces.min(initial=0) < 0 or mesh.faces.max(initial=0) >= len(rows):  # which is refused later
        return mesh
    colours = vertex_colours(rows, mesh.faces)
    plain = mesh.look or Appearance.plain(len(mesh.faces), Material("default"))
    return mesh if colours is None else replace(mesh, look=replace(plain, colours=colours))


def _numbers(
    lines: list[bytes], sizes: Int[np.ndarray, " L"], *, dtype: type[np.generic] = np.float64
) -> Shaped[np.ndarray, " K"]:
    text = b" ".join([line[2:] for line in lines])
    with warnings.catch_warnings():
        # numpy stops at the first thing that is no number and only warns: half a mesh, were it let through.
        warnings.simplefilter("error", DeprecationWarning)
        try:
            numbers = np.fromstring(text, sep=" ", dtype=dtype)
        except (DeprecationWarning, ValueError) as error:
            raise MeshError("an OBJ line has something other than numbers; export it again", field="mesh") from error
    if len(numbers) != sizes.sum():
        raise MeshError("an OBJ line has something other than numbers; export it again", field="mesh")
    return numbers


def _fans(corners: Int[np.ndarray, " K"], sizes: Int[np.ndarray, " L"]) -> FaceArray:
    """Triangles (first, i, i + 1) of each polygon; polygon p has the next `sizes[p]` corners."""
    triangles = sizes - 2
    first = np.repeat(np.cumsum(sizes) - sizes, triangles)
    step = np.arange(len(first)) - np.repeat(np.cumsum(triangles) - triangles, triangles)
    faces: FaceArray = corners[np.stack([first, first + step + 1, first + step + 2], axis=1)]
    return faces
