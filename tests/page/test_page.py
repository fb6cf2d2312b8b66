"""The studio in a real browser: every flow once, over real jobs."""

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from apg_core.presets import load_preset
from apg_core.protocol.options import GenerationOptions
from tests.page.conftest import OpenStudio
from tests.support.browser import CHAIR, DESKTOP, PHONE, ROOT, Studio, WholeService
from tests.support.waiting import until

pytestmark = pytest.mark.browser

EXAMPLES = ROOT / "examples"
ROBOT = EXAMPLES / "image_mesh_mask" / "robot"
COPIED = "async (text) => (await navigator.clipboard.readText()).trim() === text"
SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])


def extent(pixels: np.ndarray) -> float:
    """Length of the diagonal of what is shown."""
    return float(np.linalg.norm(pixels.max(axis=0) - pixels.min(axis=0)))


@SIZES
def test_a_dropped_mesh_becomes_parts_that_can_be_taken_apart(
    open_studio: OpenStudio, shared_service: WholeService, size: tuple[int, int]
) -> None:
    studio = open_studio(shared_service, size)
    studio.drop(CHAIR)
    assert studio.page.locator(".mode").inner_text() == "Parts of a mesh"
    studio.page.locator(".input.given img[src]").wait_for()
    studio.shot("given")
    studio.begin(seed=5)
    studio.await_end()
    studio.await_parts(3)
    together = extent(studio.colourful())
    studio.page.locator("#explode").fill("1")
    assert extent(studio.colourful()) != together
    studio.shot("apart")


def test_parts_appear_while_the_job_goes_on(studio: Studio) -> None:
    studio.drop(CHAIR)
    studio.begin(slow=True)
    studio.await_some_part()
    assert studio.page.locator(".progress .chip.running").is_visible()
    assert len(studio.colourful()) > 500
    studio.shot("live")
    studio.await_end()
    studio.await_parts(3)


def test_the_view_is_drawn_only_when_something_has_changed(studio: Studio) -> None:
    studio.drop(CHAIR)
    studio.begin()
    studio.await_end()
    studio.await_parts(3)
    studio.settle()
    before = studio.draws()
    studio.page.wait_for_timeout(1000)
    assert studio.draws() == before
    studio.page.locator(".stage canvas").press("ArrowLeft")
    until(lambda: studio.draws() > before, seconds=60, what="a frame")


