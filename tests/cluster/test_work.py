"""What goes wrong with one object becomes its row; what is done is recognised."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from apg_core.errors import MeshError
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.options import GenerationOptions
from cluster.batch import Sorted, made_meanwhile
from cluster.items import Item
from cluster.results import RECORD, Asked, Outcome, finished, record_of, write_outcomes
from cluster.storage import Place
from cluster.tries import TRIES, Room, Tries
from cluster.work import Failure, RowStage, Work
from tests.support.waiting import until

CHAIR = Item(id="chair", files={"image": Place("/in/chair.png")})
PICTURE = b"a picture"


class Fails(RowStage):
    """A stage that comes to an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.called = 0

    async def advance(self, work: Work) -> Work:
        self.called += 1
        raise self._error


def after(stage: RowStage, work: Work) -> Work:
    return Work.of(asyncio.run(stage(work.row())))


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (MeshError("it has no faces", field="mesh"), Failure("invalid_mesh", "it has no faces", "mesh")),
        (RuntimeError("out of memory"), Failure("internal", "RuntimeError: out of memory")),
        (ZeroDivisionError(), Failure("internal", "ZeroDivisionError: ")),
    ],
)
def test_an_error_becomes_the_object_s_failure_and_ends_its_way(error: Exception, failure: Failure) -> None:
    first, second = Fails(error), Fails(error)
    failed = after(first, Work(item=CHAIR, options=GenerationOptions(seed=3)))
    assert failed.failure == failure
    assert failed.options.seed == 3
    assert after(second, failed).failure == failure
    assert (first.called, second.called) == (1, 0)


def test_an_object_that_was_begun_and_never_ended_counts() -> None:
    tries = Tries()
    assert [tries.begin("a"), tries.begin("a"), tries.begin("b")] == [1, 2, 1]
    tries.end("a")
    assert tries.begin("a") == 1


def run_with(killer: str, names: list[str]) -> dict[str, str]:
    """How objects end on an actor that dies, with all that it is at, of one of them; as `GenerateParts` treats them."""
    tries, ended = Tries(), dict[str, str]()

    async def life() -> None:
        """An actor from its start until it dies, or until nothing is left."""
        room, dead = Room(3), asyncio.Event()

        async def advance(name: str) -> None:
            suspected = tries.begun(name) > 0
            async with room.of(alone=suspected):
                if tries.begin(name) > TRIES:
                    ended[name] = "given up"
                else:
                    await asyncio.sleep(0)
                    if name == killer:
                        dead.set()
                        await asyncio.Event().wait()
                    await asyncio.sleep(0)
                    ended[name] = "done"
                tries.end(name)

        tasks = [asyncio.create_task(advance(name)) for name in names if name not in ended]
        death = asyncio.create_task(dead.wait())
        await asyncio.wait([death, asyncio.gather(*tasks, return_exceptions=True)], return_when="FIRST_COMPLETED")
        for task in (*tasks, death):
            task.cancel()
        await asyncio.gather(*tasks, death, return_exceptions=True)

    for _ in range(20):
        if len(ended) < len(names):
            asyncio.run(life())
    return ended


@pytest.mark.parametrize("killer", ["a", "b", "c", "e"])
def test_an_object_that_kills_its_actor_is_given_up_and_no_other_with_it(killer: str) -> None:
    names = ["a", "b", "c", "d", "e"]
    assert run_with(killer, names) == {name: "given up" if name == killer else "done" for name in names}


def test_who_is_alone_shares_with_nobody_and_nobody_waits_for_ever() -> None:
    inside: list[bool] = []
    seen: list[list[bool]] = []

    async def one(room: Room, alone: bool) -> None:
        async with room.of(alone=alone):
            inside.append(alone)
            for _ in range(5):
                seen.append(list(inside))
                await asyncio.sleep(0)
            inside.remove(alone)

    async def main() -> None:
        room = Room(3)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            for number in range(40):
                group.create_task(one(room, number % 5 == 0))

    asyncio.run(main())
    assert len(seen) == 200
    assert all(len(together) <= 3 and (len(together) == 1 or not any(together)) for together in seen)
    assert max(map(len, seen)) == 3


def write_manifest(output: Path, **changes: object) -> None:
    manifest = {
        "options": GenerationOptions(seed=3).model_dump(),
        "preset": "nano",
        "inputs": {"image": {"name": "chair.png", "sha256": hashlib.sha256(PICTURE).hexdigest()}},
        "parts": [{}, {}],
        "weights": {"dit": "d" * 64},
        "stop_reason": "max_parts",
        "timings": {"part": 1.5, "decode": 0.25},
    }
    (output / "chair.png").write_bytes(PICTURE)
    (output / "chair").mkdir()
    files = {"mesh_000.glb": b"a mesh", "manifest.json": json.dumps(manifest | changes).encode()}
    for name, content in files.items():
        (output / "chair" / name).write_bytes(content)
    (output / "chair" / RECORD).write_bytes(record_of(files))


