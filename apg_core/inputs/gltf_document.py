"""What of a glTF 2.0 document matters to its triangles, as checked values.

Skins, cameras, animations and extras are not even kept; materials and images are read by `gltf_looks`.
Source: Khronos glTF 2.0 specification, section 5 (properties reference).
"""

from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from scipy.spatial.transform import Rotation

from apg_core.errors import MeshError
from apg_core.protocol.limits import InputLimits, check_limit

Index = Annotated[int, Field(ge=0, lt=2**40)]
Vector3 = tuple[float, float, float]
# Extensions without which the geometry would be wrong, and which are not read here, and what to do about it.
_READ = {
    "KHR_draco_mesh_compression",
    "EXT_meshopt_compression",
    "KHR_meshopt_compression",
    "KHR_mesh_quantization",
}
_LOOKS = ("KHR_materials_", "KHR_texture_", "EXT_texture_", "MSFT_texture_", "KHR_lights_", "EXT_lights_", "KHR_xmp")
"""Beginnings of extensions that no shape depends on; what is not read of them is left out of the looks."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, allow_inf_nan=False)


class Asset(_Value):
    """Which glTF this is."""

    version: str = "2.0"


class Buffer(_Value):
    """A run of bytes: the GLB's own, or a data URI."""

    byte_length: Index
    uri: str | None = None


class Meshopt(_Value):
    """Rows of a buffer view in meshoptimizer's packing, and where they lie."""

    buffer: Index
    byte_offset: Index = 0
    byte_length: Index
    byte_stride: Annotated[int, Field(ge=1, le=256)]
    count: Index
    mode: Literal["ATTRIBUTES", "TRIANGLES", "INDICES"]
    filter: Literal["NONE", "OCTAHEDRAL", "QUATERNION", "EXPONENTIAL", "COLOR"] = "NONE"


class ViewExtensions(_Value):
    """The extensions of a buffer view that are read: one and the same under two names."""

    ext: Meshopt | None = Field(default=None, alias="EXT_meshopt_compression")
    khr: Meshopt | None = Field(default=None, alias="KHR_meshopt_compression")


class BufferView(_Value):
    """A part of a buffer."""

    buffer: Index
    byte_offset: Index = 0
    byte_length: Index
    byte_stride: Annotated[int, Field(ge=1, le=252)] | None = None
    extensions: ViewExtensions = ViewExtensions()

    @property
    def meshopt(self) -> Meshopt | None:
        """Where its rows are, if they are compressed."""
        return self.extensions.ext or self.extensions.khr

    @property
    def stride(self) -> int | None:
        """Bytes from one row to the next, where they are said: unpacked rows lie as their packing says."""
        return self.meshopt.byte_stride if self.meshopt else self.byte_stride


class SparsePart(_Value):
    """Where a sparse accessor's indices or values lie; values are of the accessor's own type."""

    buffer_view: Index
    byte_offset: Index = 0
    component_type: Literal[5121, 5123, 5125] = 5125


class Sparse(_Value):
    """Rows of an accessor that are given separately."""

    count: Index
    indices: SparsePart
    values: SparsePart


class Accessor(_Value):
    """Rows of numbers in a buffer view."""

    buffer_view: Index | None = None
    byte_offset: Index = 0
    component_type: Literal[5120, 5121, 5122, 5123, 5125, 5126]
    count: Index
    type: Literal["SCALAR", "VEC2", "VEC3", "VEC4", "MAT2", "MAT3", "MAT4"]
    normalized: bool = False
    sparse: Sparse | None = None


class Draco(_Value):
    """A primitive's attributes and indices as one Draco mesh; attributes are named by Draco's own ids."""

    buffer_view: Index
    attributes: dict[str, Index]


class PrimitiveExtensions(_Value):
    """The extensions of a primitive that are read."""

    draco: Draco | None = Field(default=None, alias="KHR_draco_mesh_compression")


class Primitive(_Value):
    """One drawn list of points, lines or triangles."""

    attributes: dict[str, Index]
    indices: Index | None = None
    material: object = None
    """A number, where it is one: looks are no reason to refuse a file."""
    mode: int = 4
    extensions: PrimitiveExtensions = PrimitiveExtensions()

    @property
    def draco(self) -> Draco | None:
        """Where its triangles are, if they are compressed."""
        return self.extensions.draco


class Mesh(_Value):
    """Primitives that move together."""

    primitives: list[Primitive]


class Node(_Value):
    """A place in the scene."""

    mesh: Index | None = None
    children: list[Index] = []
    matrix: tuple[float, ...] | None = Field(default=None, min_length=16, max_length=16)
    translation: Vector3 = (0.0, 0.0, 0.0)
    rotation: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
    scale: Vector3 = (1.0, 1.0, 1.0)

    def transform(self) -> Float[np.ndarray, "4 4"]:
        """From the node's frame to its parent's."""
        if self.matrix is not None:
            return np.array(self.matrix).reshape(4, 4).T  # stored column by column
        transform = np.eye(4)
        transform[:3, :3] = Rotation.from_quat(self.rotation).as_matrix() * self.scale
        transform[:3, 3] = self.translation
        return transform


class Scene(_Value):
    """The nodes at the top."""

    nodes: list[Index] = []


class Document(_Value):
    """The whole file."""

    asset: Asset = Asset()
    buffers: list[Buffer] = []
    buffer_views: list[BufferView] = []
    accessors: list[Accessor] = []
    meshes: list[Mesh] = []
    nodes: list[Node] = []
    scenes: list[Scene] = []
    scene: Index = 0
    extensions_required: list[str] = []


def parse_document(text: bytes, limits: InputLimits) -> Document:
    """The document in a glTF's JSON.

    Raises:
        MeshError: damaged, glTF 1, or in need of an extension that is not read.
        LimitError: more values than `limits` allow.
    """
    check_limit("values in the glTF's JSON", sum(map(text.count, b",[{")), limits.mesh_entries, field="mesh")
    try:
        document = Document.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "JSON"
        raise MeshError(f"the glTF is damaged at {where}: {first['msg']}", field="mesh") from error
    if not document.asset.version.startswith("2."):
        raise MeshError(f"glTF {document.asset.version[:20]} is not read; export glTF 2.0", field="mesh")
    for extension in document.extensions_required:
        if extension not in _READ and not extension.startswith(_LOOKS):
            raise MeshError(f"the glTF requires {extension[:60]}, which is not read; export without it", field="mesh")
    return document
