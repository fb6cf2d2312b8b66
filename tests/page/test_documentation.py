"""`/docs` in a real browser; the fixture sees that it asks for nothing but the service's own."""

import httpx
import pytest

from tests.support.browser import Studio

pytestmark = pytest.mark.browser


def test_the_documentation_shows_every_operation_and_what_can_be_submitted(studio: Studio) -> None:
    described = httpx.get(f"{studio.url}/openapi.json").json()
    studio.open("docs")
    shown = studio.page.locator(".opblock")
    shown.first.wait_for()
    assert shown.count() == sum(map(len, described["paths"].values()))
    submit = studio.page.locator("#operations-jobs-submit_job")
    submit.get_by_role("button").first.click()
    submit.get_by_text("a picture of the object: PNG").first.wait_for()
    studio.shot("docs")
