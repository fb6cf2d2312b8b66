"""Mesh files into triangle arrays that hold what they promise."""

from pathlib import Path

import numpy as np

from apg_core.errors import MeshError
from apg_core.inputs.archive import Archive, document_in
from apg_core.inputs.content import read_bytes
from apg_core.inputs.gltf import read_gltf
from apg_core.inputs.mesh_format import mesh_format
from apg_core.inputs.obj import read_obj
from apg_core.inputs.plain_mesh import read_plain
from apg_core.inputs.three_mf import read_3mf
from apg_core.protocol.beside import Folder
from apg_core.protocol.limits import InputLimits, check_limit
from apg_core.protocol.mesh import TriangleMesh

LARGEST_COORDINATE = 1e12  # beyond it a file is damaged, or its unit is not of this world
SMALLEST_EXTENT = 1e-9  # of the distance from the origin; below it doubles hold no shape


def read_mesh(
    source: Path | bytes, limits: InputLimits | None = None, *, file_type: str | None = None, beside: bool = False
) -> TriangleMesh:
    """All triangles of a mesh file, node transforms applied, in the file's units; `INPUTS` lists the formats.

    Vertices are float64 and each belongs to a face. The format is told by the content; `file_type`, or else the
    path's ending, must not contradict it. No other file or address is ever opened, but with `beside` the buffers,
    materials and textures of a glTF or OBJ that lie in its folder or below.

    Raises:
        MeshError: another format, damaged, without triangles, flat to nothing, or with coordinates that are
            not finite or absurdly large.
        LimitError: more bytes, vertices or faces than `limits` allow.
    """
    limits = limits or InputLimits()
    return check_mesh(TriangleMesh.joined(_read(source, limits, file_type=file_type, beside=beside)), limits)


def read_parts(source: Path | bytes, limits: InputLimits | None = None) -> list[TriangleMesh]:
    """The meshes of a file's geometry nodes, in the scene's order and frame; see `read_mesh`."""
    limits = limits or InputLimits()
    parts = _read(source, limits, file_type=None)
    check_mesh(TriangleMesh.joined(parts), limits)
    return [check_mesh(part, limits) for part in parts]


def _read(
    source: Path | bytes, limits: InputLimits, *, file_type: str | None, beside: bool = False
) -> list[TriangleMesh]:
    data = read_bytes(source, limits, field="mesh", refusal=MeshError)
    claimed = file_type or (source.suffix if isinstance(source, Path) else None)
    folder = Folder(source.parent, limits) if beside and isinstance(source, Path) else None
    match mesh_format(data, claimed=claimed):
        case "glb" | "gltf":
            return read_gltf(data, limits, fetch=folder)
        case "3mf":
            return read_3mf(Archive(data, limits), limits)
        case "zip":
            kind, document, within = document_in(Archive(data, limits))
            if kind == "obj":
                return [read_obj(document, limits, fetch=within)]
            return read_gltf(document, limits, fetch=within)
        case "obj":
            return [read_obj(data, limits, fetch=folder)]
        case plain:
            return read_plain(data, plain, limits)


def check_mesh(mesh: TriangleMesh, limits: InputLimits) -> TriangleMesh:
    """The mesh without loose vertices, once it is known to have a surface.

    Raises:
        MeshError: no triangles, no area, or numbers that are not a mesh's.
        LimitError: more vertices or faces than `limits` allow.
    """
    vertices, faces = mesh.vertices, mesh.faces
    if mesh.is_empty:
        what = f"{len(vertices):,} points but no faces" if len(vertices) else "no triangles"
        raise MeshError(f"the mesh has {what}; give a surface of triangles", field="mesh")
    check_limit("vertices", len(vertices), limits.mesh_vertices, field="mesh")
    check_limit("faces", len(faces), limits.mesh_faces, field="mesh")
    if faces.min() < 0 or faces.max() >= len(vertices):
        worst = faces.min() if faces.min() < 0 else faces.max()
        raise MeshError(f"a face names vertex {worst:,} of {len(vertices):,}; export it again", field="mesh")
    if bad := int(np.count_nonzero(~np.isfinite(vertices).all(axis=1))):
        raise MeshError(f"{bad:,} vertices are not finite (NaN or infinite); repair the mesh", field="mesh")
    largest = float(np.abs(vertices).max())
    if largest > LARGEST_COORDINATE:
        raise MeshError(f"a coordinate is {largest:.3g}; the largest allowed is {LARGEST_COORDINATE:.0e}", field="mesh")
    used, renumbered = np.unique(faces, return_inverse=True)
    mesh = TriangleMesh(vertices[used], renumbered.reshape(faces.shape), look=mesh.look)
    _check_surface(mesh)
    return mesh


def _check_surface(mesh: TriangleMesh) -> None:
    low, high = mesh.bounds
    extent, reach = float((high - low).max()), float(np.abs(mesh.bounds).max())
    if extent <= SMALLEST_EXTENT * reach:
        raise MeshError(
            f"the mesh is {extent:.3g} across and {reach:.3g} from the origin: a point; scale or centre it",
            field="mesh",
        )
    corners = (mesh.vertices[mesh.faces] - low) / extent
    doubled = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = float(np.linalg.norm(doubled, axis=1).sum()) / 2
    if area <= SMALLEST_EXTENT:
        raise MeshError("the triangles have no area: the mesh is a point or a line; repair it", field="mesh")
