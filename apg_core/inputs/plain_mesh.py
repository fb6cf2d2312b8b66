"""PLY, STL and OFF: what the header declares is checked here, trimesh reads the rest.

Text files are first cut down to what draws triangles, so that no line of them can name another file and none
can make the reader slow.
"""

import re
import warnings
from io import BytesIO
from typing import Literal

import numpy as np
import trimesh

from apg_core.errors import MeshError
from apg_core.inputs.in_memory import look_of
from apg_core.inputs.mesh_format import STL_FACET, STL_HEADER, stl_facets
from apg_core.inputs.plain_text import plain_text
from apg_core.inputs.ply import checked_ply
from apg_core.protocol.limits import InputLimits, check_limit
from apg_core.protocol.mesh import TriangleMesh

PlainFormat = Literal["ply", "stl", "off"]

_STL_NAME = re.compile(rb"^(?:end)?solid[^\n]*$|normal[^\n]*$", re.MULTILINE | re.IGNORECASE)
# What trimesh's readers of these formats raise on damaged files, found by fuzzing them.
_DAMAGE = (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, NameError)


def read_plain(data: bytes, kind: PlainFormat, limits: InputLimits) -> list[TriangleMesh]:
    """The triangles of a file without a scene; larger polygons are cut into fans.

    Raises:
        MeshError: damaged, cut off, or without triangles.
        LimitError: more vertices or faces than `limits` allow.
    """
    prepare = {"ply": checked_ply, "stl": _prepared_stl, "off": _prepared_off}[kind]
    content = prepare(data, limits)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            # numpy stops at the first thing that is no number and only warns: half a mesh, were it let through.
            warnings.filterwarnings("error", category=DeprecationWarning)
            scene = trimesh.load_scene(BytesIO(content), file_type=kind, process=False, skip_materials=True)
            shapes = list(scene.geometry.values())
    except (*_DAMAGE, DeprecationWarning) as error:
        raise MeshError(f"the {kind.upper()} is damaged: {error}; export it again", field="mesh") from error
    return [_triangles(shape, kind) for shape in shapes]


def _triangles(shape: trimesh.Trimesh | trimesh.PointCloud, kind: PlainFormat) -> TriangleMesh:
    vertices = np.asarray(shape.vertices, np.float64)
    faces = np.asarray(getattr(shape, "faces", np.zeros((0, 3))), np.int64)  # a cloud of points has none
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.shape[1:] != (3,):
        raise MeshError(f"the {kind.upper()} has vertices without three coordinates; export it again", field="mesh")
    return TriangleMesh(vertices, faces, look=look_of(shape, faces))


def _prepared_stl(data: bytes, limits: InputLimits) -> bytes:
    if len(data) >= STL_HEADER and len(data) == STL_HEADER + STL_FACET * stl_facets(data):
        check_limit("faces", stl_facets(data), limits.mesh_faces, field="mesh")
        return data
    if b"facet" not in data.lower():
        there = max(len(data) - STL_HEADER, 0) // STL_FACET
        raise MeshError(
            f"the STL is cut off or damaged: {stl_facets(data):,} triangles declared, bytes for {there:,} there",
            field="mesh",
        )
    text = plain_text(data)
    check_limit("faces", text.lower().count(b"endfacet"), limits.mesh_faces, field="mesh")
    return b"solid all\n" + _STL_NAME.sub(b"", text) + b"\nendsolid all\n"


def _prepared_off(data: bytes, limits: InputLimits) -> bytes:
    text = re.sub(rb"#[^\n]*", b"", plain_text(data))
    numbers = re.search(rb"OFF\s+(\d{1,18})\s+(\d{1,18})", text)
    if numbers is None:
        raise MeshError("the OFF does not say how many vertices and faces it has; export it again", field="mesh")
    check_limit("vertices", int(numbers[1]), limits.mesh_vertices, field="mesh")
    check_limit("faces", int(numbers[2]), limits.mesh_faces, field="mesh")
    _check_corners(text[numbers.start(1) :], vertices=int(numbers[1]), faces=int(numbers[2]))
    return text


def _check_corners(text: bytes, *, vertices: int, faces: int) -> None:
    """Every face of an OFF must have the corners that it says; trimesh takes what is there for all of them."""
    lines = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines[1 + vertices : 1 + vertices + faces]):
        corners, *rest = line.split()
        if not corners.isdigit() or int(corners[:9]) > len(rest):
            raise MeshError(
                f"face {number:,} of the OFF says {corners[:20].decode('latin-1')} corners and has {len(rest)}; "
                "export it again",
                field="mesh",
            )
