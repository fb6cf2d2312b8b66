"""A service under a route prefix: every address in its answers, in its events and of its page can be fetched."""

from pathlib import Path

import httpx
from httpx_sse import connect_sse

from clients import AutoPartGenClient
from tests.support.http_server import Server
from tests.support.inputs import png

SERVER = {"root": "/apg"}


def test_every_address_in_an_answer_resolves_against_its_own(server: Server) -> None:
    with httpx.Client(timeout=20) as client:
        jobs = f"{server.url}/v1/jobs"
        answer = client.post(jobs, files={"image": ("a.png", png())})
        job = answer.json()
        assert job["links"]["self"] == answer.headers["location"] == f"/apg/v1/jobs/{job['id']}"
        here = httpx.URL(jobs).join(answer.headers["location"])
        server.runner.succeed(server.runner.claim())
        job = client.get(here).json()
        listed = client.get(jobs).json()["jobs"][0]
        assert (listed["links"], listed["artifacts"]) == (job["links"], job["artifacts"])
        assert job["artifacts"]
        for artifact in job["artifacts"]:
            assert client.get(here.join(artifact["url"])).status_code == 200
        with connect_sse(client, "GET", str(here.join(job["links"]["events"]))) as stream:
            parts = [sent.json()["part"] for sent in stream.iter_sse() if sent.event == "part"]
        assert [client.get(here.join(part["url"])).status_code for part in parts] == [200]
        assert client.post(here.join(job["links"]["cancel"])).json()["links"] == job["links"]


def test_the_client_fetches_from_there(server: Server, tmp_path: Path) -> None:
    with AutoPartGenClient(server.url) as client:
        job = client.submit(image=png())
        server.runner.succeed(server.runner.claim())
        assert [event.type for event in client.events(job.id)][-1] == "succeeded"
        job = client.get(job.id)
        paths = client.download(job, tmp_path)
        assert [path.stat().st_size for path in paths] == [artifact.bytes for artifact in job.artifacts]


def test_the_page_and_the_description_know_where_they_are(server: Server) -> None:
    with httpx.Client(timeout=20, follow_redirects=True) as client:
        page = client.get(server.url)
        assert (page.status_code, str(page.url)) == (200, f"{server.url}/"), "its addresses are relative to its own"
        assert client.get(page.url.join("openapi.json")).json()["servers"] == [{"url": "/apg"}]
        assert client.get(page.url.join("docs")).status_code == 200


def test_the_way_to_the_page_does_not_lead_to_the_host_that_the_caller_named(server: Server) -> None:
    answer = httpx.get(server.url, headers={"Host": "elsewhere.example"})
    assert (answer.status_code, answer.headers["location"]) == (307, "/apg/")
