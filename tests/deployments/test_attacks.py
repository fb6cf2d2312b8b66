"""What an attack on the service found, and what is answered to it now."""

from dataclasses import replace
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from apg_core.geometry.isosurface import lack_of
from apg_core.protocol.formats import MESH_FORMATS
from tests.support.http_server import Server
from tests.support.inputs import png

KEYS = {"ann": "ann-key", "bob": "bob-key"}
SERVER: dict[str, Any] = {"keys": KEYS, "limits": {"jobs_per_key": 2}}
AS_JSON = {"Content-Type": "application/json"}
AS_FORM = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture
def ann(server: Server) -> Any:
    with httpx.Client(base_url=server.url, headers={"X-API-Key": "ann-key"}, timeout=60) as client:
        yield client
        for job in client.get("/v1/jobs").json()["jobs"]:
            client.delete(job["links"]["self"])


def form(options: str, *, end: bytes) -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
    image = (head % b'image"; filename="a.png').replace(b'png"\r', b'png"\r') + png()
    return image + b"\r\n" + head % b"options" + options.encode() + end


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n--", b"\r\n--x"])
def test_a_form_without_its_closing_boundary_is_refused_and_not_half_read(ann: httpx.Client, end: bytes) -> None:
    whole = ann.post("/v1/jobs", content=form('{"seed": 77}', end=b"\r\n--x--\r\n"), headers=AS_FORM)
    assert (whole.status_code, whole.json()["seed"]) == (202, 77)
    cut = ann.post("/v1/jobs", content=form('{"seed": 77}', end=end), headers=AS_FORM)
    assert (cut.status_code, cut.json()["code"]) == (400, "malformed"), cut.text
    assert "closing boundary" in cut.json()["detail"]


def test_millions_of_json_values_are_refused_without_parsing_them(ann: httpx.Client) -> None:
    body = b'{"options": {' + b",".join(b'"k%d": 1' % number for number in range(3_000_000)) + b"}}"
    answer = ann.post("/v1/jobs", content=body, headers=AS_JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert "6,000,00" in answer.json()["detail"]


@pytest.mark.parametrize("text", ["x" * 70_000, '\\"' * 40_000])
def test_options_in_json_have_the_limit_of_those_in_a_form(ann: httpx.Client, text: str) -> None:
    answer = ann.post("/v1/jobs", content=f'{{"options": {{"a": "{text}"}}}}', headers=AS_JSON)
    assert (answer.status_code, answer.json()["field"]) == (413, "options"), answer.text
    assert "the limit is 65,536" in answer.json()["detail"]


def test_no_answer_leads_to_where_a_header_says(ann: httpx.Client) -> None:
    for path in ("/v1/jobs/", "/v1/models/", "/health/live/", "/docs/"):
        answer = ann.get(path, headers={"Host": "evil.example"})
        assert answer.status_code == 404
        assert "evil" not in answer.text + str(answer.headers)


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    content = BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(content, kind)
    return content.getvalue()


@pytest.mark.parametrize("size", [(1, 50_000_000 // 2), (20_001, 1)])
def test_an_image_of_an_absurd_edge_is_refused_by_its_header(ann: httpx.Client, size: tuple[int, int]) -> None:
    content = picture(*size)
    for files in ({"image": ("a.png", content)}, {"image": ("a.png", png()), "mask": ("m.png", content)}):
        answer = ann.post("/v1/jobs", files=files)
        assert answer.status_code == 413
        assert f"pixels on an edge: {max(size):,}, and the limit is 20,000" in answer.json()["detail"]


def test_who_has_no_room_in_the_queue_is_told_before_anything_is_decoded(server: Server, ann: httpx.Client) -> None:
    for _ in range(2):
        assert ann.post("/v1/jobs", files={"image": ("a.png", png())}).status_code == 202
    # What would be refused as damaged if it were looked at.
    answer = ann.post("/v1/jobs", files={"image": ("a.png", b"\x89PNG and nothing")})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_jobs")
    with httpx.Client(base_url=server.url, headers={"X-API-Key": "bob-key"}) as bob:
        answer = bob.post("/v1/jobs", files={"image": ("a.png", b"\x89PNG and nothing")})
        assert answer.status_code == 422


def test_a_backend_that_is_not_installed_is_refused_when_it_is_asked_for(ann: httpx.Client) -> None:
    lack = lack_of("diso")
    if lack is None:
        pytest.skip("diso runs here")
    files = {"image": ("a.png", png())}
    answer = ann.post("/v1/jobs", files=files, data={"options": '{"isosurface_backend": "diso"}'})
    assert (answer.status_code, answer.json()["field"]) == (422, "isosurface_backend")
    assert lack in answer.json()["detail"]
    for backend in ("auto", "skimage"):
        given = {"options": f'{{"isosurface_backend": "{backend}"}}'}
        assert ann.post("/v1/jobs", files=files, data=given).status_code == 202


def test_a_format_whose_package_is_not_installed_is_refused_when_it_is_asked_for(
    ann: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, given = {"image": ("a.png", png())}, {"options": '{"formats": "stl,usdz"}'}
    assert ann.post("/v1/jobs", files=files, data=given).status_code == 202
    monkeypatch.setitem(MESH_FORMATS, "usdz", replace(MESH_FORMATS["usdz"], package="no_such_package"))  # type: ignore[arg-type]
    answer = ann.post("/v1/jobs", files=files, data=given)
    assert (answer.status_code, answer.json()["field"]) == (422, "formats")
    assert "usdz needs a package that is not installed: pip install" in answer.json()["detail"]
