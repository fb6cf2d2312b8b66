"""The stage that reads: an object's files become a prompt. It needs no network, so it imports none."""

import asyncio
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from apg_core.protocol.limits import InputLimits
from apg_core.protocol.mode import InputName
from apg_core.protocol.packing import unpack_prompt
from apg_core.protocol.prompt import Prompt
from apg_core.sandbox.decoder import Decoder
from apg_core.sandbox.messages import DecodeRequest
from cluster.storage import Place
from cluster.work import RowStage, Work


@dataclass(frozen=True, kw_only=True)
class ReadLimits:
    """What reading one object may take."""

    inputs: InputLimits
    seconds: float = 120.0
    memory_bytes: int = 4 * 2**30


class ReadInputs(RowStage):
    """Fetches and decodes an object's files, in a process that a bad file may kill."""

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._decoder = Decoder(processes=1, memory_bytes=limits.memory_bytes)
        self._started = False
        self._starting = asyncio.Lock()

    async def advance(self, work: Work) -> Work:
        """The work with its prompt."""
        async with self._starting:
            if not self._started:  # its processes end with this one, which closes their input
                await self._decoder.__aenter__()
                self._started = True
        with tempfile.TemporaryDirectory(prefix="apg-batch-") as folder:
            contents = work.item.contents(self._limits.inputs)
            prompt = await self._decode(contents, work, Path(folder))
        return replace(work, prompt=prompt, inputs=work.item.entries(contents))

    async def _decode(self, contents: dict[InputName, bytes], work: Work, folder: Path) -> Prompt:
        sources = work.item.files
        paths = {kind: folder / f"{kind}{_ending(place, contents[kind])}" for kind, place in sources.items()}
        for kind, path in paths.items():
            path.write_bytes(contents[kind])
        output = folder / "prompt.npz"
        request = DecodeRequest(
            files=paths,
            limits=self._limits.inputs,
            seconds=self._limits.seconds,
            output=output,
            clean=work.options.clean_input,
        )
        await self._decoder.decode(request)
        return unpack_prompt(output.read_bytes())


def _ending(place: Place, content: bytes) -> str:
    ending = Path(place.name).suffix
    return ".zip" if ending.lower() in (".gltf", ".obj") and content.startswith(b"PK") else ending
