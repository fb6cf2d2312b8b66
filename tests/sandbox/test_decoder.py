"""The decoder survives what it decodes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from apg_core.errors import LimitError, MaskError
from apg_core.inputs import InputLimits, read_image
from apg_core.protocol.packing import unpack_prompt
from apg_core.sandbox.decoder import Decoder
from apg_core.sandbox.messages import DecodeRequest
from tests.support.inputs import blank_png, box_glb, mask_png, png


def request(folder: Path, *, seconds: float = 20.0, **files: bytes) -> DecodeRequest:
    paths = {}
    for name, content in files.items():
        field, _, ending = name.partition("_")
        paths[field] = folder / f"{field}.{ending}"
        paths[field].write_bytes(content)
    return DecodeRequest(files=paths, limits=InputLimits(), seconds=seconds, output=folder / "prompt.npz")


def with_decoder(work: Callable[[Decoder], Awaitable[None]], *, memory_bytes: int = 2**30) -> None:
    async def main() -> None:
        async with Decoder(processes=1, memory_bytes=memory_bytes) as decoder:
            await work(decoder)

    asyncio.run(main())
    assert not [child for child in psutil.Process().children() if "apg_core.sandbox" in " ".join(child.cmdline())]


def test_a_prompt_arrives_as_it_was_decoded(tmp_path: Path) -> None:
    async def work(decoder: Decoder) -> None:
        decoded = await decoder.decode(request(tmp_path, image_png=png(), mask_png=mask_png(2), mesh_glb=box_glb()))
        assert (decoded.mode, decoded.regions) == ("image_mesh_mask", 2)

    with_decoder(work)
    prompt = unpack_prompt((tmp_path / "prompt.npz").read_bytes())
    assert prompt.mode == "image_mesh_mask"
    np.testing.assert_array_equal(prompt.image, read_image(png()))  # type: ignore[union-attr]
    assert len(prompt.mesh.faces) == 12  # type: ignore[union-attr]


def test_a_refusal_keeps_its_kind_and_field(tmp_path: Path) -> None:
    async def work(decoder: Decoder) -> None:
        with pytest.raises(MaskError, match="no region") as refused:
            await decoder.decode(request(tmp_path, image_png=png(), mask_png=blank_png()))
        assert refused.value.field == "mask"

    with_decoder(work)


def test_what_takes_too_long_is_refused_and_the_next_request_is_served(tmp_path: Path) -> None:
    async def work(decoder: Decoder) -> None:
        with pytest.raises(LimitError, match="within"):
            await decoder.decode(request(tmp_path, seconds=0.001, image_png=png(1500, 1500)))
        assert (await decoder.decode(request(tmp_path, image_png=png()))).mode == "image"

    with_decoder(work)


def test_what_takes_too_much_memory_is_refused_and_the_next_request_is_served(tmp_path: Path) -> None:
    async def work(decoder: Decoder) -> None:
        with pytest.raises(LimitError, match="memory"):
            await decoder.decode(request(tmp_path, image_png=png(5000, 5000)))
        assert (await decoder.decode(request(tmp_path, image_png=png()))).mode == "image"

    with_decoder(work, memory_bytes=64 * 2**20)


def test_a_decoder_process_that_is_killed_is_replaced(tmp_path: Path) -> None:
    async def work(decoder: Decoder) -> None:
        [child] = [one for one in psutil.Process().children() if "apg_core.sandbox" in " ".join(one.cmdline())]
        child.kill()
        child.wait()
        outcomes = []
        for _ in range(2):  # the one that finds it dead may be refused
            try:
                outcomes.append((await decoder.decode(request(tmp_path, image_png=png()))).mode)
            except LimitError:
                outcomes.append(None)
        assert outcomes[-1] == "image"

    with_decoder(work)


def test_a_decoder_process_ends_with_its_parent() -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "apg_core.sandbox.worker", str(2**30)], stdin=reading, stdout=subprocess.PIPE
    )
    os.close(reading)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.close(writing)
    assert process.wait(20) == 0
    process.stdout.close()
