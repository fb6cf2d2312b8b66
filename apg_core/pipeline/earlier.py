"""A generation that was made before, as an edit takes it up, and the file that keeps it: `latents.safetensors`.

The file has the whole object's latent, the picture as the encoder saw it, and each part's mesh, as it is and as it was
sampled where that is another, exactly. Everything else is JSON in its header (`Record`). The inputs are not in it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from apg_core.errors import EditError, InputError
from apg_core.pipeline.ending import Ending
from apg_core.protocol.arrays import LatentArray, RgbImage
from apg_core.protocol.manifest import AcceptedPart, FailedRegion, PartFacts, PartitionEntry, Provenance, StopReason
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.mode import InputEntry, Mode
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.packing import mesh_arrays, mesh_of
from apg_core.protocol.prompt import Prompt

LATENTS_FILE = "latents.safetensors"
_RECORD, _SHA256 = "record", "sha256"
LENGTH_BYTES = 8
"""At the beginning of the file: how long the header behind them is."""


class Record(BaseModel):
    """A generation in plain JSON: what an edit must know to be planned."""

    model_config = ConfigDict(frozen=True)

    mode: Mode
    regions: tuple[int, ...] | None
    """Labels of the mask, in the order of their parts."""
    inputs: dict[str, InputEntry]
    options: dict[str, bool | int | float | str | None]
    """Complete."""
    preset: str
    random_weights: bool
    weights: dict[str, str]
    parts: tuple[PartFacts, ...]
    candidates: tuple[PartFacts, ...] = ()
    failed_regions: tuple[FailedRegion, ...] = ()
    stop_reason: StopReason | None = None
    """None where it was interrupted."""
    partition: PartitionEntry | None = None
    """Where the parts were fitted to a given mesh."""
    edited: bool = False
    """Whether an edit has divided the object otherwise than its generation had."""

    def part(self, index: int) -> PartFacts | None:
        """The part of this index."""
        return next((facts for facts in self.parts if facts.index == index), None)


@dataclass(frozen=True, eq=False, kw_only=True)
class Earlier:
    """A generation that was made before."""

    record: Record
    whole: LatentArray | None
    """None where it was interrupted before that."""
    prepared: RgbImage | None
    """The picture as the encoder saw it, where there is one and it is known."""
    parts: tuple[AcceptedPart, ...]
    candidates: tuple[AcceptedPart, ...] = ()

    def pack(self) -> bytes:
        """This generation as one file, exactly."""
        tensors: dict[str, np.ndarray] = {}
        if self.whole is not None:
            tensors["whole"] = self.whole
        if self.prepared is not None:
            tensors["prepared"] = self.prepared
        for kind, parts in (("part", self.parts), ("candidate", self.candidates)):
            for place, part in enumerate(parts):
                tensors |= _named(f"{kind}.{place}", part.mesh)
                if part.sampled is not None:
                    tensors |= _named(f"{kind}.{place}.sampled", part.sampled)
        tensors = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
        record = self.record.model_dump(mode="json") | {_SHA256: _hash_of(tensors)}
        return save(tensors, {_RECORD: json.dumps(record)})  # one entry: the library puts several in any order

    @classmethod
    def unpack(cls, content: bytes) -> "Earlier":
        """The generation of a file that `pack` made.

        Raises:
            InputError: it is damaged, or another kind of file.
        """
        record = read_record(content)
        try:
            tensors = load(content)
            if json.loads(_header(content)[_RECORD])[_SHA256] != _hash_of(tensors):
                raise _damaged()
            return cls(
                record=record,
                whole=tensors.get("whole"),
                prepared=tensors.get("prepared"),
                parts=_parts(tensors, "part", record.parts),
                candidates=_parts(tensors, "candidate", record.candidates),
            )
        except (SafetensorError, KeyError) as error:
            raise _damaged() from error


def earlier_of(ending: Ending, record: Record) -> Earlier:
    """What an ending leaves for edits."""
    return Earlier(
        record=record,
        whole=ending.whole,
        prepared=ending.prepared,
        parts=ending.parts,
        candidates=ending.candidates,
    )


def record_of(ending: Ending, prompt: Prompt, options: GenerationOptions, provenance: Provenance) -> Record:
    """The record of a finished ending."""
    return record_at_start(prompt, options, provenance).model_copy(
        update={
            "parts": tuple(part.facts for part in ending.parts),
            "candidates": tuple(part.facts for part in ending.candidates),
            "failed_regions": ending.failed_regions,
            "stop_reason": ending.stop_reason,
            "partition": ending.partition,
            "edited": ending.edited,
        }
    )


def record_at_start(prompt: Prompt, options: GenerationOptions, provenance: Provenance) -> Record:
    """The record of a generation that has nothing yet."""
    return Record(
        mode=prompt.mode,
        regions=prompt.regions,
        inputs=dict(provenance.inputs),
        options=options.model_dump(mode="json"),
        preset=provenance.preset,
        random_weights=provenance.random_weights,
        weights=dict(provenance.weights),
        parts=(),
    )


def header_length(content: bytes) -> int:
    """How long the header of a file with this beginning is."""
    return int.from_bytes(content[:LENGTH_BYTES], "little")


def read_record(content: bytes) -> Record:
    """The record alone; the beginning of the file, up to the end of its header, is enough.

    Raises:
        InputError: it is damaged, or another kind of file.
    """
    try:
        return Record.model_validate_json(_header(content)[_RECORD])
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise _damaged() from error


def _header(content: bytes) -> dict[str, str]:
    header: dict[str, dict[str, str]] = json.loads(content[LENGTH_BYTES : LENGTH_BYTES + header_length(content)])
    return header["__metadata__"]


def _hash_of(tensors: Mapping[str, np.ndarray]) -> str:
    """Of all that these hold: a file that was damaged since it was written is noticed."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()


def check_weights(record: Record, loaded: Provenance) -> None:
    """Refuse to sample with other networks than those that a generation was made with.

    Raises:
        EditError: they are others.
    """
    if dict(record.weights) != dict(loaded.weights):
        same = "other weights of " if record.preset == loaded.preset else ""
        raise EditError(
            f"operation: this generation was made with {same}preset {record.preset}, and {loaded.preset} is loaded; "
            "to sample parts, load what it was made with",
            field="operation",
        )


def _parts(tensors: Mapping[str, np.ndarray], kind: str, facts: Sequence[PartFacts]) -> tuple[AcceptedPart, ...]:
    found = []
    for place, one in enumerate(facts):
        name = f"{kind}.{place}"
        sampled = _mesh_named(f"{name}.sampled", tensors) if f"{name}.sampled.faces" in tensors else None
        found.append(AcceptedPart(one, _mesh_named(name, tensors), sampled))
    return tuple(found)


def _named(name: str, mesh: TriangleMesh) -> dict[str, np.ndarray]:
    return {f"{name}.{array}": values for array, values in mesh_arrays(mesh).items()}


def _mesh_named(name: str, tensors: Mapping[str, np.ndarray]) -> TriangleMesh:
    own = {array.removeprefix(f"{name}."): values for array, values in tensors.items() if array.startswith(f"{name}.")}
    return mesh_of({array: values for array, values in own.items() if "." not in array})


def _damaged() -> InputError:
    return InputError(f"{LATENTS_FILE} is damaged, or not of a generation; make the generation again", field="latents")
