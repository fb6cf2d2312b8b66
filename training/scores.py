"""What a result is worth: volumes, surfaces and counts of found parts against true ones.

Lengths are in the normalised frame, where the object's max |coordinate| is 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Float
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.solid import enclosed
from apg_core.protocol.mesh import TriangleMesh

VOXELS = 64
SURFACE_SAMPLES = 4096
MATCH = 0.5
"""IoU above which two parts are the same in panoptic quality."""

Occupancy = Bool[np.ndarray, "64 64 64"]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One result against the truth; a true part that found no partner counts as 0 in `part_iou`."""

    part_iou: float
    count_aware_iou: float
    """Sum of the matched IoUs over the larger of both numbers of parts, so that surplus parts cost as well."""
    panoptic: float
    """Panoptic quality with a match at IoU > 0.5 (Kirillov et al. 2019)."""
    whole_iou: float
    fscore_002: float
    fscore_005: float
    chamfer: float
    """Mean of both directions' mean distances (L1 Chamfer)."""
    parts_true: int
    parts_found: int
    overlap: float
    """Share of the found volume that more than one part claims."""
    watertight: float
    """Share of found parts that are closed."""

    @property
    def count_error(self) -> int:
        """How many parts too many or too few."""
        return abs(self.parts_found - self.parts_true)


def occupancy(mesh: TriangleMesh) -> Occupancy:
    """Cells of a 64^3 grid over [-1, 1]^3 whose centres the mesh winds around.

    Not the parity of crossings: rays that graze an edge, or cross two faces almost at once, miscount, and then fill
    what lies behind a thin board.
    """
    # Off the lattice by a hair, so that no centre lies on an axis-aligned face.
    return enclosed(mesh, Grid(VOXELS, low=-1 + 1 / VOXELS + 2.3e-5, high=1 - 1 / VOXELS + 2.3e-5))


def volume_iou(a: Occupancy, b: Occupancy) -> float:
    """Shared volume over joint volume; 0 when both are empty."""
    joint = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / joint) if joint else 0.0


def matched_ious(truth: Sequence[Occupancy], found: Sequence[Occupancy]) -> Float[np.ndarray, " T"]:
    """IoU of every true part with its partner in the best one-to-one matching; 0 without a partner."""
    ious = np.array([[volume_iou(a, b) for b in found] for a in truth]).reshape(len(truth), len(found))
    matched = np.zeros(len(truth))
    rows, columns = linear_sum_assignment(-ious)
    matched[rows] = ious[rows, columns]
    return matched


def surface_distances(
    a: TriangleMesh, b: TriangleMesh, *, seed: int = 0
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, " P"]]:
    """Distances of samples of each surface to the other's samples."""
    first, second = (
        trimesh.sample.sample_surface(
            trimesh.Trimesh(mesh.vertices, mesh.faces, process=False), SURFACE_SAMPLES, seed=seed
        )[0]
        for mesh in (a, b)
    )
    return cKDTree(second).query(first)[0], cKDTree(first).query(second)[0]


def fscore(there: np.ndarray, back: np.ndarray, threshold: float) -> float:
    """Harmonic mean of the shares of both surfaces that lie within the threshold of the other."""
    recall, precision = np.mean(there <= threshold), np.mean(back <= threshold)
    return float(2 * precision * recall / (precision + recall)) if precision + recall > 0 else 0.0


def score(truth: Sequence[TriangleMesh], found: Sequence[TriangleMesh], *, seed: int = 0) -> Scores:
    """Compare found parts with true ones; both in the normalised frame."""
    true_cells, found_cells = [occupancy(mesh) for mesh in truth], [occupancy(mesh) for mesh in found]
    whole_true = np.logical_or.reduce(true_cells)
    claims = np.sum(found_cells, axis=0) if found_cells else np.zeros_like(whole_true, int)
    whole_found = claims > 0
    volume = np.count_nonzero(whole_found)
    if found:
        there, back = surface_distances(TriangleMesh.joined(list(truth)), TriangleMesh.joined(list(found)), seed=seed)
        surface = (fscore(there, back, 0.02), fscore(there, back, 0.05), float((there.mean() + back.mean()) / 2))
    else:
        surface = (0.0, 0.0, float("nan"))
    matched = matched_ious(true_cells, found_cells)
    good = matched[matched > MATCH]
    closed = [trimesh.Trimesh(m.vertices, m.faces, process=False).is_watertight for m in found]
    return Scores(
        part_iou=float(matched.mean()),
        count_aware_iou=float(matched.sum() / max(len(truth), len(found))),
        panoptic=float(good.sum() / ((len(truth) + len(found)) / 2)),
        whole_iou=volume_iou(whole_true, whole_found),
        fscore_002=surface[0],
        fscore_005=surface[1],
        chamfer=surface[2],
        parts_true=len(truth),
        parts_found=len(found),
        overlap=np.count_nonzero(claims > 1) / volume if volume else 0.0,
        watertight=float(np.mean(closed)) if closed else 0.0,
    )
