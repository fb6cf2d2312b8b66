"""The container's own command, run as it is but for the folders and the port: who can reach what."""

import ipaddress
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from clients import AutoPartGenClient
from deployments.http.auth import new_key
from tests.service.conftest import ROOT, RunningService, in_own_folder
from tests.support.inputs import box_glb

pytestmark = [pytest.mark.http, pytest.mark.timeout(1800)]

DOCKERFILE = (ROOT / "cluster" / "Dockerfile").read_text()


def commands() -> list[list[str]]:
    """The CMD of each image."""
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    return [json.loads(rest) for rest in re.findall(r"^CMD (\[.*\])$", joined, re.MULTILINE)]


class Container(RunningService):
    """The service as the CPU image starts it."""

    def __init__(self, folder: Path, key_line: str) -> None:
        super().__init__(folder)
        (folder / "keys").write_text(key_line + "\n")

    @property
    def arguments(self) -> list[str]:
        """The CMD's, in this folder instead of the image's."""
        places = {"/data/keys": "keys", "/data": "data", "/weights": "weights", "serve_config.yaml": "serve.yaml"}
        return [*(places.get(word, word) for word in commands()[0][1:]), "--port", str(self.port)]

    def sockets(self) -> set[tuple[str, int, str]]:
        """What all of its processes listen on: address, port, process."""
        listening = set()
        for process in self.processes():
            for one in process.net_connections(kind="inet"):
                if one.status == psutil.CONN_LISTEN:
                    listening.add((one.laddr.ip, one.laddr.port, process.name()))
        return listening


@pytest.fixture(scope="module")
def key() -> tuple[str, str]:
    return new_key("ann")


@pytest.fixture(scope="module")
def container(key: tuple[str, str]) -> Iterator[Container]:
    with in_own_folder(lambda folder: Container(folder, key[1])) as running:
        running.start()
        yield running


def outside() -> str:
    """An address of this machine that is not the loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has the loopback only")
        return str(probe.getsockname()[0])


def test_both_images_listen_beyond_themselves_with_keys_and_keep_their_state_on_volumes() -> None:
    for command in commands():
        flags = dict(zip(command[3::2], command[4::2], strict=True))
        assert command[:2] == ["apg", "serve"]
        assert (ROOT / command[2]).is_file()
        assert flags == {"--host": "0.0.0.0", "--keys": "/data/keys", "--folder": "/data", "--checkpoints": "/weights"}


def test_the_container_answers_from_outside_and_only_to_a_key(container: Container, key: tuple[str, str]) -> None:
    url = f"http://{outside()}:{container.port}"
    assert httpx.get(f"{url}/v1/jobs").status_code == httpx.codes.UNAUTHORIZED
    with AutoPartGenClient(url, key[0]) as client:
        job = client.wait(client.submit(mesh=box_glb(), options={"max_parts": 1, "preview": False}).id)
        assert job.status == "succeeded"
    assert (container.folder / "data" / "jobs.db").is_file()
    args = yaml.safe_load((container.folder / "data" / "serve.yaml").read_text())["applications"][0]["args"]
    assert args["models"]["checkpoints"] == str(container.folder / "weights")


def test_nothing_of_ray_is_reachable_from_outside(container: Container) -> None:
    beyond = {one for one in container.sockets() if not is_loopback(one[0])}
    assert {port for _, port, _ in beyond} == {container.port}, beyond


def is_loopback(address: str) -> bool:
    """Also for IPv4 within IPv6, which Python 3.13 knows by itself."""
    parsed = ipaddress.ip_address(address)
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback
