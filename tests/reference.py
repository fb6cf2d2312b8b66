"""Slow, obvious versions of what the library does fast."""

from itertools import product

import numpy as np
import trimesh
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.band.samples import Field
from apg_core.protocol.mesh import TriangleMesh


def dense_values(field: Field, grid: Grid) -> np.ndarray:
    """The field at every lattice point, outside on the faces of the cube."""
    axis = np.linspace(grid.low, grid.high, grid.resolution)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float32)
    chunks = np.array_split(points, max(1, len(points) // 500_000))
    values = np.concatenate([field(chunk) for chunk in chunks]).astype(np.float32).reshape((grid.resolution,) * 3)
    border = np.ones_like(values, bool)
    border[1:-1, 1:-1, 1:-1] = False
    return np.where(border, np.minimum(values, -1e-3 * np.abs(values).max()), values)


def crossed_cells(values: np.ndarray) -> np.ndarray:
    """Numbers of the cells whose corners differ in sign."""
    inside, size = values > 0, len(values)
    corners = [inside[x : size - 1 + x, y : size - 1 + y, z : size - 1 + z] for x, y, z in product((0, 1), repeat=3)]
    crossed = np.any(corners, axis=0) & ~np.all(corners, axis=0)
    x, y, z = np.nonzero(crossed)
    return (x * size + y) * size + z


def dense_surface(values: np.ndarray, grid: Grid) -> TriangleMesh:
    """Marching cubes over the whole lattice."""
    vertices, faces, _, _ = marching_cubes(-values, 0.0)
    return TriangleMesh((grid.low + vertices * grid.spacing).astype(np.float32), faces.astype(np.int32))


def symmetric_chamfer(one: TriangleMesh, other: TriangleMesh, *, samples: int = 40_000) -> float:
    """Mean distance from one surface's vertices to the other's vertices and samples, the larger of both ways."""

    def away(source: TriangleMesh, target: TriangleMesh) -> float:
        drawn, _ = trimesh.sample.sample_surface(solid(target), samples, seed=0)
        return float(cKDTree(np.concatenate([target.vertices, drawn])).query(source.vertices)[0].mean())

    return max(away(one, other), away(other, one))


def solid(mesh: TriangleMesh) -> trimesh.Trimesh:
    """The mesh as trimesh knows it, vertices left as they are."""
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def surface_cells(mesh: TriangleMesh, grid_size: int) -> set[tuple[int, int, int]]:
    """Cells of the grid over [-1, 1]^3 that a dense spray of points on the mesh falls into, as a set of triples."""
    # About forty points for each cell that the surface passes through.
    count = int(40 * solid(mesh).area * (grid_size / 2) ** 2)
    points, _ = trimesh.sample.sample_surface(solid(mesh), count, seed=0)
    cells = np.clip(((points + 1) / 2 * grid_size).astype(int), 0, grid_size - 1)
    return {(x, y, z) for x, y, z in cells.tolist()}


def set_overlap(one: set[tuple[int, int, int]], other: set[tuple[int, int, int]]) -> float:
    """The larger share of cells in common; 0 where either is empty."""
    if not one or not other:
        return 0.0
    return max(len(one & other) / len(one), len(one & other) / len(other))


def farthest_points(points: np.ndarray, count: int, *, first: int) -> list[int]:
    """Each next point is the one farthest from all taken before it, beginning with `first`."""
    taken = [first]
    distance = np.full(len(points), np.inf)
    while len(taken) < count:
        distance = np.minimum(distance, ((points - points[taken[-1]]) ** 2).sum(axis=1))
        taken.append(int(distance.argmax()))
    return taken
