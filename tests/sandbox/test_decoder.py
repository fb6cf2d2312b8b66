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
import trimesh

from apg_core.errors import InputError, LimitError, MaskError
from apg_core.inputs import read_image
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.packing import unpack_prompt
from apg_core.sandbox.decoder import Decoder
from apg_core.sandbox.messages import DecodeRequest
from tests.support.inputs import blank_png, box_glb, mask_png, png
from tests.support.textured import bomb, changed, textured_table_glb, with_image


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


def decoders() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "apg_core.sandbox" in " ".join(one.cmdline())]


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, pytest.importorskip("uvloop").new_event_loop])
def test_a_decoder_process_that_is_killed_between_requests_harms_none(
    tmp_path: Path, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def main() -> None:
        async with Decoder(processes=1, memory_bytes=2**30) as decoder:
            for seen in (True, False, True, False):
                [child] = decoders()
                child.kill()
                while seen and child.is_running():  # until the loop has heard of it
                    await asyncio.sleep(0.01)
                assert (await decoder.decode(request(tmp_path, image_png=png()))).mode == "image"

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


async def opened_by_a_reader(fifo: Path) -> int:
    """The pipe, once somebody reads it."""
    async with asyncio.timeout(60):
        while True:
            try:
                return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                await asyncio.sleep(0.01)


def kill_while_it_reads(folder: Path, times: int) -> Callable[[Decoder], Awaitable[None]]:
    """Ends the process in the middle of a request, so often; what is read then is a picture."""

    async def work(decoder: Decoder) -> None:
        asked = request(folder, image_png=b"")
        fifo = asked.files["image"]
        fifo.unlink()
        os.mkfifo(fifo)
        decoding = asyncio.create_task(decoder.decode(asked))
        for _ in range(times):
            writing = await opened_by_a_reader(fifo)
            [child] = decoders()
            child.kill()  # before the end of the file, which closing tells it
            os.close(writing)
            while child.is_running():
                await asyncio.sleep(0.01)
        if times == 1:
            writing = await opened_by_a_reader(fifo)
            os.write(writing, png())
            os.close(writing)
        assert (await decoding).mode == "image"

    return work


def test_a_decoder_process_that_is_killed_while_it_decodes_is_not_the_inputs_fault(tmp_path: Path) -> None:
    with_decoder(kill_while_it_reads(tmp_path, 1))


def test_inputs_that_end_the_process_twice_are_refused_and_not_as_too_large(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends the decoder \(status -9\)") as refused:
        with_decoder(kill_while_it_reads(tmp_path, 2))
    assert not isinstance(refused.value, LimitError)


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


def test_looks_arrive_and_a_texture_that_would_take_gigabytes_is_left_out(tmp_path: Path) -> None:
    async def work(decoder: Decoder) -> None:
        await decoder.decode(request(tmp_path, mesh_glb=textured_table_glb()))
        mesh = unpack_prompt((tmp_path / "prompt.npz").read_bytes()).mesh
        assert mesh is not None
        assert mesh.look is not None
        assert mesh.look.textured
        await decoder.decode(request(tmp_path, mesh_glb=changed(textured_table_glb(), with_image(bomb()))))
        mesh = unpack_prompt((tmp_path / "prompt.npz").read_bytes()).mesh
        assert mesh is not None
        assert mesh.look is not None
        assert not mesh.look.textured
        assert "the limit is" in mesh.look.notes[0]

    with_decoder(work)


def test_a_mesh_is_cleaned_where_that_is_asked_for(tmp_path: Path) -> None:
    outer, inner = trimesh.creation.box(), trimesh.creation.icosphere(radius=0.3)
    given = trimesh.Scene([outer, inner]).export(file_type="glb")

    async def work(decoder: Decoder) -> None:
        await decoder.decode(request(tmp_path, mesh_glb=given).model_copy(update={"clean": True}))

    with_decoder(work)
    prompt = unpack_prompt((tmp_path / "prompt.npz").read_bytes())
    assert prompt.mesh is not None
    assert len(prompt.mesh.faces) == 12
    assert "removed 1 inner shells" in prompt.notes[0]