def asked(output: Path, weights: dict[str, str] | None = None, **options: int | bool) -> Outcome | None:
    complete = GenerationOptions(**{"seed": 3, **options})  # type: ignore[arg-type]
    chair = Item(id="chair", files={"image": Place.of(output / "chair.png")})
    wanted = Asked(preset="nano", weights=weights or {}, limits=InputLimits(upload_bytes=100))
    return finished(chair, complete, output=Place.of(output), asked=wanted)


def test_an_object_made_as_it_is_asked_for_is_done(tmp_path: Path) -> None:
    assert asked(tmp_path) is None
    write_manifest(tmp_path)
    expected = Outcome(id="chair", status="succeeded", parts=2, stop_reason="max_parts", seconds=1.75)
    assert asked(tmp_path) == expected
    assert asked(tmp_path, show_progress=False) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"preset": "tiny"},
        {"inputs": {"image": {"name": "other.png", "sha256": hashlib.sha256(PICTURE).hexdigest()}}},
        {"inputs": {}},
        {"options": GenerationOptions(seed=4).model_dump()},
    ],
)
def test_an_object_made_otherwise_is_not_done(tmp_path: Path, changes: dict[str, object]) -> None:
    write_manifest(tmp_path, **changes)
    assert asked(tmp_path) is None


@pytest.mark.parametrize("content", [b"A picture", b"", bytes(101), None], ids=["other", "empty", "too large", "gone"])
def test_an_object_whose_file_was_changed_is_not_done_whatever_its_date(tmp_path: Path, content: bytes | None) -> None:
    write_manifest(tmp_path)
    picture = tmp_path / "chair.png"
    before = picture.stat()
    if content is None:
        picture.unlink()
    else:
        picture.write_bytes(content)
        os.utime(picture, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert asked(tmp_path) is None


@pytest.mark.parametrize("content", [b'{"options"', b"{}", b"[]", b"null", b"\xff\xfe", b"", b"[" * 100_000])
@pytest.mark.parametrize("name", ["manifest.json", RECORD])
def test_a_manifest_or_record_that_cannot_be_read_is_not_done(tmp_path: Path, name: str, content: bytes) -> None:
    write_manifest(tmp_path)
    (tmp_path / "chair" / name).write_bytes(content)
    if name == "manifest.json":
        (tmp_path / "chair" / RECORD).write_bytes(record_of({"manifest.json": content}))
    assert asked(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"A mesh", None], ids=["empty", "other", "gone"])
def test_an_object_whose_part_was_changed_or_deleted_is_not_done(tmp_path: Path, content: bytes | None) -> None:
    write_manifest(tmp_path)
    mesh = tmp_path / "chair" / "mesh_000.glb"
    mesh.unlink() if content is None else mesh.write_bytes(content)
    assert asked(tmp_path) is None


def test_an_object_made_with_other_weights_is_not_done(tmp_path: Path) -> None:
    write_manifest(tmp_path)
    assert asked(tmp_path, weights={"dit": "d" * 64, "background": "b" * 64}) is not None
    assert asked(tmp_path, weights={"dit": "e" * 64}) is None


def test_what_was_finished_when_a_batch_is_interrupted_has_its_row(tmp_path: Path) -> None:
    write_manifest(tmp_path)
    wanted = Asked(preset="nano", weights={}, limits=InputLimits())
    options = GenerationOptions(seed=3)
    works = [
        Work(item=Item(id=name, files={"image": Place.of(tmp_path / f"{name}.png")}), options=options)
        for name in ("chair", "told", "begun")
    ]
    (tmp_path / "begun").mkdir()
    told = Outcome(id="told", status="succeeded")
    found = made_meanwhile(Sorted(wanted, works), [told], Place.of(tmp_path))
    assert [(outcome.id, outcome.parts) for outcome in found] == [("chair", 2)]
    assert made_meanwhile(Sorted(wanted, works), [told, *found], Place.of(tmp_path)) == []


def test_a_batch_that_is_ended_at_its_start_says_so(tmp_path: Path) -> None:
    manifest = tmp_path / "all.jsonl"
    os.mkfifo(manifest)
    batch = subprocess.Popen(
        [sys.executable, "-m", "cluster.batch", str(manifest), str(tmp_path / "out")], stderr=subprocess.PIPE, text=True
    )
    writing = -1

    def is_read() -> bool:
        nonlocal writing
        with suppress(OSError):
            writing = os.open(manifest, os.O_WRONLY | os.O_NONBLOCK)
        return writing >= 0

    until(is_read, seconds=200, what="the batch reads its manifest")
    batch.send_signal(signal.SIGTERM)
    os.close(writing)
    _, said = batch.communicate(timeout=100)
    assert (batch.returncode, said.splitlines()[-1]) == (
        1,
        "batch: interrupted; run it again to go on where it stopped",
    )


def test_good_and_bad_go_to_their_files_in_order_of_id(tmp_path: Path) -> None:
    good = [Outcome(id=name, status="succeeded", parts=1) for name in ("b", "a")]
    bad = Outcome(id="c", status="failed", code="invalid_mesh", message="it has no faces", field="mesh")
    write_outcomes([bad, *good], Place.of(tmp_path))
    assert [row["id"] for row in pq.read_table(tmp_path / "results.parquet").to_pylist()] == ["a", "b"]
    assert pq.read_table(tmp_path / "errors.parquet").to_pylist() == [vars(bad)]
