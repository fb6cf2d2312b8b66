"""Decoding and mesh work: coarse to fine, sparse and packed, against dense grids and Python sets.

The fields are analytic, clamped at a distance of 0.1; a network's time is its seconds a query times the queries.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import fast_simplification
import numpy as np
import torch
import trimesh
from scipy.ndimage import binary_dilation, zoom
from skimage.measure import marching_cubes

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.band.narrowing import narrow_band
from apg_core.geometry.band.samples import Field
from apg_core.geometry.isosurface import extract_surface
from apg_core.geometry.parts.cleanup import clean_part
from apg_core.geometry.parts.overlap import SurfaceCells, overlap
from apg_core.geometry.surface import sample_surface
from apg_core.geometry.values import SurfaceSampling
from apg_core.models.configs import ShapeVaeConfig
from apg_core.models.shape_vae import ShapeVae
from apg_core.presets import load_preset
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import CleanupOptions
from benchmarks.table import Row

RESOLUTION = 256
QUERIES_AT_ONCE = 8192
MID = ShapeVaeConfig(
    latent_channels=64,
    num_attention_heads=8,
    encoder_width=256,
    decoder_width=512,
    num_layers_encoder=4,
    num_layers_decoder=8,
)
MID_LATENTS = 512


def part_field(points: np.ndarray) -> np.ndarray:
    """A ring of area 2.8."""
    ring = 0.16 - np.hypot(np.hypot(points[:, 0], points[:, 2]) - 0.45, points[:, 1])
    return (80 * np.clip(ring, -0.1, 0.1)).astype(np.float32)


def whole_field(points: np.ndarray) -> np.ndarray:
    """A table of area 7.5, from side to side of the cube."""
    solids = [((0, 0.55, 0), (0.95, 0.06, 0.6))]
    solids += [((x, -0.25, z), (0.09, 0.78, 0.09)) for x in (-0.8, 0.8) for z in (-0.45, 0.45)]
    values = []
    for centre, half in solids:
        beyond = np.abs(points - np.array(centre, np.float32)) - np.array(half, np.float32)
        values.append(np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(axis=1), 0))
    return (80 * np.clip(-np.min(values, axis=0), -0.1, 0.1)).astype(np.float32)


def rows() -> list[Row]:
    """Queries, decoding, memory, extraction, overlap, cleanup, points at 256; what grows how from 256 to 512."""
    return [*_decode_rows(), *_memory_rows(), *_extraction_rows(), *_overlap_rows(), *_cleanup_rows(), *_points_rows()]


def our_surface(field: Field, resolution: int = RESOLUTION) -> TriangleMesh:
    """Coarse to fine, then the cells of the band."""
    return extract_surface(narrow_band(field, Grid(resolution)), backend="libigl")


def plain_surface(field: Field, resolution: int = RESOLUTION) -> TriangleMesh:
    """Dense at half the resolution, a band around the sign changes at the full one, marching cubes everywhere."""
    half, grid = Grid(resolution // 2), Grid(resolution)
    coarse = _in_chunks(field, half.positions(np.arange(half.resolution**3))).reshape((half.resolution,) * 3)
    values = zoom(coarse, resolution / half.resolution, order=1, grid_mode=False)
    inside = values > 0
    near = binary_dilation(inside, iterations=2) & binary_dilation(~inside, iterations=2)
    values[near] = _in_chunks(field, grid.positions(np.flatnonzero(near)))
    vertices, faces, _, _ = marching_cubes(-values, 0.0)
    return TriangleMesh((grid.low + vertices * grid.spacing).astype(np.float32), faces.astype(np.int32))


def _decode_rows() -> list[Row]:
    nano = load_preset("nano")
    networks = {"nano": (nano.vae, nano.num_latents), "mid": (MID, MID_LATENTS)}
    each = {size: _seconds_a_query(*network) for size, network in networks.items()}
    measured = []
    for name, field in (("a part", part_field), ("a whole object", whole_field)):
        asked = _queries(plain_surface, field), _queries(our_surface, field)
        geometry = [_seconds(lambda way=way, field=field: way(field)) for way in (plain_surface, our_surface)]
        measured.append(Row(f"field queries, {name}, 256", *asked, ""))
        for size, seconds in each.items():
            # Minutes at the larger size, so: seconds a query, times the queries.
            plain, ours = (some + count * seconds for some, count in zip(geometry, asked, strict=True))
            measured.append(Row(f"decode and surface, {size}, {name}, 256", plain, ours, "s"))
    return measured


def _seconds_a_query(config: ShapeVaeConfig, latents: int) -> float:
    torch.manual_seed(0)
    vae = ShapeVae(config).eval()
    chunk = torch.rand(1, QUERIES_AT_ONCE, 3)
    with torch.inference_mode():
        context = vae.field_context(torch.randn(1, latents, config.latent_channels))
        return _seconds(lambda: vae.field(context, chunk)) / QUERIES_AT_ONCE


def _memory_rows() -> list[Row]:
    if not Path("/proc/self/status").exists():
        return []
    plain, ours = (
        float(subprocess.run([sys.executable, "-m", __name__, way], capture_output=True, text=True, check=True).stdout)
        for way in ("plain", "ours")
    )
    return [Row("peak memory of decode and surface, 256, without the network", plain, ours, "MB")]


def _extraction_rows() -> list[Row]:
    took: dict[str, list[float]] = {"plain": [], "ours": []}
    for resolution in (RESOLUTION, 2 * RESOLUTION):
        band = narrow_band(part_field, Grid(resolution))
        dense, _ = band.dense(crop=False)
        took["plain"].append(_seconds(lambda dense=dense: marching_cubes(-dense, 0.0)))
        took["ours"].append(_seconds(lambda band=band: extract_surface(band, backend="libigl")))
    plain, ours = took["plain"], took["ours"]
    return [
        Row("surface extraction, 512", plain[1], ours[1], "s"),
        Row("surface extraction, 512 over 256", plain[1] / plain[0], ours[1] / ours[0], "times"),
    ]


def _overlap_rows() -> list[Row]:
    one = our_surface(part_field)
    other = TriangleMesh(one.vertices + np.array([0.1, 0.02, 0], np.float32), one.faces)
    plain = _seconds(lambda: _set_overlap(one, other))
    ours = _seconds(lambda: overlap(SurfaceCells.of(one, RESOLUTION), SurfaceCells.of(other, RESOLUTION)))
    return [Row("overlap of two parts, 256", plain, ours, "s")]


def _set_overlap(one: TriangleMesh, other: TriangleMesh) -> float:
    sets = []
    for mesh in (one, other):
        voxels = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).voxelized(2 / RESOLUTION)
        sets.append({tuple(cell) for cell in np.floor((voxels.points + 1) / 2 * RESOLUTION).astype(int).tolist()})
    return len(sets[0] & sets[1]) / min(len(cells) for cells in sets)


def _cleanup_rows() -> list[Row]:
    options = CleanupOptions()
    measured = []
    for name, field in (("a part", part_field), ("a whole object", whole_field)):
        mesh = our_surface(field)
        plain, ours = (_seconds(partial(way, mesh, options)) for way in (_plain_cleanup, clean_part))
        measured.append(Row(f"cleanup, {name}, 256", plain, ours, "s"))
    return measured


def _plain_cleanup(mesh: TriangleMesh, options: CleanupOptions) -> object:
    reduced = fast_simplification.simplify(
        mesh.vertices.astype(np.float32),
        mesh.faces.astype(np.int32),
        target_count=options.simplify_faces,
        agg=options.simplify_aggressiveness,
    )
    pieces = trimesh.Trimesh(*reduced).split(only_watertight=False)
    least = options.floater_share * sum(piece.area for piece in pieces)
    return trimesh.util.concatenate([piece for piece in pieces if piece.area >= least])


def _points_rows() -> list[Row]:
    mesh, sampling = our_surface(whole_field), SurfaceSampling()
    with_fpsample = find_spec("fpsample") is not None
    plain = _seconds(lambda: _plain_points(mesh, sampling)) if with_fpsample else None
    ours = _seconds(lambda: sample_surface(mesh, sampling, seed=0))
    return [Row("surface points and farthest ones, sizes of the release", plain, ours, "s")]


def _plain_points(mesh: TriangleMesh, sampling: SurfaceSampling) -> np.ndarray:
    # `pip install fpsample==1.0.2`, which needs a compiler
    from fpsample import bucket_fps_kdline_sampling as farthest  # type: ignore[import-not-found]

    surface = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    drawn, faces = trimesh.sample.sample_surface(surface, sampling.presamples, seed=0)
    kept = np.random.default_rng(0).choice(len(drawn), sampling.candidates, replace=False)
    points = np.concatenate([drawn[kept], surface.face_normals[faces[kept]]], axis=1).astype(np.float32)
    for count in (sampling.points, sampling.latents):
        points = points[farthest(points[:, :3], count, h=7)]
    return points


def _in_chunks(field: Field, points: np.ndarray) -> np.ndarray:
    return np.concatenate([field(chunk) for chunk in np.array_split(points, max(1, len(points) // QUERIES_AT_ONCE))])


def _queries(surface: Callable[[Field], TriangleMesh], field: Field) -> int:
    asked = 0

    def counting(points: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += len(points)
        return field(points)

    surface(counting)
    return asked


def _seconds(work: Callable[[], object], repeats: int = 2) -> float:
    """Processor seconds of the fastest of a few runs: others may be using this machine."""
    took = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        took.append(time.process_time() - start)
    return min(took)


def _resident(key: str) -> float:
    """Megabytes of this process: `VmRSS` now, `VmHWM` at its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1000
    raise KeyError(key)


def _report_memory(way: str) -> None:
    surface = {"plain": plain_surface, "ours": our_surface}[way]
    surface(part_field, 32)  # what the libraries take for themselves
    before = _resident("VmRSS")
    surface(lambda points: _in_chunks(part_field, points))
    print(_resident("VmHWM") - before)


if __name__ == "__main__":
    _report_memory(sys.argv[1])
