"""What the caller gives: one type a mode. Arrays are decoded and checked already; see `apg_core.inputs`."""

from dataclasses import dataclass
from typing import ClassVar

from apg_core.errors import PromptError
from apg_core.protocol.arrays import Image, Labels
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.mode import Mode as Mode


@dataclass(frozen=True, eq=False)
class ImagePrompt:
    """A picture of the object; the whole is sampled from it."""

    mode: ClassVar[Mode] = "image"
    image: Image


@dataclass(frozen=True, eq=False)
class MeshPrompt:
    """The whole object as a mesh."""

    mode: ClassVar[Mode] = "mesh"
    mesh: TriangleMesh


@dataclass(frozen=True, eq=False)
class ImageMeshPrompt:
    """The whole object as a mesh, and a picture of it."""

    mode: ClassVar[Mode] = "image_mesh"
    image: Image
    mesh: TriangleMesh


@dataclass(frozen=True, eq=False)
class MaskedImagePrompt:
    """A picture, and which of its pixels belong to which part."""

    mode: ClassVar[Mode] = "image_mask"
    image: Image
    mask: Labels


@dataclass(frozen=True, eq=False)
class MaskedImageMeshPrompt:
    """A picture, its part mask, and the whole object as a mesh."""

    mode: ClassVar[Mode] = "image_mesh_mask"
    image: Image
    mesh: TriangleMesh
    mask: Labels


Prompt = ImagePrompt | MeshPrompt | ImageMeshPrompt | MaskedImagePrompt | MaskedImageMeshPrompt


def check_combination(*, image: bool, mesh: bool, mask: bool) -> None:
    """Whether what is given is one of the five modes; asked before any of it is read.

    Raises:
        PromptError: neither image nor mesh, or a mask without an image.
    """
    if mask and not image:
        raise PromptError("a mask needs the image whose pixels it labels; give an image too", field="mask")
    if not image and not mesh:
        raise PromptError("nothing to work from; give an image, a mesh, or both", field="image")


def make_prompt(image: Image | None = None, mesh: TriangleMesh | None = None, mask: Labels | None = None) -> Prompt:
    """The prompt type that these inputs make.

    Raises:
        PromptError: neither image nor mesh, or a mask without an image.
    """
    check_combination(image=image is not None, mesh=mesh is not None, mask=mask is not None)
    if image is None:
        assert mesh is not None
        return MeshPrompt(mesh)
    if mask is not None:
        return MaskedImagePrompt(image, mask) if mesh is None else MaskedImageMeshPrompt(image, mesh, mask)
    return ImagePrompt(image) if mesh is None else ImageMeshPrompt(image, mesh)
