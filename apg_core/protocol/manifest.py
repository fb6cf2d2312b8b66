"""What a generation leaves behind: accepted parts, why it stopped, and the manifest that records it all."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from apg_core.protocol.formats import Axis
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.mode import InputEntry, Mode


class StopReason(StrEnum):
    """Why a generation made no further part."""

    END_OF_SEQUENCE = "end_of_sequence"
    """The model said that the object is complete."""
    MAX_PARTS = "max_parts"
    """The cap on the number of parts was reached."""
    NO_NEW_PART = "no_new_part"
    """Every attempt at the next part was empty or a duplicate."""
    ALL_REGIONS_DONE = "all_regions_done"
    """Every mask region was tried."""
    EDITED = "edited"
    """What an edit asked for was done."""


class MeshFacts(BaseModel):
    """What can be said of a mesh in numbers; lengths in the object's frame, where max |coordinate| is 1."""

    model_config = ConfigDict(frozen=True)

    faces: int
    vertices: int
    bounds: tuple[tuple[float, float, float], tuple[float, float, float]]
    watertight: bool
    area: float
    volume: float


class PartFacts(BaseModel):
    """How a part came to be: everything about it but its mesh, in plain JSON."""

    model_config = ConfigDict(frozen=True)

    index: int
    """Place among the accepted parts; the file is `mesh_{index:03d}.glb`."""
    label: int | None = None
    """The mask label it was made for."""
    attempt: int
    """Which attempt was accepted, from 0."""
    seed: int
    """The seed of its trajectory."""
    overlap: float
    """Share of its surface cells, or of the accepted parts', that both have."""
    notes: tuple[str, ...] = ()
    """What cleanup did or could not do."""
    name: str | None = None
    """What the caller calls it."""
    colour: tuple[int, int, int, int] | None = None
    """Of its files where they have no other, sRGB and alpha; None is the colour of its place among the parts."""
    candidate: int | None = None
    """Number of the candidate, where it is one of those for the part of this index."""
    remainder: bool = False
    """Whether it is what no sampled part had of the given mesh."""
    left_by: int | None = None
    """Index of the part that an edit made again and that has less of the given mesh than before, of which this is what
    it left."""
    further_labels: tuple[int, ...] = ()
    """Mask labels of parts that were merged into it, or of the part that it was split from."""

    @property
    def file(self) -> str:
        """Name of the part's mesh file."""
        stem = f"{self.index:03d}"
        return f"mesh_{stem}.glb" if self.candidate is None else f"candidate_{stem}_{self.candidate}.glb"

    @property
    def labels(self) -> tuple[int, ...]:
        """All mask labels that it stands for."""
        return self.further_labels if self.label is None else (self.label, *self.further_labels)


@dataclass(frozen=True, eq=False)
class AcceptedPart:
    """A part that the generation keeps."""

    facts: PartFacts
    mesh: TriangleMesh
    sampled: TriangleMesh | None = None
    """As it was before it was fitted or smoothed, where it was; what further parts are sampled beside."""
    shown: "AcceptedPart | None" = None
    """What callers are shown of it meanwhile, where that is not itself."""

    @property
    def as_sampled(self) -> "AcceptedPart":
        """The part before it was fitted or smoothed."""
        return self if self.sampled is None else AcceptedPart(self.facts, self.sampled)

    def now(self, facts: PartFacts, mesh: TriangleMesh) -> "AcceptedPart":
        """The part after it was fitted or smoothed."""
        return AcceptedPart(facts, mesh, self.mesh if self.sampled is None else self.sampled)


class PartEntry(PartFacts):
    """A part as the manifest lists it."""

    path: str = Field(alias="file")
    mesh: MeshFacts

    model_config = ConfigDict(frozen=True, populate_by_name=True)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a generation came from: what the manifest says beside what the generation itself knows."""

    preset: str
    random_weights: bool
    precision: str
    weights: Mapping[str, str]
    """sha256 of each weight file."""
    sampling: Mapping[str, JsonValue]
    """What the preset says of sampling, as `Manifest.sampling` has it."""
    inputs: Mapping[str, InputEntry]
    job: str | None = None
    """Id of the service's job, where it is one."""
    parent: "ParentEntry | None" = None
    """What was edited, in a generation that is an edit."""
    edit: Mapping[str, JsonValue] | None = None
    """The edit that was asked for, as JSON has it."""


class ParentEntry(BaseModel):
    """The generation that was edited."""

    model_config = ConfigDict(frozen=True)

    latents: str
    """sha256 of its `latents.safetensors`."""
    job: str | None = None
    """Its job, where a service made it."""


class FailedRegion(BaseModel):
    """A mask region that no attempt gave a part for."""

    model_config = ConfigDict(frozen=True)

    label: int
    attempts: int
    reason: str


class PlacementEntry(BaseModel):
    """Where the input mesh was, y up: x_input = x * scale + centre; where `up` is z, (x, -z, y) of that."""

    model_config = ConfigDict(frozen=True)

    centre: tuple[float, float, float]
    scale: float
    up: Axis = "y"


class PartitionShare(BaseModel):
    """What one part has of the given mesh's solid."""

    model_config = ConfigDict(frozen=True)

    index: int
    share: float
    """Of the solid's volume."""
    doubly_claimed: float
    """Share of the part's own volume that other parts have, too."""


class PartitionEntry(BaseModel):
    """How the parts divide the solid that the given mesh encloses, measured on the parts as they are in the end."""

    model_config = ConfigDict(frozen=True)

    exact: bool
    """Whether the mesh is closed, and the parts have its own surface; otherwise some of that is a copy."""
    unclaimed: float
    """Share of the solid's volume that is in no part."""
    doubly_claimed: float
    """Share of the solid's volume that is in more than one part."""
    parts: tuple[PartitionShare, ...]


class Manifest(BaseModel):
    """The record of one generation: enough to run it again and to know what came out."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    mode: Mode
    inputs: dict[str, InputEntry]
    options: dict[str, bool | int | float | str | None]
    preset: str
    random_weights: bool
    """Whether the weights are random, so that the shapes mean nothing."""
    precision: str | None = None
    """What the networks' weights were held in: fp32, bf16 or fp16; manifests of older versions do not say."""
    weights: dict[str, str]
    """sha256 of each weight file."""
    sampling: dict[str, JsonValue] = {}
    """What the preset or config file says of sampling: schedule, guidance, scale of latents; older manifests do not."""
    versions: dict[str, str]
    parts: tuple[PartEntry, ...]
    failed_regions: tuple[FailedRegion, ...]
    stop_reason: StopReason
    warnings: tuple[str, ...]
    placement: PlacementEntry | None = None
    """The input mesh's own frame, where there was one; figures of parts are in the normalised frame."""
    timings: dict[str, float]
    """Seconds spent in each stage."""
    partition: PartitionEntry | None = None
    """Where the parts were fitted to the given mesh."""
    candidates: tuple[PartEntry, ...] = ()
    """Parts that may take the place of the part of their index (docs/edits.md)."""
    parent: ParentEntry | None = None
    """The generation that was edited, if this one is an edit."""
    edit: dict[str, JsonValue] | None = None
    """What was asked of it."""
