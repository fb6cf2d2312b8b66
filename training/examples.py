"""Writes the example inputs under `examples/`: procedural objects of seeds that no split and no training has."""

from pathlib import Path

import numpy as np
import torch
import trimesh
from PIL import Image as Pictures

from apg_core.protocol.mesh import TriangleMesh
from training.cases import Case, pictured_case
from training.objects.draw import draw_objects
from training.objects.families import TRAINED
from training.objects.render import Cameras

EXAMPLE_SEED = 60_000
SIZE = 448
CHOSEN = {"image": "teddy", "mesh": "chair", "image_mesh": "lamp", "image_mask": "snowman", "image_mesh_mask": "robot"}


def example(mode: str) -> Case:
    """The example of a mode, seen from the front right and a little above."""
    family = CHOSEN[mode]
    seed = EXAMPLE_SEED + list(CHOSEN).index(mode)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    objects, _ = draw_objects({family: TRAINED[family]}, 1, rng=rng, turned=0.0)
    cameras = Cameras(azimuth=torch.tensor([0.35]), elevation=torch.tensor([0.3]), distance=torch.tensor([4.5]))
    return pictured_case(objects, family, family, cameras, rng, generator, size=SIZE)


def write_examples(folder: Path) -> None:
    """`MODE/OBJECT/` with what the mode needs: image.png (transparent), mesh.glb (one mesh), mask.png (8-bit)."""
    for mode in CHOSEN:
        case = example(mode)
        place = folder / mode / case.name
        place.mkdir(parents=True, exist_ok=True)
        if "image" in mode:
            assert case.image is not None
            Pictures.fromarray(case.image).save(place / "image.png", optimize=True)
        if "mask" in mode:
            assert case.mask is not None
            Pictures.fromarray(case.mask.astype(np.uint8)).save(place / "mask.png", optimize=True)
        if "mesh" in mode:
            _write_glb(case.whole, place / "mesh.glb")


def _write_glb(mesh: TriangleMesh, path: Path) -> None:
    solid = trimesh.Trimesh(mesh.vertices.astype(np.float32), mesh.faces, process=False)
    solid.export(path, file_type="glb")


if __name__ == "__main__":
    write_examples(Path("examples"))
