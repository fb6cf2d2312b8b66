"""The artifact store keeps whole files, in a folder and on S3."""

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from apg_core.errors import OutputError
from deployments.errors import ExpiredError, StoreError
from deployments.stores.artifacts import CHUNK_BYTES, ArtifactStore

CONTENT = bytes(range(256)) * (CHUNK_BYTES // 100)


@pytest.fixture(scope="module")
def s3_uri() -> Iterator[str]:
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    ).create_bucket(Bucket="jobs")
    yield f"s3://key:secret@jobs/apg?endpoint_override={host}:{port}&scheme=http&region=us-east-1"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "folder":
        return ArtifactStore(str(tmp_path / "artifacts"))
    return ArtifactStore(request.getfixturevalue("s3_uri"))


def test_a_file_comes_back_whole_and_in_any_range(store: ArtifactStore) -> None:
    stored = store.put("job", 1, "mesh_000.glb", CONTENT)
    assert store.get(stored) == CONTENT
    assert (stored.bytes, stored.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert stored.media_type == "model/gltf-binary"
    for start, length in ((0, 1), (CHUNK_BYTES - 1, 2), (len(CONTENT) - 3, 3), (5, 0)):
        assert b"".join(store.read(stored, start, length)) == CONTENT[start : start + length]


def test_a_file_that_is_written_again_leaves_the_first_as_it_was(store: ArtifactStore) -> None:
    first, second = (store.put("again", 1, "manifest.json", content) for content in (b"first", b"second!"))
    assert (store.get(first), store.get(second)) == (b"first", b"second!")


def test_two_attempts_do_not_overwrite_each_other(store: ArtifactStore) -> None:
    first, second = store.put("two", 1, "a.png", b"1"), store.put("two", 2, "a.png", b"2")
    assert (store.get(first), store.get(second)) == (b"1", b"2")


def test_removing_a_job_removes_its_files_and_no_others(store: ArtifactStore) -> None:
    gone, kept = store.put("gone", 1, "a.png", b"1"), store.put("kept", 1, "a.png", b"2")
    store.remove_job("gone")
    store.remove_job("gone")
    with pytest.raises(ExpiredError):
        store.read(gone, 0, 1)
    assert store.get(kept) == b"2"


def test_a_store_that_answers_can_be_pinged(store: ArtifactStore) -> None:
    store.ping()


def test_a_failed_write_leaves_nothing_behind_and_says_why(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "artifacts"))
    (tmp_path / "artifacts" / "job").write_text("a file where the job's folder should be")
    with pytest.raises(OutputError, match=r"mesh_000\.glb could not be written") as failed:
        store.put("job", 1, "mesh_000.glb", b"1")
    assert str(tmp_path) not in failed.value.message
    assert [one.name for one in (tmp_path / "artifacts").iterdir()] == ["job"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's always full device")
def test_a_full_disk_is_an_output_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtifactStore(str(tmp_path / "artifacts"))
    name = uuid.UUID(int=0)
    monkeypatch.setattr("deployments.stores.artifacts.uuid4", lambda: name)
    folder = tmp_path / "artifacts" / "job" / "1"
    folder.mkdir(parents=True)
    (folder / f"{hashlib.sha256(CONTENT).hexdigest()[:16]}.a.png.{name.hex}.writing").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"a\.png could not be written"):
        store.put("job", 1, "a.png", CONTENT)
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's always full device")
def test_a_store_on_a_full_disk_is_not_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtifactStore(str(tmp_path / "artifacts"))
    name = uuid.UUID(int=0)
    monkeypatch.setattr("deployments.stores.artifacts.uuid4", lambda: name)
    (tmp_path / "artifacts" / f"{name.hex}.writing").symlink_to("/dev/full")
    with pytest.raises(StoreError, match="is its disk full"):
        store.ping()
    assert list((tmp_path / "artifacts").iterdir()) == []
    store.ping()
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_an_address_that_cannot_be_opened_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for address in (str(tmp_path / "file" / "folder"), "nosuchscheme://bucket"):
        with pytest.raises(StoreError):
            ArtifactStore(address)
