"""The studio's page as it is served: open, strict, cached, complete, and no way around the API."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from deployments.http.studio import PAGE
from tests.support.http_server import Server

ROOT = Path(__file__).parents[2]
SERVER = {"keys": {"ann": "secret-of-ann"}}
HOSTS = re.compile(r"""(?:https?:)?//[\w-]+(?:\.[\w-]+)+""")
IMPORT = re.compile(r"""(?:import|export)\s[^;"]*?from\s"([^"]+)";|import\s"([^"]+)";""")
OWN = sorted(path for path in PAGE.rglob("*.js") if path.parent.name != "vendor")


def test_the_page_is_open_where_keys_are_on_and_the_jobs_are_not(server: Server) -> None:
    with server.client as client:
        page = client.get("/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "<main" in page.text
        assert client.get("/v1/jobs").status_code == 401


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/main.js", "text/javascript; charset=utf-8"),
        ("/style/base.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/pictures/chair.png", "image/png"),
        ("/examples/mesh/chair/mesh.glb", "model/gltf-binary"),
    ],
)
def test_files_have_their_types_and_are_not_sent_twice(server: Server, path: str, media_type: str) -> None:
    with server.client as client:
        first = client.get(path)
        assert (first.status_code, first.headers["content-type"]) == (200, media_type)
        assert first.headers["cache-control"] == "no-cache"
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/", "/main.js", "/docs/swagger-ui.css", "/examples/mesh/chair/mesh.glb"])
@pytest.mark.parametrize("given", [b"bytes=-", b"bytes=99999999999-", b"bytes=-0", b"bytes=\xff", b"lines=1-2"])
def test_files_are_sent_whole_whatever_range_is_asked_for(server: Server, path: str, given: bytes) -> None:
    with server.client as client:
        whole, answer = client.get(path), client.get(path, headers={b"Range": given})
        assert (answer.status_code, answer.content) == (200, whole.content)


def test_nothing_from_elsewhere_and_nothing_inline_is_allowed(server: Server) -> None:
    with server.client as client:
        for path in ("/", "/main.js", "/examples/mesh/chair/mesh.glb", "/v1/jobs", "/nothing"):
            headers = client.get(path).headers
            policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
            assert policy["default-src"] == "'self'", path
            assert {"script-src", "style-src"}.isdisjoint(policy)
            assert "unsafe" not in headers["content-security-policy"]
            assert policy["frame-ancestors"] == "'none'"
            assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/nothing", "/jobs", "/style/", "/examples/none.png", "/../pyproject.toml", "/%2e%2e/studio.py"]
)
def test_what_is_not_there_is_a_problem_of_the_api(server: Server, path: str) -> None:
    with server.client as client:
        answer = client.get(path, headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert answer.json()["code"] == "not_found"


def test_the_page_takes_nothing_but_reading(server: Server) -> None:
    with server.client as client:
        assert client.post("/main.js").status_code == 405
        assert client.head("/main.js").status_code == 200


def test_every_module_that_is_imported_is_there_and_every_module_is_imported() -> None:
    imported = {PAGE / "main.js"}
    for path in OWN:
        for match in IMPORT.finditer(path.read_text(encoding="utf-8")):
            target = (path.parent / (match[1] or match[2])).resolve()
            assert target.is_file(), f"{path}: {match[0]}"
            imported.add(target)
    assert imported == {*OWN, PAGE / "vendor" / "three.js"}


def test_the_page_names_no_other_host() -> None:
    texts = [
        path for path in PAGE.rglob("*") if path.suffix in {".js", ".css", ".html"} and path.parent.name != "vendor"
    ]
    named = {match for path in texts for match in HOSTS.findall(path.read_text(encoding="utf-8"))}
    assert len(texts) > 20
    assert named <= {"http://www.w3.org"}  # a namespace, not an address


def test_the_page_has_no_text_of_its_own_outside_of_the_file_of_words() -> None:
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*src=)", html) == []
    assert re.findall(r"style=|\son\w+=", html) == []
    for path in OWN:
        if path.name != "words.js":
            spoken = re.findall(r'"[A-Z][a-z]+ [a-z]+ [^"]*"', path.read_text(encoding="utf-8"))
            assert spoken == [], path


def test_the_examples_of_the_page_are_those_of_the_project() -> None:
    listed = set(re.findall(r'folder: "([^"]+)"', (PAGE / "examples.js").read_text(encoding="utf-8")))
    assert listed == {path.parent.relative_to(ROOT / "examples").as_posix() for path in ROOT.glob("examples/*/*/*")}


def test_the_vendored_bundle_says_what_it_is_and_is_small() -> None:
    bundle = PAGE / "vendor" / "three.js"
    wanted = json.loads((ROOT / "packages/page/package.json").read_text())["devDependencies"]["three"]
    assert bundle.read_text(encoding="utf-8").startswith(f"/* three.js {wanted}, ")
    assert "MIT" in (PAGE / "vendor" / "three.LICENSE").read_text(encoding="utf-8")
    assert bundle.stat().st_size < 720_000
    assert (PAGE / "vendor" / "three.d.ts").read_bytes() == (ROOT / "packages/page/three.js").read_bytes()


def test_the_lock_of_the_tools_names_no_host_and_pins_everything() -> None:
    lock = json.loads((ROOT / "packages/page/package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    for name, entry in packages.items():
        assert "resolved" not in entry, name
        assert entry["integrity"].startswith("sha512-"), name


def test_a_wheel_has_the_page_and_the_examples(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "-q", "--no-deps"]
    command += ["--no-build-isolation", "-w", str(tmp_path), str(ROOT)]
    elsewhere = tmp_path / "elsewhere.cfg"  # what an earlier build has left in the project's own folder must not count
    elsewhere.write_text(f"[build]\nbuild_base = {tmp_path / 'build'}\n")
    environment = os.environ | {"DIST_EXTRA_CONFIG": str(elsewhere)}
    subprocess.run(command, check=True, capture_output=True, timeout=300, env=environment)
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (*OWN, PAGE / "index.html", PAGE / "vendor" / "three.js", *PAGE.glob("examples/*/*/*")):
        assert path.relative_to(ROOT).as_posix() in names


def test_a_page_that_is_not_asked_for_from_the_root_finds_its_files(server: Server) -> None:
    with server.client as client:
        html = client.get("/").text
        for address in re.findall(r'(?:href|src)="([^"#]+)"', html):
            assert not address.startswith("/"), address  # relative, so that it works behind any prefix
            assert client.get(httpx.URL(server.url).join(address)).status_code == 200
