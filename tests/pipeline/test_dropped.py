"""The features of no image are kept beside the weights that made them, and used with no others."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from apg_core.errors import WeightsMismatchError
from apg_core.pipeline.dropped import DROPPED_FILE, keep_dropped, kept_dropped
from apg_core.pipeline.loading import ModelLoader
from apg_core.pipeline.local_stages import LocalStages, load_pipeline
from apg_core.presets import load_preset

TINY = load_preset("tiny")
ENCODER = TINY.folder / "image_encoder.safetensors"


def loader() -> ModelLoader:
    return ModelLoader(TINY, device=torch.device("cpu"), precision="fp32")


def test_what_ships_is_what_the_shipped_encoder_gives() -> None:
    kept = kept_dropped(ENCODER)
    assert kept is not None
    np.testing.assert_allclose(kept, loader().features().dropped(), atol=1e-5)


def test_what_was_made_with_other_weights_is_not_used(tmp_path: Path) -> None:
    weights = tmp_path / "image_encoder.safetensors"
    shutil.copy(ENCODER, weights)
    assert kept_dropped(weights) is None
    features = np.arange(6, dtype=np.float32).reshape(2, 3)
    keep_dropped(features, weights)
    np.testing.assert_array_equal(kept_dropped(weights), features)
    weights.write_bytes(weights.read_bytes() + b"\0")
    assert kept_dropped(weights) is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    weights = tmp_path / "image_encoder.safetensors"
    shutil.copy(ENCODER, weights)
    (tmp_path / DROPPED_FILE).write_bytes(b"not tensors")
    with pytest.raises(WeightsMismatchError, match=r"dropped_features\.safetensors cannot be read"):
        kept_dropped(weights)


def test_a_mesh_needs_no_image_encoder() -> None:
    stages = load_pipeline("tiny", "cpu").stages
    assert isinstance(stages, LocalStages)
    assert not stages.features.loaded