def test_parts_are_shown_alone_picked_by_a_click_and_hidden(studio: Studio) -> None:
    studio.drop(CHAIR)
    studio.begin()
    studio.await_end()
    studio.await_parts(3)
    for place in range(3):
        studio.rows.nth(place).get_by_role("button", name="Show only").click()
        assert studio.page.locator(".part-list li.hidden-part").count() == 2
        shown = studio.colourful()
        row, column = shown[len(shown) // 2]
        studio.page.locator(".stage canvas").click(position={"x": int(column), "y": int(row)})
        studio.page.locator(".part-list li.selected .part-name", has_text=f"Part {place + 1}").wait_for()
    studio.shot("alone")
    studio.rows.nth(2).get_by_role("button", name="Hide").click()
    assert len(studio.colourful()) == 0
    studio.page.get_by_role("button", name="Show all").click()
    assert studio.page.get_by_role("img", name="3D view of 3 parts").is_visible()
    seen = [studio.view()]
    for look in ("Colours of the files", "Wireframe", "Shadows", "The given mesh"):
        studio.page.get_by_role("button", name=look).click()
        seen.append(studio.view())
        assert not np.array_equal(seen[-1], seen[-2]), look
    assert len(studio.colourful()) > 0


def test_only_changed_options_are_sent_and_all_of_them_come_from_the_description(studio: Studio) -> None:
    described = httpx.get(f"{studio.url}/openapi.json").json()["components"]["schemas"]["GenerationOptions"][
        "properties"
    ]
    studio.page.locator(".option-form").wait_for()
    shown = {one.get_attribute("name") for one in studio.page.locator(".option-form [name]").all()}
    assert shown == set(described) - {"show_progress", "preview", "compress"}
    assert studio.page.locator("#option-num_inference_steps").input_value() == "4"  # the preset's
    studio.drop(CHAIR)
    job = studio.begin(seed=11, iou_grid_size=16)
    assert json.loads(studio.sent("options")) == {"seed": 11, "iou_grid_size": 16}
    assert httpx.get(f"{studio.url}/v1/jobs/{job}").json()["options"]["iou_grid_size"] == 16


def test_a_preset_is_chosen_where_there_are_several_and_what_was_changed_stays(
    own_service: WholeService, open_studio: OpenStudio
) -> None:
    own_service.options = ["--more", "tiny"]
    own_service.start()
    studio = open_studio(own_service)
    tiny = load_preset("tiny").complete(GenerationOptions())
    studio.page.locator("#option-max_parts").fill("5")
    studio.page.locator("#preset").select_option("tiny")
    assert studio.page.locator("#option-num_inference_steps").input_value() == str(tiny.num_inference_steps)
    assert studio.page.locator("#option-max_parts").input_value() == "5"
    studio.drop(CHAIR)
    job = studio.begin(seed=5)
    assert (json.loads(studio.sent("options")), studio.sent("preset")) == ({"seed": 5, "max_parts": 5}, b"tiny")
    made = httpx.get(f"{own_service.url}/v1/jobs/{job}").json()
    assert (made["preset"], made["options"]["best_of"]) == ("tiny", tiny.best_of)


@pytest.mark.parametrize(
    ("example", "mode"),
    [
        ("chair", "Parts of a mesh"),
        ("teddy", "Parts from a picture"),
        ("snowman", "One part for each region of the picture's mask"),
        ("lamp", "Parts of a mesh, with a picture as a guide"),
        ("robot", "One part of the mesh for each region of the mask"),
    ],
)
def test_each_example_is_one_click_away(studio: Studio, example: str, mode: str) -> None:
    studio.page.locator(".example", has_text=example.title()).click()
    until(lambda: studio.page.locator(".mode").inner_text() == mode, seconds=60, what=mode)
    assert studio.page.locator("#go").is_enabled()


def test_files_are_sorted_by_what_they_are_and_can_be_pasted_and_removed(studio: Studio) -> None:
    studio.drop(ROBOT / "mask.png", ROBOT / "mesh.glb", ROBOT / "image.png")
    assert studio.page.locator(".input.given").count() == 3
    assert studio.page.locator("[data-kind=mask] .file-name").inner_text() == "mask.png"
    studio.page.get_by_role("button", name="Remove the picture").click()
    assert "A mask needs its picture" in studio.page.locator(".mode").inner_text()
    assert studio.page.locator("#go").is_disabled()
    studio.page.evaluate(
        """() => { const carried = new DataTransfer();
        carried.items.add(new File(["x"], "pasted.png", {type: "image/png"}));
        window.dispatchEvent(new ClipboardEvent("paste", {clipboardData: carried})); }"""
    )
    assert studio.page.locator("[data-kind=image] .file-name").inner_text() == "pasted.png"


def test_a_refused_file_and_a_refused_option_say_so_where_they_are(studio: Studio) -> None:
    studio.expected = ("422",)
    studio.drop(("notes.txt", b"words"))
    assert "notes.txt is neither" in studio.page.locator(".notice.bad").inner_text()
    studio.drop(("broken.glb", b"glTF and nothing more"))
    studio.page.locator("#go").click()
    studio.page.locator("[data-kind=mesh].refused").wait_for()
    assert "the GLB is cut off" in studio.page.locator(".send .problem").inner_text()
    studio.shot("refused")
    studio.drop(CHAIR)
    studio.page.locator("#option-grid_size").fill("100")
    studio.page.locator("#go").click()
    studio.page.locator(".send .problem", has_text="power of two").wait_for()
    assert studio.page.evaluate("document.activeElement.id") == "option-grid_size"


def test_a_job_is_stopped_and_keeps_its_parts(studio: Studio) -> None:
    studio.drop(CHAIR)
    studio.begin(slow=True, max_parts=40)
    studio.await_some_part()
    studio.page.get_by_role("button", name="Stop").click()
    studio.await_end("cancelled")
    assert studio.rows.count() >= 1
    studio.shot("stopped")


def test_a_reload_in_the_middle_loses_nothing(studio: Studio) -> None:
    studio.page.locator("#file-mesh").set_input_files(CHAIR)
    job = studio.begin(slow=True)
    studio.await_some_part()
    studio.page.reload()
    studio.await_some_part()
    assert studio.page.url.endswith(job)
    assert studio.page.get_by_role("button", name="The given mesh").is_visible()  # this browser still has it
    studio.await_end()
    studio.await_parts(3)
    assert studio.page.locator(".part-name").all_inner_texts() == ["Part 1", "Part 2", "Part 3"]


def test_a_restart_of_the_service_under_the_open_page_loses_nothing(
    open_studio: OpenStudio, own_service: WholeService
) -> None:
    own_service.start()
    studio = open_studio(own_service)
    studio.expected = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET", "ERR_EMPTY")
    studio.drop(CHAIR)
    studio.begin(slow=True)
    studio.await_some_part()
    own_service.kill()
    lost = studio.page.locator(".progress .lost")
    lost.wait_for()
    studio.shot("lost")
    own_service.start()
    lost.wait_for(state="hidden")
    studio.await_end()
    studio.await_parts(3)


def test_the_key_is_asked_for_once_and_stays_out_of_every_address(
    open_studio: OpenStudio, own_service: WholeService
) -> None:
    secret = "the-secret-of-ann"
    keys = own_service.folder / "keys.txt"
    from deployments.http.auth import hash_of

    keys.write_text(f"ann:{hash_of(secret)}\n")
    own_service.options = ("--keys", str(keys))
    own_service.start()
    studio = open_studio(own_service)
    studio.expected = ("401",)
    field = studio.page.get_by_label("Key", exact=True)
    field.fill("a guess")
    studio.page.get_by_role("button", name="Use this key").click()
    studio.page.locator("dialog .problem").wait_for()
    studio.shot("wrong")
    assert studio.axe() == []
    field.fill(secret)
    studio.page.get_by_role("button", name="Use this key").click()
    studio.page.locator(".option-form").wait_for()
    studio.drop(CHAIR)
    studio.begin()
    studio.await_end()
    studio.await_parts(3)
    studio.page.reload()
    studio.await_parts(3)
    assert not studio.page.locator("dialog").is_visible()
    assert secret in studio.page.evaluate("JSON.stringify(sessionStorage)")
    assert secret not in studio.page.evaluate("JSON.stringify(localStorage) + document.cookie + location.href")
    assert all(secret not in url for url in studio.asked)


def test_a_painted_mask_is_an_indexed_png(studio: Studio) -> None:
    studio.drop(ROBOT / "image.png")
    studio.page.get_by_role("button", name="Draw a mask").click()
    canvas = studio.page.locator(".sheet canvas").last
    box = canvas.bounding_box()
    assert box is not None

    def stroke(height: float) -> None:
        y = box["y"] + height * box["height"]
        studio.page.mouse.move(box["x"] + 0.3 * box["width"], y)
        studio.page.mouse.down()
        studio.page.mouse.move(box["x"] + 0.7 * box["width"], y, steps=4)
        studio.page.mouse.up()

    stroke(0.3)
    studio.page.get_by_role("button", name="New region").click()
    stroke(0.6)
    stroke(0.8)
    studio.page.get_by_role("button", name="Undo").click()
    studio.page.get_by_label("Colour of region 2").fill("#336699")
    studio.shot("painted")
    assert studio.axe() == []
    studio.page.get_by_role("button", name="Use this mask").click()
    studio.page.locator(".mode", has_text="One part for each region of the picture's mask").wait_for()
    studio.begin()
    mask = Image.open(io.BytesIO(studio.sent("mask")))
    assert mask.mode == "P"
    labels = np.asarray(mask)
    rows = [np.unique(np.argwhere(labels == label)[:, 0]) for label in (1, 2)]
    assert set(np.unique(labels)) == {0, 1, 2}
    middles = [(row.min() + row.max() + 1) / 2 / labels.shape[0] for row in rows]
    assert middles == pytest.approx([0.3, 0.6], abs=0.01)
    assert mask.getpalette()[6:9] == [0x33, 0x66, 0x99]
    studio.await_end()


def test_suggested_regions_are_counted_merged_and_divided(studio: Studio) -> None:
    studio.drop(ROBOT / "image.png")
    studio.page.get_by_role("button", name="Draw a mask").click()
    studio.page.get_by_role("button", name="Suggest regions").click()
    slider, rows = studio.page.locator("#regions"), studio.page.locator(".region-list > li")
    until(slider.is_enabled, seconds=60, what="a suggestion")
    for count in (7, 4):
        slider.fill(str(count))
        assert rows.count() == count
    rows.nth(1).get_by_role("button", name="Merge").click()
    assert rows.count() == 3
    rows.nth(0).get_by_role("button", name="Split").click()
    assert rows.count() == 4
    studio.shot("divided")
    studio.page.keyboard.press("Control+z")
    assert rows.count() == 3
    studio.page.get_by_role("button", name="Use this mask").click()
    assert studio.page.locator("[data-kind=mask] .file-name").inner_text() == "mask.png"
    studio.page.locator("[data-kind=mask] img[src]").wait_for()


def test_what_is_taken_away_is_what_the_service_has(studio: Studio, tmp_path: Path) -> None:
    studio.drop(CHAIR)
    job = studio.begin(seed=3, formats=("obj", "stl", "3mf", "usdz"))
    assert json.loads(studio.sent("options"))["formats"] == "glb,obj,stl,3mf,usdz"
    studio.await_end()
    studio.await_parts(3)
    files = f"{studio.url}/v1/jobs/{job}/artifacts"
    with studio.page.expect_download() as part:
        studio.page.get_by_role("button", name="Download Part 2").click()
    assert part.value.path().read_bytes() == httpx.get(f"{files}/mesh_001.glb").content
    studio.page.get_by_role("tab", name="Files").click()
    with studio.page.expect_download() as everything:
        studio.page.get_by_role("button", name="All files in one zip").click()
    assert everything.value.path().read_bytes() == httpx.get(f"{files}/all.zip").content
    studio.page.locator("details:has(.files) > summary").click()
    for name in ("manifest.json", *(f"mesh_combined.{kind}" for kind in ("glb", "obj", "stl", "3mf", "usdz"))):
        with studio.page.expect_download() as one:
            studio.page.locator(".files").get_by_role("button", name=name, exact=True).click()
        assert one.value.suggested_filename == f"{job[:8]}-{name}"
        assert one.value.path().read_bytes() == httpx.get(f"{files}/{name}").content
    with studio.page.expect_download() as picture:
        studio.page.get_by_role("button", name="Save a picture").click()
    assert Image.open(io.BytesIO(picture.value.path().read_bytes())).size[0] > 500
    studio.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    recipes = {}
    for kind in ("curl", "Python", "apg"):
        studio.page.get_by_role("button", name=kind, exact=True).click()
        studio.page.get_by_role("button", name="Copy", exact=True).click()
        recipes[kind] = studio.page.locator(".scripts pre").inner_text()
        studio.page.wait_for_function(COPIED, arg=recipes[kind].strip())
    (tmp_path / "mesh.glb").write_bytes(CHAIR.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        exec(compile(recipes["Python"], "recipe", "exec"), {})
    assert (tmp_path / "out" / "mesh_001.stl").is_file()
    run = {"cwd": tmp_path, "check": True, "capture_output": True, "timeout": 120}
    subprocess.run(recipes["apg"].replace("apg ", f"{sys.executable} -m apg_core.cli ", 1), shell=True, **run)
    if shutil.which("curl"):
        subprocess.run(recipes["curl"], shell=True, **run)
    *newest, earlier = httpx.get(f"{studio.url}/v1/jobs?limit={3 + bool(shutil.which('curl'))}").json()["jobs"]
    assert earlier["id"] == job
    assert [(one["options"], one["inputs"]) for one in newest] == [(earlier["options"], earlier["inputs"])] * len(
        newest
    )


def test_history_shows_compares_and_deletes(open_studio: OpenStudio, own_service: WholeService) -> None:
    own_service.start()
    studio = open_studio(own_service)
    for seed in (1, 2):
        studio.open("#/")
        studio.drop(CHAIR)
        studio.begin(seed=seed)
        studio.await_end()
    studio.open("#/history")
    cards = studio.page.locator(".job")
    until(lambda: studio.page.locator(".job .picture img").count() == 2, seconds=60, what="two pictures")
    studio.shot("history")
    assert studio.axe() == []
    for place in range(2):
        cards.nth(place).get_by_label("Compare").check()
    studio.page.get_by_role("button", name="Compare the two").click()
    studio.page.wait_for_url("**/#/compare/**")
    until(lambda: studio.page.locator(".pair .muted", has_text="3 parts").count() == 2, seconds=60, what="two objects")
    studio.settle()
    studio.shot("compared")
    assert studio.axe() == []
    studio.open("#/history")
    cards.nth(1).get_by_role("button", name="Delete").click()
    studio.page.locator("dialog").get_by_role("button", name="Delete").click()
    until(lambda: cards.count() == 1, seconds=60, what="one card")
    assert len(httpx.get(f"{own_service.url}/v1/jobs").json()["jobs"]) == 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@SIZES
def test_axe_finds_nothing(
    open_studio: OpenStudio, shared_service: WholeService, size: tuple[int, int], *, dark: bool
) -> None:
    studio = open_studio(shared_service, size, dark=dark)
    studio.page.locator(".option-form").wait_for()
    studio.page.locator(".option-form summary").click()
    studio.drop(ROBOT / "image.png", ROBOT / "mesh.glb")
    studio.page.locator("[data-kind=mesh] img[src]").wait_for()
    assert studio.axe() == []
    studio.shot("start")
    studio.begin()
    studio.await_end()
    studio.await_parts(3)
    studio.rows.nth(0).get_by_role("checkbox").check()
    for tab in ("Parts", "Change", "Files", "Facts"):
        studio.page.get_by_role("tab", name=tab).click()
        assert studio.axe() == []
        studio.shot(tab.lower())


def test_everything_can_be_reached_by_keyboard(studio: Studio) -> None:
    studio.drop(CHAIR)
    studio.page.locator("#go").focus()
    studio.page.keyboard.press("Enter")
    studio.page.wait_for_url("**/#/jobs/*")
    studio.await_end()
    studio.await_parts(3)
    reached = set()
    for _ in range(60):
        studio.page.keyboard.press("Tab")
        reached.add(
            studio.page.evaluate("(e => e.getAttribute('aria-label') || e.id || e.tagName)(document.activeElement)")
        )
    assert {
        "Hide Part 1",
        "Show only Part 3",
        "Download Part 2",
        "Wireframe",
        "Save a picture",
        "explode",
        "tab-parts",
    } <= reached
    studio.page.locator("#tab-parts").focus()
    studio.page.keyboard.press("ArrowRight")
    assert studio.page.locator("#panel-edit").is_visible()
    before = studio.colourful()
    studio.page.locator(".stage canvas").focus()
    for _ in range(4):
        studio.page.keyboard.press("ArrowLeft")
    assert not np.array_equal(before, studio.colourful())


def test_an_address_of_no_job_says_so(studio: Studio) -> None:
    studio.expected = ("404",)
    studio.open(f"#/jobs/{'0' * 32}")
    studio.page.locator(".progress.bad", has_text=re.compile("no such job")).wait_for()
