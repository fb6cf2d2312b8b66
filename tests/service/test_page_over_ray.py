"""The studio, served by the Ray service itself: one object its whole way, in a real browser."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest
from conftest import RunningService

from tests.support.browser import DESKTOP, Studio, open_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.http, pytest.mark.graph]


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A browser, or the reason why there is none."""
    with open_browser() as opened:
        yield opened


def test_an_example_becomes_parts_that_are_changed_and_taken_away(browser: "Browser", service: RunningService) -> None:
    context = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}, accept_downloads=True)
    studio = Studio(context.new_page(), service.url, "ray")
    studio.listen()
    studio.open()
    studio.page.locator(".example", has_text="Chair").click()
    studio.page.locator(".input.given img[src]").wait_for()
    job = studio.begin(seed=4, num_inference_steps=2, max_parts=2, grid_size=32)
    studio.await_some_part()
    studio.await_end()
    made = httpx.get(f"{service.url}/v1/jobs/{job}").json()
    parts = [one for one in made["artifacts"] if one["name"].startswith("mesh_0")]
    studio.await_parts(len(parts))
    assert len(studio.colourful()) > 500
    studio.shot("made")
    studio.rows.nth(0).get_by_role("checkbox").check()
    studio.page.get_by_role("tab", name="Change").click()
    studio.page.get_by_role("button", name="Make again").click()
    studio.page.wait_for_url(lambda url: job not in url)
    studio.await_end()
    edited = httpx.get(f"{service.url}/v1/jobs/{studio.page.url.rsplit('/', 1)[1]}").json()
    assert (edited["parent"], edited["edit"]["operation"]) == (job, "resample")
    [untouched] = [one for one in edited["artifacts"] if one["name"] == parts[1]["name"]]
    assert untouched["sha256"] == parts[1]["sha256"]
    studio.page.get_by_role("tab", name="Files").click()
    with studio.page.expect_download() as everything:
        studio.page.get_by_role("button", name="All files in one zip").click()
    [archive] = [one for one in edited["artifacts"] if one["name"] == "all.zip"]
    assert everything.value.path().read_bytes() == httpx.get(f"{service.url}{archive['url']}").content
    context.close()
    studio.check()
