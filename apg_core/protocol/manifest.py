"""What a generation leaves behind: accepted parts, why it stopped, and the manifest that records it all."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

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

    @property
    def file(self) -> str:
        """Name of the part's mesh file."""
        return f"mesh_{self.index:03d}.glb"


@dataclass(frozen=True, eq=False)
class AcceptedPart:
    """A part that the generation keeps."""

    facts: PartFacts
    mesh: TriangleMesh


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
    weights: Mapping[str, str]
    """sha256 of each weight file."""
    inputs: Mapping[str, InputEntry]
    job: str | None = None
    """Id of the service's job, where it is one."""


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
    weights: dict[str, str]
    """sha256 of each weight file."""
    versions: dict[str, str]
    parts: tuple[PartEntry, ...]
    failed_regions: tuple[FailedRegion, ...]
    stop_reason: StopReason
    warnings: tuple[str, ...]
    placement: PlacementEntry | None = None
    """The input mesh's own frame, where there was one; figures of parts are in the normalised frame."""
    timings: dict[str, float]
    """Seconds spent in each stage."""
