"""What an evaluation runs on: procedural splits, and folders of objects whose parts are separate meshes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image as Pictures
from skimage.measure import marching_cubes

from apg_core.errors import InputError
from apg_core.inputs import read_image, read_mask
from apg_core.inputs.mesh import read_parts
from apg_core.protocol.arrays import Image, Labels
from apg_core.protocol.mesh import TriangleMesh
from training.objects.batch import ObjectBatch, distances
from training.objects.draw import draw_objects
from training.objects.families import TRAINED, Family
from training.objects.fusing import fused
from training.objects.kept_out import KEPT_OUT
from training.objects.meshed import picture
from training.objects.real import RealSplit, normalised, real_parts
from training.objects.render import Cameras, part_colours, random_cameras, random_colours, render

Split = Literal["validation", "test", "kept_out"]
SPLIT_SEEDS: dict[Split, int] = {"validation": 70_001, "test": 80_001, "kept_out": 90_001}
PICTURE_SIZE = 160
LATTICE = 80
MESH_ENDINGS = {".glb", ".gltf", ".obj", ".ply", ".stl", ".off"}
LEAST_SEEN = 20
"""Pixels of a part below which a mask has no region for it."""


@dataclass(frozen=True, eq=False)
class Case:
    """One object with its true parts, in the normalised frame, and what a prompt can be made of."""

    name: str
    family: str
    parts: tuple[TriangleMesh, ...]
    image: Image | None = None
    mask: Labels | None = None
    """Label i + 1 where part i is seen."""
    fused: bool = False
    """Whether the mesh of a prompt is the boolean union of the parts: no inner faces that would give the cuts away."""

    @property
    def given(self) -> TriangleMesh:
        """The mesh of a prompt."""
        return fused(self.parts) if self.fused else self.whole

    @property
    def whole(self) -> TriangleMesh:
        """All parts laid over each other, as one mesh."""
        return TriangleMesh.joined(list(self.parts))

    @property
    def masked_parts(self) -> tuple[TriangleMesh, ...]:
        """The parts that have a region in the mask."""
        if self.mask is None:
            return ()
        return tuple(self.parts[label - 1] for label in np.unique(self.mask[self.mask > 0]))


def part_meshes(objects: ObjectBatch, row: int) -> tuple[TriangleMesh, ...]:
    """Closed meshes of one object's parts, by marching cubes on their exact fields."""
    one = objects[row : row + 1]
    reach = 1.03
    axis = torch.linspace(-reach, reach, LATTICE)
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).view(1, -1, 3)
    fields = distances(one, grid, one.kind >= 0)[0]
    meshes = []
    for part in range(int(one.part_counts[0])):
        field = fields[one.part[0] == part].amin(0).view(LATTICE, LATTICE, LATTICE).numpy()
        vertices, faces, _, _ = marching_cubes(field, 0.0)
        vertices = vertices / (LATTICE - 1) * 2 * reach - reach
        meshes.append(TriangleMesh(vertices.astype(np.float64), faces.astype(np.int64)))
    return tuple(meshes)


def procedural(split: Split, count: int) -> Iterator[Case]:
    """Objects that training has not seen; all face the front, so that a picture determines the pose."""
    families = KEPT_OUT if split == "kept_out" else TRAINED
    seed = SPLIT_SEEDS[split]
    yield from _drawn(families, count, seed=seed)


def _drawn(families: Mapping[str, Family], count: int, *, seed: int) -> Iterator[Case]:
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    for index in range(count):
        objects, names = draw_objects(families, 1, rng=rng, turned=0.0)
        yield pictured_case(objects, names[0], f"{names[0]}_{index:03d}", random_cameras(1, rng=rng), rng, generator)


def pictured_case(
    objects: ObjectBatch,
    family: str,
    name: str,
    cameras: Cameras,
    rng: np.random.Generator,
    generator: torch.Generator,
    size: int = PICTURE_SIZE,
) -> Case:
    """One object with its meshes, its picture with transparency, and its part mask."""
    colours = random_colours(objects, rng=rng)
    pictures = render(objects, cameras, colours, size=2 * size, generator=generator)
    return Case(
        name, family, part_meshes(objects, 0), *_image_and_mask(pictures.rgb[0].numpy(), pictures.part[0].numpy())
    )


def _image_and_mask(rgb: np.ndarray, seen: np.ndarray) -> tuple[Image, Labels]:
    """A picture at half size, transparent around the object, and its part mask without regions of a few pixels."""
    rgba = np.dstack([rgb, ((seen >= 0) * 255).astype(np.uint8)])
    size = (seen.shape[1] // 2, seen.shape[0] // 2)
    image = np.asarray(Pictures.fromarray(rgba).resize(size, Pictures.Resampling.BOX))
    mask = (seen[::2, ::2] + 1).astype(np.int32)
    for label in np.unique(mask[mask > 0]):
        if (mask == label).sum() < LEAST_SEEN:
            mask[mask == label] = 0
    return image, mask


def real_cases(folder: Path, *, split: RealSplit = "validation") -> Iterator[Case]:
    """Objects of a folder of real ones, kept from training unless told otherwise, with pictures of our own.

    Raises:
        InputError: the folder holds no object of that split.
    """
    found = False
    for name, parts in real_parts(folder, split):
        found = True
        rng = np.random.default_rng([SPLIT_SEEDS["validation"], *name.encode()])
        cameras, colours = random_cameras(1, rng=rng), part_colours(1, len(parts), rng=rng)[0].numpy()
        rgb, seen = picture(parts, cameras, 0, colours, size=2 * PICTURE_SIZE)
        yield Case(name, name.split("_")[0], parts, *_image_and_mask(rgb, seen))
    if not found:
        raise InputError(f"no objects to validate on in {folder}; expected GLB files named PACK_OBJECT.glb")


def folder_cases(folder: Path) -> Iterator[Case]:
    """Objects of a folder: each is a file whose parts are nodes, or a folder of one mesh a part.

    `NAME.png` or `image.png` and `NAME.mask.png` or `mask.png` beside the parts make the image modes possible.

    Raises:
        InputError: the folder holds no object.
    """
    found = False
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            files = [path for path in sorted(entry.iterdir()) if path.suffix.lower() in MESH_ENDINGS]
            picture, mask = entry / "image.png", entry / "mask.png"
        elif entry.suffix.lower() in MESH_ENDINGS:
            files = [entry]
            picture, mask = entry.with_suffix(".png"), entry.with_suffix(".mask.png")
        else:
            continue
        parts = [part for path in files for part in read_parts(path)]
        if not parts:
            continue
        found = True
        yield Case(
            entry.stem,
            folder.name,
            normalised(parts),
            read_image(picture) if picture.is_file() else None,
            read_mask(mask) if mask.is_file() else None,
        )
    if not found:
        raise InputError(f"no objects in {folder}; expected mesh files with a node a part, or a folder an object")
