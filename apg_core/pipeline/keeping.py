"""What edits need, kept beside the results in a folder, from the beginning on: an interrupted generation can go on."""

import hashlib
from dataclasses import replace
from pathlib import Path

from apg_core.errors import InputError
from apg_core.output import OutputFolder
from apg_core.pipeline.earlier import LATENTS_FILE, Earlier, record_at_start
from apg_core.pipeline.ending import OutputFile
from apg_core.protocol.arrays import LatentArray, RgbImage
from apg_core.protocol.manifest import AcceptedPart, FailedRegion, Provenance
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.packing import pack_prompt, unpack_prompt
from apg_core.protocol.prompt import Prompt

INPUTS_FILE = "inputs.npz"
"""The inputs as they were decoded."""


class Keeper:
    """Writes what a generation has got to into a folder, if there is one."""

    def __init__(self, folder: OutputFolder | None, earlier: Earlier) -> None:
        self._folder = folder
        self.earlier = earlier

    @classmethod
    def at_start(
        cls, folder: OutputFolder | None, prompt: Prompt, options: GenerationOptions, provenance: Provenance
    ) -> "Keeper":
        """Of a generation that has nothing yet; its inputs are written at once."""
        record = record_at_start(prompt, options, provenance)
        if folder is not None:
            file = inputs_file(prompt)
            folder.write(file.name, file.content)
        return cls(folder, Earlier(record=record, whole=None, prepared=None, parts=()))

    def whole(self, latent: LatentArray, prepared: RgbImage | None) -> None:
        """The whole object is known."""
        self._keep(replace(self.earlier, whole=latent, prepared=prepared))

    def part(self, part: AcceptedPart) -> None:
        """There is a further part."""
        record = self.earlier.record
        record = record.model_copy(update={"parts": (*record.parts, part.facts)})
        self._keep(replace(self.earlier, record=record, parts=(*self.earlier.parts, part)))

    def region_failed(self, region: FailedRegion) -> None:
        """A mask region was passed over."""
        record = self.earlier.record
        record = record.model_copy(update={"failed_regions": (*record.failed_regions, region)})
        self._keep(replace(self.earlier, record=record))

    def _keep(self, earlier: Earlier) -> None:
        self.earlier = earlier
        if self._folder is not None:
            self._folder.write(LATENTS_FILE, earlier.pack())


def inputs_file(prompt: Prompt) -> OutputFile:
    """The inputs as they were decoded, to be read again by `read_kept`."""
    return OutputFile(INPUTS_FILE, pack_prompt(prompt, compressed=True))


def read_kept(folder: Path) -> tuple[Prompt | None, Earlier]:
    """What a generation has left for edits in its folder; no prompt where the inputs are not in it.

    Raises:
        InputError: there is nothing, or it cannot be read.
    """
    try:
        content = (folder / LATENTS_FILE).read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {folder / LATENTS_FILE} ({error.strerror}); give the folder of a generation, which leaves "
            "it there unless save_latents is off",
            field="folder",
        ) from error
    earlier = Earlier.unpack(content)
    inputs = folder / INPUTS_FILE
    if not inputs.is_file():
        return None, earlier
    try:
        prompt = unpack_prompt(inputs.read_bytes())
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{inputs} is damaged; remove it, and give the inputs again", field="folder") from error
    return prompt, earlier


def fingerprint(earlier: Earlier) -> str:
    """sha256 of the file that keeps it: what names it as a parent."""
    return hashlib.sha256(earlier.pack()).hexdigest()
