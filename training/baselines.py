"""What geometry alone makes of an object, to be compared with: CoACD, connected components, the whole as one part."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import networkx
import numpy as np
import trimesh

from apg_core.protocol.mesh import TriangleMesh

SECONDS = 300
"""After which CoACD is given up on an object."""
MCTS = {"mcts_iterations": 60, "mcts_max_depth": 2, "mcts_nodes": 10, "resolution": 1000}
"""A third of CoACD's default search, at a third of its time; on whole objects the pieces were as good."""


def the_whole(mesh: TriangleMesh) -> list[TriangleMesh]:
    """The object as its only part."""
    return [mesh]


def components(mesh: TriangleMesh) -> list[TriangleMesh]:
    """Each connected surface as a part."""
    surface = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    surface.merge_vertices(merge_tex=True, merge_norm=True)
    graph = networkx.Graph(surface.edges_unique.tolist())
    first = {vertex: i for i, group in enumerate(networkx.connected_components(graph)) for vertex in group}
    group = np.array([first[vertex] for vertex in surface.faces[:, 0]])
    return [TriangleMesh(surface.vertices, surface.faces[group == i]) for i in np.unique(group)]


def coacd_pieces(mesh: TriangleMesh, threshold: float) -> list[TriangleMesh]:
    """Approximate convex decomposition (Wei et al. 2022), in a process of its own: its assertions end a process.

    The whole as one piece where it fails or takes more than `SECONDS`.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "mesh.npz", Path(folder) / "pieces.npz"
        np.savez(source, vertices=mesh.vertices, faces=mesh.faces)
        command = [sys.executable, "-m", __name__, str(source), str(target), str(threshold)]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command, timeout=SECONDS, check=False, capture_output=True)
        if not target.exists():
            return [mesh]
        found = np.load(target)
        return [TriangleMesh(found[f"v{i}"], found[f"f{i}"]) for i in range(len(found.files) // 2)]


BASELINES: Mapping[str, Callable[[TriangleMesh], list[TriangleMesh]]] = {
    "whole": the_whole,
    "components": components,
    **{
        f"coacd_{threshold}": lambda mesh, at=threshold: coacd_pieces(mesh, at) for threshold in (0.15, 0.1, 0.05, 0.02)
    },
}


def _main(source: str, target: str, threshold: str) -> None:
    import coacd

    given = np.load(source)
    coacd.set_log_level("error")
    pieces = coacd.run_coacd(coacd.Mesh(given["vertices"], given["faces"]), threshold=float(threshold), **MCTS)
    arrays = {f"v{i}": vertices for i, (vertices, _) in enumerate(pieces)}
    arrays |= {f"f{i}": faces for i, (_, faces) in enumerate(pieces)}
    np.savez(Path(target).with_suffix(".part"), **arrays)
    Path(target).with_suffix(".part.npz").rename(target)


if __name__ == "__main__":
    _main(*sys.argv[1:])
