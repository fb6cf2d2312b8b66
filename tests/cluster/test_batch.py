"""A batch of thirty objects on a real local Ray: broken inputs, a killed actor, a killed driver, and a second run."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
import torch
from support.inputs import box_glb, mask_png, png

from apg_core.cli import main as apg
from apg_core.output import is_result
from cluster.batch import COULD_NOT_RUN, SOME_FAILED, main
from cluster.plan import plan
from cluster.results import RECORD

pytestmark = [pytest.mark.graph, pytest.mark.timeout(3600)]  # a machine busy with other things starts Ray slowly

SMALL = [
    "--preset",
    "nano",
    "--grid_size",
    "16",
    "--iou_grid_size",
    "16",
    "--num_inference_steps",
    "2",
    "--best_of",
    "2",
    "--fit_to_mesh",
    "--no_preview",
]
SIZES = ["--in-flight", "3", "--mesh-workers", "1"]
DEADLINE = 1500.0
BROKEN = {
    "broken-image": "invalid_image",
    "broken-mesh": "invalid_mesh",
    "empty": "invalid_image",
    "mask-alone": "invalid_prompt",
    "other-size": None,
    "two-images": "invalid_prompt",
}


def write_inputs(folder: Path) -> None:
    """Thirty objects of all five modes, of which five cannot be used."""
    folder.mkdir()
    for number in range(9):
        (folder / f"picture-{number}.png").write_bytes(png(colour=(20 * number, 90, 200)))
    for number in range(7):
        (folder / f"mesh-{number}.glb").write_bytes(box_glb())
    for number in range(4):
        (folder / f"masked-{number}.png").write_bytes(png())
        (folder / f"masked-{number}.mask.png").write_bytes(mask_png(2))
    for number in range(4):
        own = folder / f"folder-{number}"
        own.mkdir()
        (own / "image.png").write_bytes(png())
        (own / "mesh.glb").write_bytes(box_glb())
        if number % 2:
            (own / "mask.png").write_bytes(mask_png(2))
    (folder / "broken-image.png").write_bytes(b"no picture at all")
    (folder / "broken-mesh.obj").write_text("v 0 0 0\nv nan 0 0\nf 1 2 3\n")
    (folder / "empty.png").write_bytes(b"")
    (folder / "mask-alone.mask.png").write_bytes(mask_png())
    (folder / "other-size.png").write_bytes(png(80, 80))
    (folder / "other-size.mask.png").write_bytes(mask_png(size=64))
    (folder / "two-images.png").write_bytes(png())
    (folder / "two-images.jpg").write_bytes(png())


class Run:
    """A batch in a process of its own, with a Ray of its own."""

    def __init__(self, source: Path, output: Path, home: Path, *more: str) -> None:
        environment = {
            **os.environ,
            "HOME": str(home),
            "OMP_NUM_THREADS": "1",
            "RAY_AUTH_MODE": "disabled",
            "RAY_raylet_start_wait_time_s": "300",
        }
        environment.pop("RAY_ADDRESS", None)
        command = [sys.executable, "-m", "cluster.batch", str(source), str(output), *SMALL, *SIZES, *more]
        self.log = home / f"batch-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def until(self, happened: Callable[[], bool]) -> None:
        """Wait for something to happen while the batch runs."""
        end = time.monotonic() + DEADLINE
        while not happened():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def kill_generator(self) -> None:
        """SIGKILL the actor that generates."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            if "GenerateParts" in " ".join(child.cmdline()):
                child.kill()
                return
        raise AssertionError("no generator is running")

    def kill(self) -> None:
        """SIGKILL the driver, and wait for the Ray that it started to follow it."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)
        end = time.monotonic() + DEADLINE
        while any(is_alive(child) for child in children):
            assert time.monotonic() < end, "Ray outlives its driver"
            time.sleep(0.05)

    def ends(self) -> int:
        """The exit code."""
        return self.process.wait(DEADLINE)


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended and that nobody has asked after (a zombie) does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True)
class Story:
    """What was there after the driver was killed, and at the end."""

    source: Path
    output: Path
    done_before: dict[str, int]
    """When each manifest of the first run was written, in ns."""
    exit_code: int
    log: str


def manifests(output: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in output.glob("*/manifest.json")}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("batch")
    home = tmp_path_factory.mktemp("home")
    source, output = folder / "in", folder / "out"
    write_inputs(source)
    first = Run(source, output, home)
    first.until(lambda: len(manifests(output)) >= 3)
    first.kill_generator()
    first.until(lambda: len(manifests(output)) >= 10)
    first.kill()
    done_before = manifests(output)
    second = Run(source, output, home)
    code = second.ends()
    return Story(source, output, done_before, code, second.log.read_text())


def test_some_failed_is_the_exit_code(story: Story) -> None:
    assert story.exit_code == SOME_FAILED, story.log


def test_every_input_is_one_row(story: Story) -> None:
    good = pq.read_table(story.output / "results.parquet").to_pylist()
    bad = pq.read_table(story.output / "errors.parquet").to_pylist()
    assert len(good) == 25
    assert {row["id"] for row in good} | set(BROKEN) == {
        name.partition(".")[0] for name in (path.name for path in story.source.iterdir())
    }
    assert sorted(row["id"] for row in good) == sorted({row["id"] for row in good})
    for row in good:
        manifest = json.loads((story.output / row["id"] / "manifest.json").read_text())
        assert row["parts"] == len(manifest["parts"]) == len(list((story.output / row["id"]).glob("mesh_0*.glb")))
    assert {row["id"]: row["code"] for row in bad} == {name: code for name, code in BROKEN.items() if code}
    assert all(row["message"] for row in bad)


def test_what_the_first_run_finished_is_not_made_again(story: Story) -> None:
    assert len(story.done_before) >= 10
    after = manifests(story.output)
    assert {name: after[name] for name in story.done_before} == story.done_before
    assert len(after) > len(story.done_before)


def test_no_half_written_file_is_left_in_a_finished_folder(story: Story) -> None:
    finished = [story.output / name for name in manifests(story.output)]
    names = {path.name for folder in finished for path in folder.iterdir()}
    assert not {name for name in names if name != RECORD and not is_result(name)}


@pytest.fixture
def threads_of_the_batch() -> Iterator[None]:
    """As many as its generator has: matrix products may be added up in another order by more."""
    before = torch.get_num_threads()
    torch.set_num_threads(plan([os.cpu_count() or 1], gpus=0).threads)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads_of_the_batch")
@pytest.mark.parametrize("name", ["picture-3", "mesh-2", "masked-1", "folder-1"])
def test_objects_in_company_leave_the_files_of_the_command_line_byte_for_byte(
    story: Story, name: str, tmp_path: Path
) -> None:
    own = story.source / name
    places = {
        "image": [own / "image.png", own.with_suffix(".png")],
        "mesh": [own / "mesh.glb", own.with_suffix(".glb")],
        "mask": [own / "mask.png", own.with_suffix(".mask.png")],
    }
    given = {f"--{kind}": str(path) for kind, paths in places.items() for path in paths if path.exists()}
    inputs = [word for pair in given.items() for word in pair]
    assert apg(["generate", *inputs, *SMALL, "--device", "cpu", "--output_path", str(tmp_path)]) == 0
    made, alone = contents(story.output / name), contents(tmp_path)
    assert {*alone} >= {"mesh_000.glb", "mesh_combined.glb", "latents.safetensors"}
    assert {file: content == alone.get(file) for file, content in made.items()} == dict.fromkeys(alone, True)


def contents(folder: Path) -> dict[str, bytes]:
    """The files that only depend on the object; a manifest has times."""
    other = {"manifest.json", "inputs.npz", RECORD}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in other}


def test_a_batch_that_is_done_starts_no_ray(story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(story.source), str(story.output), *SMALL, "--max_parts", "0"]) == COULD_NOT_RUN
    assert "max_parts" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{missing}", "{out}"], "cannot list"),
        (["{in}", "{in}"], "taken for inputs"),
        (["{in}", "{out}", "--preset", "huge"], "no preset"),
        (["{in}", "{file}/out"], "cannot write"),
    ],
)
def test_a_batch_that_cannot_run_says_why(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"missing": tmp_path / "no", "in": tmp_path / "in", "out": tmp_path / "out", "file": tmp_path / "file"}
    places["in"].mkdir()
    (places["in"] / "a.png").write_bytes(png())
    places["file"].write_text("in the way")
    assert main([argument.format(**places) for argument in arguments]) == COULD_NOT_RUN
    assert message in capsys.readouterr().err


def test_a_submitted_job_s_results_do_not_go_to_the_copy_that_ray_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(png())
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    monkeypatch.chdir(tmp_path)
    assert main([str(tmp_path), "out"]) == COULD_NOT_RUN
    assert "give an absolute path" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_batch_of_refused_items_alone_needs_no_ray(tmp_path: Path) -> None:
    manifest = tmp_path / "all.jsonl"
    manifest.write_text('{"id": "a", "image": "a.png", "options": {"sed": 1}}\n{"id": 5}\n')
    assert main([str(manifest), str(tmp_path / "out"), "--preset", "nano"]) == SOME_FAILED
    rows = pq.read_table(tmp_path / "out" / "errors.parquet").to_pylist()
    assert [(row["id"], row["code"]) for row in rows] == [("a", "invalid_option"), ("row-2", "invalid_prompt")]
    assert pq.read_table(tmp_path / "out" / "results.parquet").num_rows == 0
