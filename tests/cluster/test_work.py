"""What goes wrong with one object becomes its row; what is done is recognised."""

import asyncio
import hashlib
import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from apg_core.errors import MeshError
from apg_core.inputs import InputLimits
from apg_core.protocol.options import GenerationOptions
from cluster.items import Item
from cluster.results import Outcome, finished, write_outcomes
from cluster.storage import Place
from cluster.tries import Tries
from cluster.work import Failure, RowStage, Work

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


def write_manifest(output: Path, **changes: object) -> None:
    manifest = {
        "options": GenerationOptions(seed=3).model_dump(),
        "preset": "nano",
        "inputs": {"image": {"name": "chair.png", "sha256": hashlib.sha256(PICTURE).hexdigest()}},
        "parts": [{}, {}],
        "stop_reason": "max_parts",
        "timings": {"part": 1.5, "decode": 0.25},
    }
    (output / "chair.png").write_bytes(PICTURE)
    (output / "chair").mkdir()
    (output / "chair" / "manifest.json").write_text(json.dumps(manifest | changes))


def asked(output: Path, **options: int | bool) -> Outcome | None:
    complete = GenerationOptions(**{"seed": 3, **options})  # type: ignore[arg-type]
    chair = Item(id="chair", files={"image": Place.of(output / "chair.png")})
    return finished(chair, complete, output=Place.of(output), preset="nano", limits=InputLimits(upload_bytes=100))


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


def test_a_half_written_manifest_is_not_done(tmp_path: Path) -> None:
    write_manifest(tmp_path)
    (tmp_path / "chair" / "manifest.json").write_text('{"options"')
    assert asked(tmp_path) is None


def test_good_and_bad_go_to_their_files_in_order_of_id(tmp_path: Path) -> None:
    good = [Outcome(id=name, status="succeeded", parts=1) for name in ("b", "a")]
    bad = Outcome(id="c", status="failed", code="invalid_mesh", message="it has no faces", field="mesh")
    write_outcomes([bad, *good], Place.of(tmp_path))
    assert [row["id"] for row in pq.read_table(tmp_path / "results.parquet").to_pylist()] == ["a", "b"]
    assert pq.read_table(tmp_path / "errors.parquet").to_pylist() == [vars(bad)]
