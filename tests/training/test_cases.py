"""Evaluation cases: true parts agree with the objects' exact fields, and with their pictures."""

import numpy as np
import pytest
import torch
import trimesh

from training.cases import part_meshes, procedural
from training.objects.batch import assemble
from training.objects.sketch import ball, box


def test_part_meshes_are_closed_outward_and_of_the_right_volume() -> None:
    objects = assemble([[[ball((0, 0, 0), 0.5)], [box((0, 1, 0), (0.25, 0.5, 0.25), rounding=0.0)]]], [0.0])
    torch.testing.assert_close(objects.part_counts, torch.tensor([2]))
    for mesh, volume in zip(part_meshes(objects, 0), (4 / 3 * np.pi * 0.5**3, 0.25), strict=True):
        solid = trimesh.Trimesh(mesh.vertices, mesh.faces)
        assert solid.is_watertight
        # The object is two units high and is scaled to two.
        assert solid.volume == pytest.approx(volume, rel=0.03)


def test_a_split_is_the_same_every_time_and_masks_name_its_parts() -> None:
    first, second = list(procedural("test", 2)), list(procedural("test", 2))
    for one, other in zip(first, second, strict=True):
        assert one.name == other.name
        assert one.image is not None
        assert one.mask is not None
        assert other.image is not None
        np.testing.assert_array_equal(one.image, other.image)
        assert one.mask.max() <= len(one.parts)
        assert one.image.shape[:2] == one.mask.shape
        assert len(one.masked_parts) >= 1
