"""Prompts from objects in memory, and how the manifest names and hashes them."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from apg_core.errors import LimitError, MeshError, PromptError
from apg_core.inputs.prompt import input_entries, read_prompt
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.mesh import TriangleMesh

LIMITS = InputLimits()
PIXELS = (np.arange(24 * 16 * 4) * 7 % 251).astype(np.uint8).reshape(24, 16, 4)
LABELS = np.kron(np.array([[0, 1], [2, 3]], np.uint8), np.ones((12, 8), np.uint8))
BOX = trimesh.creation.box((1, 2, 3))


def test_pillows_picture_is_read_as_its_file_is(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(path, exif=exif)
    from_file = read_prompt({"image": path}, LIMITS).image
    from_memory = read_prompt({"image": Image.open(path)}, LIMITS).image
    assert from_file is not None
    assert from_file.shape == (16, 24, 4)
    assert (from_memory == from_file).all()


def test_pillows_mask_may_have_labels_a_palette_or_colours() -> None:
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)[LABELS]
    for mask, labels in [
        (Image.fromarray(LABELS), LABELS),
        (Image.fromarray(LABELS).convert("P"), LABELS),
        (Image.fromarray(colours), np.choose(LABELS, [0, 3, 2, 1])),  # equal areas: by red, green and blue
        (colours, np.choose(LABELS, [0, 3, 2, 1])),
        (LABELS, LABELS),
    ]:
        prompt = read_prompt({"image": PIXELS, "mask": mask}, LIMITS)
        assert prompt.mask is not None
        assert (prompt.mask == labels).all()


def test_trimesh_meshes_and_scenes_are_taken_with_their_transforms() -> None:
    prompt = read_prompt({"mesh": BOX}, LIMITS)
    assert prompt.mesh is not None
    assert (prompt.mesh.vertices == BOX.vertices).all()
    assert (prompt.mesh.faces == BOX.faces).all()
    scene = trimesh.Scene()
    scene.add_geometry(BOX, transform=trimesh.transformations.translation_matrix([5, 0, 0]))
    scene.add_geometry(BOX, transform=np.diag([-1.0, 1.0, 1.0, 1.0]))
    scene.add_geometry(trimesh.PointCloud(np.full((4, 3), 100.0)))
    placed = read_prompt({"mesh": scene}, LIMITS).mesh
    assert placed is not None
    assert placed.bounds == pytest.approx(np.array([[-0.5, -1, -1.5], [5.5, 1, 1.5]]))
    assert trimesh.Trimesh(placed.vertices, placed.faces, process=False).volume == pytest.approx(12)


def test_what_is_in_memory_is_held_to_the_limits() -> None:
    with pytest.raises(LimitError, match="pixels: 384"):
        read_prompt({"image": Image.fromarray(PIXELS)}, InputLimits(image_pixels=100))
    with pytest.raises(LimitError, match="pixels: 384"):
        read_prompt({"image": PIXELS, "mask": LABELS}, InputLimits(image_pixels=383))
    with pytest.raises(LimitError, match="faces: 12"):
        read_prompt({"mesh": BOX}, InputLimits(mesh_faces=11))
    with pytest.raises(MeshError, match="no triangles"):
        read_prompt({"mesh": trimesh.Scene()}, LIMITS)


@pytest.mark.parametrize(
    ("sources", "reason"),
    [
        ({"image": BOX}, r"image must be a path, NumPy array or PIL\.Image\.Image, got Trimesh"),
        ({"mesh": PIXELS}, r"mesh must be a path, TriangleMesh, trimesh\.Trimesh or trimesh\.Scene, got ndarray"),
        ({"mesh": Image.fromarray(PIXELS)}, "got Image"),
    ],
)
def test_anything_else_is_refused_by_its_type(sources: dict, reason: str) -> None:
    with pytest.raises(PromptError, match=reason):
        read_prompt(sources, LIMITS)


def test_the_manifest_hashes_what_is_in_memory() -> None:
    picture = Image.fromarray(PIXELS)
    entries = input_entries({"image": picture, "mesh": BOX})
    assert [entry.name for entry in entries.values()] == ["PIL.Image", "trimesh"]
    assert entries["image"].sha256 == input_entries({"image": PIXELS})["image"].sha256
    as_arrays = TriangleMesh(np.asarray(BOX.vertices), np.asarray(BOX.faces))
    assert entries["mesh"].sha256 == input_entries({"mesh": as_arrays})["mesh"].sha256
    moved = BOX.copy()
    moved.apply_translation([1, 0, 0])
    assert input_entries({"mesh": moved})["mesh"].sha256 != entries["mesh"].sha256


def test_a_file_in_memory_reads_as_on_the_disk() -> None:
    file = BytesIO()
    Image.fromarray(LABELS).save(file, "PNG")
    opened = Image.open(BytesIO(file.getvalue()))
    prompt = read_prompt({"image": PIXELS, "mask": opened}, LIMITS)
    assert prompt.regions is not None
    assert sorted(prompt.regions) == [1, 2, 3]
