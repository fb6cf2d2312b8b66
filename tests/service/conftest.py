"""The whole service, as `apg serve` runs it: real Ray, real HTTP, the nano preset, a home of its own."""

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest
import yaml

from clients import AutoPartGenClient
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
[_APPLICATION] = yaml.safe_load((ROOT / "serve_config.yaml").read_text())["applications"]
DEPLOYMENTS = tuple(deployment["name"] for deployment in _APPLICATION["deployments"])
START_SECONDS = 600.0
STOP_SECONDS = 90.0
LEASE_SECONDS = 4


class RunningService:
    """A service that can be started, stopped, and killed in all or in part."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._config = folder / "serve.yaml"
        self._config.write_text(yaml.safe_dump(self.settings()))
        self._driver: psutil.Popen | None = None
        self.answers: set[tuple[int, str]] = set()
        """Status and media type of every answer to the question whether it is ready."""

    @property
    def client(self) -> AutoPartGenClient:
        """A new client."""
        return AutoPartGenClient(self.url)

    @property
    def arguments(self) -> list[str]:
        """What `apg` is started with."""
        return ["serve", str(self._config)]

    @property
    def log(self) -> Path:
        """What the service printed."""
        return self.folder / "serve.log"

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.launch()
        until(self.is_ready, seconds=START_SECONDS, what=f"ready; see {self.log}")

    def launch(self) -> None:
        """Start it."""
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "OMP_NUM_THREADS": "1",
            "RAY_TMPDIR": str(self.folder),  # short: unix sockets live below it
            "RAY_object_store_memory": str(200 * 2**20),
        }
        with self.log.open("ab") as log:
            self._driver = psutil.Popen(
                [str(Path(sys.executable).with_name("apg")), *self.arguments],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                process_group=0,  # so that an interrupt of the tests is not one of the service
            )

    def is_ready(self) -> bool:
        """Whether it says so."""
        assert self._driver is not None
        if self._driver.poll() is not None:
            pytest.fail(f"the service ended at its start:\n{self.log.read_text()[-4000:]}")
        try:
            answer = httpx.get(f"{self.url}/health/ready", timeout=5)
        except httpx.TransportError:
            return False
        self.answers.add((answer.status_code, answer.headers["content-type"]))
        return answer.status_code == 200

    def processes(self) -> list[psutil.Process]:
        """All of it."""
        if self._driver is None or not self._driver.is_running():
            return []
        return [self._driver, *self._driver.children(recursive=True)]

    def replicas(self, deployment: str) -> list[psutil.Process]:
        """The processes of one deployment's replicas."""
        found = []
        for process in self.processes():
            try:
                title = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if title.startswith("ray::") and f"autopartgen:{deployment}" in title:
                found.append(process)
        return found

    def kill_replica(self, deployment: str) -> None:
        """kill -9 one replica."""
        until(lambda: bool(self.replicas(deployment)), seconds=60, what=f"a replica of {deployment}")
        self.replicas(deployment)[0].kill()

    def kill_everything(self) -> None:
        """kill -9 the service and Ray under it."""
        processes = self.processes()
        for process in processes:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(processes, timeout=30)
        self._driver = None

    def stop(self) -> None:
        """Stop it as Ctrl-C does; nothing may be left."""
        processes = self.processes()
        if not processes:
            return
        processes[0].send_signal(signal.SIGINT)
        _, alive = psutil.wait_procs(processes, timeout=STOP_SECONDS)
        names = [" ".join(process.cmdline())[:100] for process in alive if process.is_running()]
        for process in alive:
            process.kill()
        self._driver = None
        assert names == [], f"left behind: {names}"

    def settings(self) -> dict[str, Any]:
        """The config file that it is started with."""
        settings: dict[str, Any] = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
        settings["http_options"] = {"host": "127.0.0.1", "port": self.port}
        [application] = settings["applications"]
        application["args"] = {
            "models": {"preset": "nano", "device": "cpu", "threads": 1},
            "stores": {"folder": str(self.state), "lease_seconds": LEASE_SECONDS},
            "decoder_processes": 1,
        }
        for deployment in application["deployments"]:
            deployment["health_check_period_s"] = 1
        return settings


Service = TypeVar("Service", bound=RunningService)


@contextmanager
def in_own_folder(make: Callable[[Path], Service]) -> Iterator[Service]:
    """A service in a folder of its own, not started yet; stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="apg", ignore_cleanup_errors=True) as folder:
        running = make(Path(folder))
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="session")
def service() -> Iterator[RunningService]:
    """A service for all tests of this folder; each leaves it running and well."""
    with in_own_folder(RunningService) as running:
        running.start()
        yield running
