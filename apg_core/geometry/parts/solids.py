"""The given mesh as a solid that can be cut: its own faces where it is closed, a surface of the lattice where not.

Every face of a solid knows which given face it lies in, through all cuts (`TriangleMesh.source`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import igl
import numpy as np
from jaxtyping import Float, Int
from manifold3d import Error, Manifold, Mesh64, OpType

from apg_core.geometry.band.lattice import CORNERS, Box, Grid, NarrowBand, distinct
from apg_core.geometry.isosurface import extract_surface
from apg_core.geometry.parts.cleanup import face_components
from apg_core.geometry.parts.crowded import without_crowded_edges
from apg_core.geometry.solid import enclosed, nearest_face
from apg_core.protocol.mesh import TriangleMesh

WITHIN = 0.5
"""Winding number from which a place is inside."""
THIN = 1e-6
"""Mean thickness (twice the volume, by the area) up to which a closed surface is a sheet that encloses nothing: in
float32, in which parts are written, there are few places between its sides."""
NO_HEIGHT, HAIR = 1e-7, 1e-9
"""Height up to which a face counts as having none, and by how much its corners are moved out of one line: less than
float32 has places for."""
AGAIN, LOST = 3, 1e-6
"""How often a cut is tried again, and the share of the volume from which it is."""
SPECK = 1e-9
"""Volume below which a body of a smaller whole is no piece, and a hollow is nothing."""
ROUNDING = 1e-12
"""Share of a volume below which a body comes from rounding, where cuts meet again, and is nothing."""
FELT = 64
"""Corners of a shell that say whether it lies within another."""


@dataclass(frozen=True, eq=False)
class GivenSolid:
    """A given mesh as a solid: what it encloses, once, with outward faces."""

    body: Manifold
    original: int
    """The number by which the library knows faces that are the given mesh's."""
    exact: bool
    """Whether the surface is the given one; otherwise some of it is a copy on the lattice."""
    flat: Manifold | None = None
    """The same with corners exactly where they were given, where some of `body` were moved by a hair."""

    def surface(self, body: Manifold) -> TriangleMesh:
        """The surface of something that was cut from this solid, in float64; its faces know their given ones."""
        return surface_of(body, self.original)


def solid_of(mesh: TriangleMesh) -> Manifold | None:
    """The mesh as a solid with outward faces, corners at one place made one; None where it is not closed."""
    welded = _welded(mesh)
    if len(welded.faces) == 0:
        return None
    faces = welded.faces if signed_volume(welded) >= 0 else welded.faces[:, ::-1]
    return _closed(TriangleMesh(welded.vertices, faces, welded.source), Manifold.reserve_ids(1))


def mesh_of(solid: Manifold) -> TriangleMesh:
    """The surface of a solid, in float64."""
    mesh = solid.to_mesh64()
    return TriangleMesh(np.array(mesh.vert_properties)[:, :3], np.array(mesh.tri_verts).astype(np.int64))


