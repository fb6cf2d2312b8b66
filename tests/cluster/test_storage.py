"""Places on this machine and in an S3 bucket behave alike."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from apg_core.errors import LimitError, OutputError, PromptError
from apg_core.protocol.limits import InputLimits
from cluster.storage import Place, open_folder


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    query = f"scheme=http&endpoint_override={host}:{port}&region=us-east-1&allow_bucket_creation=true"
    yield f"s3://key:secret@bucket/batch?{query}"
    server.stop()


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place.of(tmp_path / "batch" if request.param == "local" else request.getfixturevalue("bucket"))


def test_what_is_written_is_read_and_listed(place: Place) -> None:
    chair = place.join("chair")
    open_folder(place).write("results.parquet", b"rows")
    open_folder(chair).write("manifest.json", b"{}")
    assert chair.join("manifest.json").read() == b"{}"
    assert chair.join("manifest.json").parent.name == "chair"
    assert place.folder_names() == (["results.parquet"], ["chair"])


def test_clearing_leaves_what_is_not_a_result(place: Place) -> None:
    folder = open_folder(place.join("cleared"))
    for name in ("mesh_000.glb", "mesh_123.glb", "manifest.json", "notes.txt"):
        folder.write(name, b"x")
    folder.clear_results()
    assert place.join("cleared").folder_names() == (["notes.txt"], [])


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "all.jsonl")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(Place.of(tmp_path / "all.jsonl").read)
        (tmp_path / "all.jsonl").write_bytes(b"{}\n" * 100_000)
        assert reading.result(timeout=60) == b"{}\n" * 100_000


def test_a_file_above_the_limit_is_not_read(place: Place) -> None:
    open_folder(place).write("large.png", bytes(1000))
    with pytest.raises(LimitError, match="1,000, and the limit is 999"):
        place.join("large.png").read(InputLimits(upload_bytes=999), field="image")


def test_a_file_that_is_not_there_is_an_error_with_its_address(place: Place) -> None:
    with pytest.raises(PromptError, match=r"nothing\.png"):
        place.join("nothing.png").read()


@pytest.mark.parametrize("address", ["nowhere://bucket/x", "s3://bucket?region=a&nonsense=1"])
def test_an_address_that_means_nothing_is_an_error(address: str) -> None:
    with pytest.raises(PromptError, match="cannot open"):
        Place.of(address).read()
    with pytest.raises(OutputError, match="cannot open"):
        open_folder(Place.of(address))
