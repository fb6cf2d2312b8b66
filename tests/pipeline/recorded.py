"""Fixed generations and the hashes of the meshes that they made when they were recorded.

`python -m tests.pipeline.recorded` records them anew: after a change that is meant to change meshes, and only then.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from apg_core.inputs.mesh import read_parts
from apg_core.pipeline.local import Pipeline, generate_parts, load_pipeline
from apg_core.protocol.mode import InputName
from apg_core.protocol.options import GenerationOptions

HASHES = Path(__file__).parent.parent / "data" / "meshes.json"
EXAMPLES = Path(__file__).parent.parent.parent / "examples"
ROBOT = EXAMPLES / "image_mesh_mask" / "robot"
IMAGE, MESH, MASK = ROBOT / "image.png", ROBOT / "mesh.glb", ROBOT / "mask.png"
MODES: Mapping[str, Mapping[InputName, Path]] = {
    "image": {"image": IMAGE},
    "mesh": {"mesh": MESH},
    "image_mesh": {"image": IMAGE, "mesh": MESH},
    "image_mask": {"image": IMAGE, "mask": MASK},
    "image_mesh_mask": {"image": IMAGE, "mesh": MESH, "mask": MASK},
}
ARITHMETIC = ("torch", "numpy", "scipy", "libigl", "fast-simplification", "trimesh", "pillow")


@dataclass(frozen=True)
class Run:
    """A generation that is always the same."""

    preset: str
    mode: str
    options: GenerationOptions

    def hashes(self) -> dict[str, str]:
        """sha256 of the triangles of each mesh file that it leaves."""
        with tempfile.TemporaryDirectory() as folder:
            generate_parts(pipeline(self.preset), **MODES[self.mode], output_dir=folder, options=self.options)
            return {path.name: _triangles_hash(path) for path in sorted(Path(folder).glob("*.glb"))}


def _triangles_hash(path: Path) -> str:
    """Of the corners' places, face after face and node after node: not of how the file writes them down."""
    digest = hashlib.sha256()
    for mesh in read_parts(path):
        digest.update(mesh.vertices[mesh.faces].astype(np.float32).tobytes())
    return digest.hexdigest()


def _options(**chosen: object) -> GenerationOptions:
    return GenerationOptions.model_validate({"show_progress": False, "preview": False, "seed": 3, **chosen})


TINY = {"grid_size": 64, "num_inference_steps": 4, "max_parts": 3, "best_of": 2}
RUNS: Mapping[str, Run] = {
    **{f"nano {mode}": Run("nano", mode, _options(save_whole=True)) for mode in MODES},
    **{f"tiny {mode}": Run("tiny", mode, _options(**TINY)) for mode in MODES},
    "nano retry": Run("nano", "mesh", _options(iou_threshold=0.9, duplicate_retries=2, max_parts=6)),
    "nano strides": Run("nano", "mesh", _options(part_seed_stride=7, retry_seed_stride=11)),
    "nano best of": Run("nano", "image_mesh", _options(best_of=3)),
    "nano noise": Run("nano", "image_mesh", _options(infer_sigma_history=0.5, sample_posterior=True, sigma_floor=0.2)),
    "nano guidance": Run("nano", "image_mesh_mask", _options(mask_image_cfg_scale=3, geometry_cfg_scale=1)),
    "nano finish": Run("nano", "mesh", _options(scene_cleanup=True, smooth_iters=3, simplify_faces=200, grid_size=32)),
    "nano box": Run("nano", "mesh", _options(use_coarse_bbox=True, grid_size=32)),
    "nano fit": Run("nano", "mesh", _options(fit_to_mesh=True, grid_size=32)),
    "tiny lattice": Run("tiny", "mesh", _options(**TINY, fit_at_edges=False)),
    "tiny loose": Run("tiny", "mesh", _options(**TINY, fit_to_mesh=False)),
}


@cache
def pipeline(preset: str) -> Pipeline:
    """The preset on the CPU in fp32, loaded once."""
    return load_pipeline(preset, "cpu", precision="fp32")


def arithmetic() -> str:
    """What the last bits of a result depend on beside our code: libraries, and how this processor rounds."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(257, 513, generator=generator) for _ in range(2))
    image = torch.randn(1, 3, 56, 56, generator=generator)
    kernel = torch.randn(48, 3, 14, 14, generator=generator)
    values = (
        left @ right.T,
        torch.nn.functional.gelu(left),
        left.softmax(-1),
        torch.nn.functional.conv2d(image, kernel, stride=14),
        torch.nn.functional.scaled_dot_product_attention(left[None, None], right[None, None], right[None, None]),
        left.exp(),
        left.sin(),
    )
    digest = hashlib.sha256(" ".join(f"{name} {version(name)}" for name in ARITHMETIC).encode())
    for value in values:
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def record() -> None:
    """Write down what the runs make now."""
    torch.set_num_threads(1)
    recorded = {"arithmetic": arithmetic(), "runs": {name: run.hashes() for name, run in RUNS.items()}}
    HASHES.write_text(json.dumps(recorded, indent=1) + "\n")


if __name__ == "__main__":
    record()