def surface_of(solid: Manifold, original: int) -> TriangleMesh:
    """The surface of a solid, in float64, with the sources of the faces that are of this original."""
    mesh = solid.to_mesh64()
    source = np.full(len(mesh.tri_verts), -1)
    starts = (np.array(mesh.run_index) // 3).astype(int)
    for run, start, end in zip(mesh.run_original_id, starts, starts[1:], strict=False):
        if run == original:
            source[start:end] = np.array(mesh.face_id)[start:end]
    return TriangleMesh(np.array(mesh.vert_properties)[:, :3], np.array(mesh.tri_verts).astype(np.int64), source)


def given_solid(mesh: TriangleMesh, grid: Grid) -> GivenSolid | None:
    """What a mesh encloses, as a solid; None where that is nothing.

    Closed shells are taken as they are: turned outwards, united where they overlap, hollow where one lies inside out
    within another. What is not closed is copied on the lattice, where its winding number is above one half.
    """
    original = Manifold.reserve_ids(1)
    shells = [without_crowded_edges(shell) for shell in _shells(_welded(mesh))]
    apart = [unaligned(shell) for shell in shells]
    closed = [_closed(shell, original) for shell in apart]
    open_shells = [shell for shell, solid in zip(shells, closed, strict=True) if solid is None]
    copied = lattice_solid(TriangleMesh.joined(open_shells), grid, original) if open_shells else None
    body = _with_copy(closed, copied)
    if body.is_empty() or 2 * body.volume() <= THIN * body.surface_area():
        return None
    if all(moved is shell for moved, shell in zip(apart, shells, strict=True)):
        return GivenSolid(body, original, exact=not open_shells)
    flat = _with_copy([_closed(shell, original) for shell in shells], copied)
    return GivenSolid(body, original, exact=not open_shells, flat=flat)


def _with_copy(closed: Sequence[Manifold | None], copied: Manifold | None) -> Manifold:
    body = _united([solid for solid in closed if solid is not None])
    return body if copied is None else body + copied


def united_parts(meshes: Sequence[TriangleMesh], original: int) -> Manifold | None:
    """The union of closed parts; their faces that know a given one know it still, as faces of this original.

    None where one of the parts is not closed.
    """
    solids = [_part_solid(mesh, original) for mesh in meshes]
    closed = [solid for solid in solids if solid is not None]
    return Manifold.batch_boolean(closed, OpType.Add) if len(closed) == len(solids) else None


def _part_solid(mesh: TriangleMesh, original: int) -> Manifold | None:
    vertices, inverse = np.unique(mesh.vertices.astype(np.float64), axis=0, return_inverse=True)
    faces = inverse.reshape(-1)[mesh.faces]
    kept = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    source = np.full(len(faces), -1) if mesh.source is None else mesh.source
    order = np.flatnonzero(kept)[np.argsort(source[kept] < 0, kind="stable")]
    known = int(np.count_nonzero(source[order] >= 0))
    solid = Manifold(
        Mesh64(
            vertices,
            np.ascontiguousarray(faces[order]).astype(np.uint64),
            run_index=np.array([0, 3 * known, 3 * len(order)], np.uint64),
            run_original_id=np.array([original, Manifold.reserve_ids(1)], np.uint32),
            face_id=np.concatenate([source[order[:known]], np.arange(len(order) - known)]).astype(np.uint64),
        )
    )
    return solid if solid.status() == Error.NoError and solid.volume() > 0 else None


def lattice_solid(mesh: TriangleMesh, grid: Grid, original: int) -> Manifold | None:
    """What a mesh winds around, copied on the lattice; each face's source is that of the given face nearest to it."""
    inside = enclosed(mesh, grid)
    for axis in range(3):
        np.moveaxis(inside, axis, 0)[[0, -1]] = False  # the surface ends within the cube
    flat = inside.reshape(-1)
    cells = crossed_cells(inside, grid)
    if len(cells) == 0:
        return None
    corners = distinct(cells[:, None] + CORNERS @ grid.strides)
    distance, _ = nearest_face(mesh, grid.positions(corners))
    field = np.where(flat[corners], 1, -1) * np.maximum(distance, 1e-3 * grid.spacing)
    band = NarrowBand(grid, cells, corners, field.astype(np.float32), len(corners), Box.of(grid))
    surface = extract_surface(band, backend="libigl")
    middle = surface.vertices[surface.faces].mean(axis=1)
    nearest = nearest_face(mesh, middle)[1]
    source = nearest if mesh.source is None else mesh.source[nearest]
    return _closed(TriangleMesh(surface.vertices.astype(np.float64), surface.faces, source), original)


def crossed_cells(inside: np.ndarray, grid: Grid) -> Int[np.ndarray, " K"]:
    """Cells with corners both in and out, as sorted numbers."""
    some, every = inside, inside
    for axis in range(3):
        first, second = np.moveaxis(some, axis, 0), np.moveaxis(every, axis, 0)
        some = np.moveaxis(first[:-1] | first[1:], 0, axis)
        every = np.moveaxis(second[:-1] & second[1:], 0, axis)
    return np.sort(grid.number(np.argwhere(some & ~every)))


def _welded(mesh: TriangleMesh) -> TriangleMesh:
    """Corners at one place made one, in float64, without faces that repeat or have no area; each knows its number."""
    vertices, inverse = np.unique(mesh.vertices.astype(np.float64), axis=0, return_inverse=True)
    faces = inverse.reshape(-1)[mesh.faces]
    kept = np.flatnonzero((faces != np.roll(faces, 1, axis=1)).all(axis=1))
    # A face that is there again, turned the same way, is of a shell laid over itself; turned the other way, it and the
    # first are a sheet with nothing in it.
    turned = np.take_along_axis(faces[kept], (faces[kept].argmin(axis=1)[:, None] + np.arange(3)) % 3, axis=1)
    turned, first = np.unique(turned, axis=0, return_index=True)
    _, place, count = np.unique(np.sort(turned, axis=1), axis=0, return_inverse=True, return_counts=True)
    kept = kept[np.sort(first[count[place.reshape(-1)] == 1])]
    return TriangleMesh(vertices, faces[kept], kept)


def _shells(mesh: TriangleMesh) -> Iterator[TriangleMesh]:
    """The connected surfaces of a mesh, faces of each turned the same way where they were not."""
    if len(mesh.faces) == 0:
        return
    label = face_components(mesh)
    order = np.argsort(label, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(label[order])) + 1):
        used, faces = np.unique(mesh.faces[rows], return_inverse=True)
        source = None if mesh.source is None else mesh.source[rows]
        yield TriangleMesh(mesh.vertices[used], faces.reshape(-1, 3), source)


def _closed(mesh: TriangleMesh, original: int) -> Manifold | None:
    """The shell as a solid, which may be inside out; None where it is not closed."""
    for faces in (mesh.faces, None):
        turned = igl.bfs_orient(mesh.faces.astype(np.int64))[0].astype(np.int64) if faces is None else faces
        plain = without_crowded_edges(TriangleMesh(mesh.vertices, turned, mesh.source))
        solid = _solid(plain.vertices, plain.faces, plain.source, original)
        if solid.status() == Error.NoError and not solid.is_empty():
            return solid
    return None


