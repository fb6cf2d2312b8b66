"""How well parts tile a given mesh, and what that costs: the objects of the demo, real ones, those of `apg eval`.

    python -m benchmarks.partition --real ../shared/real_parts --objects 30

Each object is generated as users do it, its parts are fitted, and what comes out is measured from the fitted arrays:
volumes of solids and of their intersections, distances of outer corners to the given surface.
"""

import argparse
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from manifold3d import Error, Manifold, Mesh

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.normalise import normalise
from apg_core.geometry.parts.fitting import Fitted, Fitting, fit_parts
from apg_core.geometry.solid import nearest_face
from apg_core.inputs.prompt import read_prompt
from apg_core.pipeline.local import Pipeline, generate_parts, load_pipeline
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import GenerationOptions
from training.evaluate import find_cases, prompt_of

EXAMPLES = Path("examples")
SPLITS = ("validation", "test", "kept_out")


@dataclass(frozen=True, kw_only=True)
class Tiled:
    """One object: what its parts are worth as a partition, and what fitting cost."""

    name: str
    exact: bool
    parts: int
    unclaimed: float
    doubly_claimed: float
    solids: bool
    """Whether manifold3d accepts every part, and each edge of it has two faces."""
    away: float
    """Largest distance of a corner or the middle of an outside face to the given surface."""
    seconds: float
    """Of one processor."""


def main() -> int:
    """Print a row for each set of objects, and one for each object of the demo."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--real", type=Path, help="a folder of real objects, each a GLB with a node a part")
    parser.add_argument("--objects", type=int, default=30, help="of each set")
    parser.add_argument("--grid-size", type=int, default=256)
    parser.add_argument("--best-of", type=int, default=1)
    arguments = parser.parse_args()
    pipeline = load_pipeline("tiny", "cpu")
    options = GenerationOptions(fit_to_mesh=False, show_progress=False, preview=False, best_of=arguments.best_of)
    print("| object | parts | exact | unclaimed | doubly claimed | solids | distance | seconds |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    demo = [_tiled(name, pipeline, given, options, arguments.grid_size) for name, given in _demo()]
    for one in demo:
        print(_row(one.name, [one]), flush=True)
    for name, dataset in {"real, fused": arguments.real, **{split: split for split in SPLITS}}.items():
        if dataset is None:
            continue
        cases = find_cases(dataset, arguments.objects, fused=True)
        every = [_tiled(case.name, pipeline, prompt_of(case, "mesh"), options, arguments.grid_size) for case in cases]
        print(_row(f"{name} ({len(every)})", every), flush=True)
    print(f"\npeak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    return 0


def _demo() -> Iterator[tuple[str, Mapping[str, object]]]:
    for folder in sorted(path for path in EXAMPLES.glob("*/*") if path.is_dir()):
        sources = {kind: next(folder.glob(f"{kind}.*"), None) for kind in ("image", "mesh", "mask")}
        if sources["mesh"] is not None:
            prompt = read_prompt({k: v for k, v in sources.items() if v is not None}, InputLimits(), beside=True)  # type: ignore[misc]
            yield folder.name, {k: getattr(prompt, k) for k, v in sources.items() if v is not None}


def _tiled(
    name: str, pipeline: Pipeline, given: Mapping[str, object], options: GenerationOptions, grid_size: int
) -> Tiled:
    sampled = generate_parts(pipeline, options=options, **given).parts  # type: ignore[arg-type]
    mesh = given["mesh"]
    assert isinstance(mesh, TriangleMesh)
    normalised, _ = normalise(mesh)
    masked = "mask" in given
    room = 0 if masked else max(0, min(8, 12 - len(sampled)))
    fitting = Fitting(Grid(grid_size), at_edges=True, further=room, regroup=not masked)
    started = time.process_time()
    fitted = fit_parts([part.mesh for part in sampled], normalised, fitting)
    seconds = time.process_time() - started
    return measured(name, fitted, normalised, seconds)


def measured(name: str, fitted: Fitted, given: TriangleMesh, seconds: float) -> Tiled:
    """The figures of one object's fitted parts."""
    meshes = [mesh for mesh in fitted.meshes if not mesh.is_empty]
    return Tiled(
        name=name,
        exact=fitted.partition.exact,
        parts=len(meshes),
        unclaimed=fitted.partition.unclaimed,
        doubly_claimed=fitted.partition.doubly_claimed,
        solids=all(_is_solid(mesh) for mesh in meshes),
        away=max((_away(mesh, given) for mesh in meshes), default=0.0),
        seconds=seconds,
    )


def _is_solid(mesh: TriangleMesh) -> bool:
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    two_each = (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    solid = Manifold(Mesh(mesh.vertices, mesh.faces.astype(np.uint32)))
    return bool(two_each and solid.status() == Error.NoError and solid.volume() > 0)


def _away(mesh: TriangleMesh, given: TriangleMesh) -> float:
    assert mesh.source is not None
    outside = mesh.faces[mesh.source >= 0]
    places = np.concatenate([mesh.vertices[np.unique(outside)], mesh.vertices[outside].mean(axis=1)])
    return float(nearest_face(given, places)[0].max(initial=0.0))


def _row(name: str, every: Sequence[Tiled]) -> str:
    exact = [one for one in every if one.exact]
    cells = (
        name,
        f"{fmean(one.parts for one in every):.1f}",
        f"{len(exact)} of {len(every)}",
        f"{max(one.unclaimed for one in every):.1e}",
        f"{max(one.doubly_claimed for one in every):.1e}",
        f"{sum(one.solids for one in every)} of {len(every)}",
        f"{max((one.away for one in exact), default=float('nan')):.1e}",
        f"{fmean(one.seconds for one in every):.1f}, at most {max(one.seconds for one in every):.1f}",
    )
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    raise SystemExit(main())
