"""The commands against the real HTTP interface; the test plays the runner."""

import threading
from pathlib import Path
from typing import Any

import pytest

from apg_core.cli import main
from tests.support.http_server import Server
from tests.support.inputs import png

SERVER: dict[str, Any] = {"keys": {"ann": "secret"}}


@pytest.fixture(autouse=True)
def address(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APG_URL", server.url)
    monkeypatch.setenv("APG_API_KEY", "secret")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    (tmp_path / "chair.png").write_bytes(png())
    return tmp_path / "chair.png"


def test_submit_follows_and_fetches(
    server: Server, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> None:
        while (claim := server.runner.leases.claim("test")) is None:
            pass
        server.runner.succeed(claim, parts=2)

    runner = threading.Thread(target=run)
    runner.start()
    out = tmp_path / "out"
    assert main(["submit", "--image", str(picture), "--option", "seed=9", "--output_path", str(out)]) == 0
    runner.join()
    assert sorted(path.name for path in out.iterdir()) == ["all.zip", "mesh_000.glb", "mesh_001.glb", "preview.png"]
    printed = capsys.readouterr()
    assert "succeeded  100%  2 parts" in printed.out
    assert "mesh_001.glb" in printed.err
    job_id = printed.out.split()[0]
    assert server.service.desk.jobs.get(job_id, "ann").seed == 9
    assert main(["watch", job_id]) == 0
    assert main(["fetch", job_id, "--output_path", str(tmp_path / "two"), "--only", "mesh_000.glb"]) == 0
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["mesh_000.glb"]
    assert main(["fetch", job_id, "--output_path", str(tmp_path / "two"), "--only", "nothing.glb"]) == 1


def test_a_job_is_looked_at_and_cancelled(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", "--image", str(picture)]) == 0
    job_id = capsys.readouterr().out.strip()
    assert main(["cancel", job_id]) == 0
    assert main(["status", job_id]) == 0
    assert main(["status"]) == 0
    assert capsys.readouterr().out.count(f"{job_id}  cancelled") == 3
    assert main(["watch", job_id]) == 1


def test_a_job_is_edited_by_another(server: Server, picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", "--image", str(picture)]) == 0
    parent = capsys.readouterr().out.strip()
    assert main(["cancel", parent]) == 0
    capsys.readouterr()
    assert main(["edit-job", parent, "--continue", "--option", "seed=3"]) == 0
    job = server.service.desk.get(capsys.readouterr().out.strip(), "ann")
    assert (job.parent, job.edit) == (parent, {"operation": "continue", "options": {"seed": 3}})
    assert main(["edit-job", parent, "--remove", "0"]) == 1
    assert "there is no part 0" in capsys.readouterr().err


def test_what_the_service_refuses_is_one_line_on_the_terminal(
    picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", "--image", str(picture), "--option", "sead=1"]) == 1
    assert capsys.readouterr().err.strip() == "apg: unknown option 'sead'; did you mean 'seed'?"


def test_a_missing_file_is_said_before_anything_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["submit", "--image", "nowhere.png"]) == 2
    assert "there is no file nowhere.png" in capsys.readouterr().err


def test_a_new_key_is_shown_once_and_its_line_can_be_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new-key", "ann"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("ann:")
    assert "shown only now" in printed.err


def test_serving_without_a_config_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "nowhere.yaml"]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err