def unaligned(mesh: TriangleMesh) -> TriangleMesh:
    """The mesh with corners of faces without height moved by a hair.

    The library swaps edges of such faces with those of their neighbours, and on from there, far over the surface: at
    most by 0.03 on a real table.
    """
    corners = mesh.vertices[mesh.faces]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    flat = np.unique(mesh.faces[area <= NO_HEIGHT * sides])
    if len(flat) == 0:
        return mesh
    vertices = mesh.vertices.copy()
    vertices[flat] += np.random.default_rng(0).uniform(-HAIR, HAIR, (len(flat), 3))
    return replace(mesh, vertices=vertices)


def _solid(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    source: Int[np.ndarray, " F"] | None,
    original: int,
) -> Manifold:
    source = np.arange(len(faces)) if source is None else source
    return Manifold(
        Mesh64(
            np.ascontiguousarray(vertices, np.float64),
            np.ascontiguousarray(faces).astype(np.uint64),
            run_index=np.array([0, 3 * len(faces)], np.uint64),
            run_original_id=np.array([original], np.uint32),
            face_id=np.ascontiguousarray(source).astype(np.uint64),
        )
    )


def _united(solids: Sequence[Manifold]) -> Manifold:
    """All shells as one solid: hollow where a shell that is inside out lies within another."""
    if not solids:
        return Manifold()
    volumes = np.array([solid.volume() for solid in solids])
    outwards = np.sign(volumes[np.abs(volumes).argmax()])
    turned = [solid if outwards >= 0 else inside_out(solid) for solid in solids]
    volumes = volumes * (outwards or 1)
    full = [solid for solid, volume in zip(turned, volumes, strict=True) if volume >= 0]
    full.sort(key=Manifold.volume)
    for solid, volume in zip(turned, volumes, strict=True):
        if volume >= 0:
            continue
        hollow = inside_out(solid)
        around = next((i for i, other in enumerate(full) if lies_within(hollow, other)), None)
        if around is None:
            full.append(hollow)
        else:
            full[around] = full[around] - hollow
    return full[0] if len(full) == 1 else Manifold.batch_boolean(full, OpType.Add)


def split_by(solid: Manifold, cell: Manifold) -> tuple[Manifold, Manifold]:
    """What of a solid lies within a cell, and what does not.

    Where the library loses volume over that, for it swaps edges of faces whose corners are in one line, it is tried
    again with corners moved by a hair, and the best of it is taken.
    """
    volume, tries = solid.volume(), []
    for attempt in range(1 + AGAIN):
        within, outside = (solid if attempt == 0 else moved_by_a_hair(solid, attempt=attempt)).split(cell)
        lost = abs(volume - within.volume() - outside.volume())
        tries.append((lost, within, outside))
        if lost <= LOST * volume:
            break
    _, within, outside = min(tries, key=lambda tried: tried[0])
    return within, outside


def moved_by_a_hair(solid: Manifold, *, attempt: int) -> Manifold:
    """The solid, each corner moved by up to a hair; by ten in a second attempt, by a hundred in a third."""
    noise, most = np.random.default_rng(attempt), HAIR * 10 ** (attempt - 1)
    return solid.warp_batch(lambda corners: corners + noise.uniform(-most, most, corners.shape))


def inside_out(solid: Manifold) -> Manifold:
    """The same surface, faces turned the other way."""
    mesh = solid.to_mesh64()
    starts, origins = np.array(mesh.run_index), np.array(mesh.run_original_id)
    # A boolean operation lists the runs of all that went in: empty ones would multiply with each cut.
    some = np.flatnonzero(np.diff(starts))
    return Manifold(
        Mesh64(
            np.array(mesh.vert_properties),
            np.ascontiguousarray(np.array(mesh.tri_verts)[:, ::-1]),
            run_index=starts[[*some, -1]],
            run_original_id=origins[some],
            face_id=np.array(mesh.face_id),
        )
    )


def lies_within(one: Manifold, other: Manifold) -> bool:
    """Whether a shell lies within another; they are taken not to cross."""
    inner, outer = (np.array(solid.bounding_box()).reshape(2, 3) for solid in (one, other))
    if (inner[0] < outer[0]).any() or (inner[1] > outer[1]).any():
        return False
    corners = mesh_of(one).vertices
    felt = corners[:: max(1, len(corners) // FELT)]
    around = mesh_of(other)
    return bool((igl.fast_winding_number(around.vertices, around.faces, felt) > WITHIN).all())


def signed_volume(mesh: TriangleMesh) -> float:
    """The volume that a closed surface encloses, negative where it is inside out."""
    return float(volumes_beneath(mesh).sum())


def volumes_beneath(mesh: TriangleMesh) -> Float[np.ndarray, " F"]:
    """The signed volume between each face and the origin; those of a closed surface add up to what it encloses."""
    a, b, c = mesh.vertices.astype(np.float64)[mesh.faces].transpose(1, 0, 2)
    return np.einsum("fi,fi->f", a, np.cross(b, c)) / 6
