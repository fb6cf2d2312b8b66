"""The service and a batch on a Ray cluster of three nodes, one of which is killed while they work."""

import json
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pyarrow.parquet as pq
import pytest
import yaml
from sqlalchemy import create_engine, text

from clients import AutoPartGenClient
from tests.support.databases import postgres_uri
from tests.support.inputs import box_glb, png
from tests.support.nodes import START_SECONDS, Nodes, running_nodes
from tests.support.waiting import until

__all__ = ["postgres_uri"]

pytestmark = [
    pytest.mark.graph,
    pytest.mark.http,
    pytest.mark.timeout(3600),  # busy machines start Ray slowly
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),  # Ray's, of its search for free ports
]

ROOT = Path(__file__).parents[2]
END_SECONDS = 900.0
TWICE = ("Ingress", "Orchestrator", "MeshWorker")
DEPLOYMENTS = {*TWICE, "BackgroundRemover", "ImageEncoder", "PartSampler", "ShapeCodec"}
PARTS = 3
LONG = {"num_inference_steps": 60, "max_parts": PARTS, "preview": False}
PART_FILES = [f"mesh_{part:03}.glb" for part in range(PARTS)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with (
        tempfile.TemporaryDirectory(prefix="apg", ignore_cleanup_errors=True) as folder,
        running_nodes(Path(folder)) as running,
    ):
        yield running


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="apg", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


class Service:
    """The application of `serve_config.yaml` on a cluster, with PostgreSQL as its job store."""

    def __init__(self, nodes: Nodes, folder: Path, database_url: str) -> None:
        self.database_url = database_url
        self.log = folder / "serve.log"
        self._nodes = nodes
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    def replicas(self, deployment: str) -> list[int]:
        """How many replicas each worker node has."""
        return [len(self._nodes.processes(node, f"autopartgen:{deployment}")) for node in self._nodes.workers]

    def is_ready(self) -> bool:
        """Whether it says so."""
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=10).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    @contextmanager
    def running(self) -> Iterator[AutoPartGenClient]:
        """The service, ready, until this is closed."""
        config = self._folder / "serve.yaml"
        config.write_text(yaml.safe_dump(self._settings()))
        program = str(Path(sys.executable).with_name("apg"))
        with self.log.open("wb") as log:
            driver = psutil.Popen(
                [program, "serve", str(config)],
                cwd=self._folder,
                env=self._nodes.environment,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        try:
            until(lambda: self._is_up(driver), seconds=START_SECONDS, what=f"ready:\n{self.log.read_text()[-4000:]}")
            with AutoPartGenClient(self.url) as client:
                yield client
        finally:
            driver.send_signal(signal.SIGINT)
            driver.wait(END_SECONDS)

    def _is_up(self, driver: psutil.Popen) -> bool:
        assert driver.poll() is None, self.log.read_text()[-4000:]
        return self.is_ready()

    def _settings(self) -> dict[str, object]:
        settings: dict[str, object] = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
        settings["http_options"] = {"host": "127.0.0.1", "port": self._port}
        [application] = settings["applications"]  # type: ignore[misc]
        application["args"] = {
            "models": {"preset": "nano", "device": "cpu", "threads": 1},
            "stores": {
                "database_url": self.database_url,
                "artifacts_uri": str(self._folder / "artifacts"),
                "lease_seconds": 4,
            },
            "decoder_processes": 1,
            "concurrent_jobs": 3,
        }
        for deployment in application["deployments"]:
            deployment["num_replicas"] = 2 if deployment["name"] in TWICE else 1
            deployment["health_check_period_s"] = 1
        return settings


class Caller:
    """Asks the service for its jobs, again and again, and keeps what it heard."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.answers: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._call)

    def __enter__(self) -> "Caller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _call(self) -> None:
        with AutoPartGenClient(self._url) as client:
            while not self._over.wait(0.2):
                self.answers.append(len(client.jobs(limit=100).jobs))


def test_a_node_that_dies_under_load_costs_no_job_and_the_service_answers_on(
    nodes: Nodes, home: Path, postgres_uri: str
) -> None:
    nodes.have_workers(2)
    service = Service(nodes, home, postgres_uri)
    with service.running() as client, Caller(service.url) as caller:
        assert {name: service.replicas(name) for name in TWICE} == {name: [1, 1] for name in TWICE}
        before = [client.submit(image=png(), options=LONG | {"seed": seed}) for seed in range(6)]
        until(lambda: sum(client.get(job.id).parts_done for job in before) >= 2, seconds=END_SECONDS, what="two parts")
        heard = len(caller.answers)
        nodes.kill(nodes.holder_of("autopartgen:PartSampler"))
        meanwhile = [client.submit(mesh=box_glb(), options=LONG | {"seed": seed}) for seed in range(2)]
        ended = [client.wait(job.id, timeout=END_SECONDS) for job in (*before, *meanwhile)]

        assert [(job.status, job.error) for job in ended] == [("succeeded", None)] * 8
        assert max(job.attempt for job in ended) > 1, "no job was on the node"
        for job in ended:
            assert [event.part.name for event in client.events(job.id) if event.part is not None] == PART_FILES
            assert sum(event.is_last for event in client.events(job.id)) == 1
            assert {*PART_FILES, "mesh_combined.glb", "manifest.json"} <= {file.name for file in job.artifacts}
            for file in job.artifacts:
                assert len(httpx.get(service.url + file.url).content) == file.bytes
        assert jobs_by_status(postgres_uri) == {"succeeded": 8}
        assert len(caller.answers) > heard
        until(service.is_ready, seconds=END_SECONDS, what="ready on the nodes that are left")
        assert all(sum(service.replicas(name)) for name in DEPLOYMENTS)


def jobs_by_status(database_url: str) -> dict[str, int]:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT status, count(*) FROM jobs GROUP BY status")).all()
    engine.dispose()
    return {str(status): int(count) for status, count in rows}


def test_a_batch_that_loses_a_node_has_one_row_for_each_input(nodes: Nodes, home: Path) -> None:
    nodes.have_workers(2)
    source, output, log = home / "in", home / "out", home / "batch.log"
    source.mkdir()
    for number in range(6):
        (source / f"picture-{number}.png").write_bytes(png(colour=(30 * number, 90, 200)))
        (source / f"mesh-{number}.glb").write_bytes(box_glb())
    flags = ["--preset", "nano", "--num_inference_steps", "60", "--no_preview"]
    with log.open("wb") as stream:
        batch = psutil.Popen(
            [sys.executable, "-m", "cluster.batch", str(source), str(output), *flags],
            env=nodes.environment,
            stdout=stream,
            stderr=stream,
        )
    try:
        until(lambda: count_done(batch, output, log) >= 2, seconds=END_SECONDS, what="two objects are done")
        nodes.kill(nodes.holder_of("GenerateParts"))
        assert count_done(batch, output, log) < 12, "the batch was over before the node was lost"
        assert batch.wait(END_SECONDS) == 0, log.read_text()
    finally:
        if batch.is_running():
            batch.kill()
    rows = pq.read_table(output / "results.parquet").to_pylist()
    assert [row["id"] for row in rows] == sorted(path.stem for path in source.iterdir())
    assert pq.read_table(output / "errors.parquet").num_rows == 0
    for row in rows:
        manifest = json.loads((output / row["id"] / "manifest.json").read_text())
        assert row["parts"] == PARTS == len(manifest["parts"])
        assert {part["file"] for part in manifest["parts"]} == set(PART_FILES)
        assert all((output / row["id"] / name).is_file() for name in PART_FILES)


def count_done(batch: psutil.Popen, output: Path, log: Path) -> int:
    assert batch.poll() is None, log.read_text()
    return len(list(output.glob("*/manifest.json")))
