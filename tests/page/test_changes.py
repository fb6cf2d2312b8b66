"""The studio in a real browser: parts changed, each change a job of its own."""

import io
import re
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.page.conftest import OpenStudio
from tests.support.browser import CHAIR, PHONE, Studio, WholeService
from tests.support.waiting import until

pytestmark = pytest.mark.browser


def rgb(colour: str) -> list[int]:
    """The channels of a colour as browsers write it."""
    return [int(one) for one in re.findall(r"\d+", colour)[:3]]


def test_a_part_that_was_fitted_to_the_mesh_is_split_and_all_stays_the_mesh(
    open_studio: OpenStudio, own_service: WholeService
) -> None:
    own_service.options = ["--preset", "tiny"]  # random weights see no parts in a part
    own_service.start()
    studio = open_studio(own_service, PHONE)
    studio.drop(CHAIR)
    parent = studio.begin(seed=5, best_of=1)
    studio.await_end()
    before = manifest(studio, parent)
    studio.await_parts(len(before["parts"]))
    for row in (studio.rows.nth(-2), studio.rows.last):
        row.get_by_role("checkbox").check()
    studio.page.get_by_role("tab", name="Change").click()
    studio.page.get_by_role("button", name="Merge").click()
    child = studio.await_next(parent)
    merged = manifest(studio, child)
    assert len(merged["parts"]) == len(before["parts"]) - 1
    studio.await_parts(len(merged["parts"]))
    united = [part["index"] for part in merged["parts"] if any("merged" in note for note in part["notes"])]
    studio.rows.nth([part["index"] for part in merged["parts"]].index(united[0])).get_by_role("checkbox").check()
    studio.page.get_by_role("tab", name="Change").click()
    studio.page.get_by_role("button", name="Split").click()
    after = manifest(studio, studio.await_next(child))
    studio.await_parts(len(after["parts"]))
    assert len(after["parts"]) == len(before["parts"])
    assert after["partition"]["exact"]
    assert (after["partition"]["unclaimed"], after["partition"]["doubly_claimed"]) == pytest.approx((0, 0), abs=1e-6)
    studio.page.locator("#explode").fill("0.6")
    studio.settle()
    studio.shot("split")


def manifest(studio: Studio, job: str) -> dict[str, Any]:
    """What a job says of its results."""
    found: dict[str, Any] = httpx.get(f"{studio.url}/v1/jobs/{job}/artifacts/manifest.json").json()
    return found


def test_each_change_is_a_new_job_and_the_one_before_stays(studio: Studio) -> None:
    studio.drop(CHAIR)
    chain = [studio.begin(seed=1)]
    studio.await_end()
    studio.await_parts(3)

    def changed(parts: int) -> dict[str, object]:
        chain.append(studio.await_next(chain[-1]))
        studio.await_parts(parts)
        job: dict[str, object] = httpx.get(f"{studio.url}/v1/jobs/{chain[-1]}").json()
        assert job["parent"] == chain[-2]
        return job

    def change(name: str, *places: int, parts: int) -> dict[str, object]:
        studio.page.get_by_role("tab", name="Parts").click()
        for place in places:
            studio.rows.nth(place).get_by_role("checkbox").check()
        studio.page.get_by_role("tab", name="Change").click()
        studio.page.get_by_role("button", name=name, exact=True).click()
        return changed(parts)

    studio.page.get_by_role("button", name="Rename Part 2").click()
    studio.page.get_by_label("Name of the part").fill("Seat")
    studio.page.keyboard.press("Enter")
    changed(3)
    studio.page.locator(".part-list > li:nth-child(2) .part-name", has_text="Seat").wait_for(state="attached")
    studio.page.locator("#tab-edit").click()
    studio.page.get_by_label("Tries").fill("2")
    job = change("Make again", 1, parts=3)
    assert job["edit"] == {"operation": "resample", "parts": [1], "options": {}, "candidates": 2}
    until(lambda: studio.page.locator(".candidate-list img").count() == 2, seconds=60, what="two tries")
    swatch = rgb(
        studio.page.locator(".part-list > li:nth-child(2) .swatch").evaluate(
            "(e) => getComputedStyle(e).backgroundColor"
        )
    )
    for place in range(2):
        tried = Image.open(io.BytesIO(studio.page.locator(".candidate-list img").nth(place).screenshot()))
        pixels = np.asarray(tried.convert("RGB")).reshape(-1, 3).astype(float)
        strongest = pixels[np.argmax(pixels.max(axis=1) - pixels.min(axis=1))]
        assert np.corrcoef(strongest, swatch)[0, 1] > 0.9  # the hue of its part
    assert studio.axe() == []
    studio.shot("tries")
    studio.page.get_by_role("button", name="Take this one").click()
    assert changed(3)["edit"] == {"operation": "pick", "candidate": 1}
    studio.page.locator(".candidate-list li:nth-child(2)", has_text="In place").wait_for()
    assert "In place" not in studio.page.locator(".candidate-list li:nth-child(1)").inner_text()
    assert change("Later", 0, parts=3)["edit"] == {"operation": "reorder", "order": [1, 0, 2]}
    change("Merge", 0, 1, parts=2)
    change("Remove", 1, parts=1)
    studio.page.locator("#tab-edit").click()
    studio.page.get_by_label("Most parts then").fill("2")
    change("Go on", parts=2)
    studio.shot("changed")
    studio.open(f"#/jobs/{chain[0]}")
    studio.await_parts(3)
