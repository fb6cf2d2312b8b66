"""How soon the studio shows a finished object of many parts, and how it moves, in a browser that draws in software.

`python -m benchmarks.studio [--parts 60] [--faces 6000] [--runs 3]`; `make browser` installs what it needs. Seconds
count from when the address is opened. Processor seconds are the browser's, with all its processes; unlike the others
they hardly depend on what else the machine does. Frames while it is turned and taken apart, and after a click, are
medians of milliseconds until they are there.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import trimesh

from apg_core.geometry.files.glb import glb
from apg_core.geometry.files.model import FilePart
from apg_core.geometry.picture.colours import part_colour
from apg_core.protocol.appearance import Appearance, Material, linear_rgba
from apg_core.protocol.mesh import TriangleMesh
from deployments.stores.jobs.leases import JobEnd
from tests.support.browser import DESKTOP, open_browser
from tests.support.http_server import Server, run_server
from tests.support.inputs import png

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ACROSS = 4
WATCH = """
  window.frames_seen = [];
  const later = window.requestAnimationFrame;
  window.requestAnimationFrame = (act) => later((now) => {
    const begun = performance.now();
    act(now);
    const canvas = document.querySelector(".stage canvas");
    if (canvas) {
      const gl = canvas.getContext("webgl2");
      const parts = Number(/^3D view of (\\d+)/.exec(canvas.ariaLabel)?.[1] ?? 0);
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)); // it is drawn, not only asked for
      window.frames_seen.push([performance.now(), parts, performance.now() - begun]);
    }
  });
"""


def part_file(place: int, count: int, faces: int) -> bytes:
    """A rough ball in its place of a lattice."""
    rings = max(int((faces / 2) ** 0.5), 4)
    ball = trimesh.creation.uv_sphere(radius=0.2, count=[rings, rings])
    at = [place % ACROSS, place // ACROSS % ACROSS, place // ACROSS**2]
    vertices = (ball.vertices + [0.5 * step - 0.75 for step in at]).astype("float32")
    mesh = TriangleMesh(vertices, ball.faces.astype("int32"))
    colour = Material(f"part_{place:03d}", linear_rgba(part_colour(place, count)))
    return glb([FilePart(f"part_{place:03d}", mesh, {"palette": Appearance.plain(len(mesh.faces), colour)}, {})])


def finished_job(server: Server, contents: list[bytes]) -> str:
    """A job that has ended with these parts; its id."""
    with server.client as client:
        job_id: str = client.post("/v1/jobs", files={"image": ("a.png", png())}).json()["id"]
    claim = server.runner.claim()
    artifacts = server.service.desk.artifacts
    files = [
        artifacts.put(job_id, claim.lease.run, f"mesh_{place:03d}.glb", content)
        for place, content in enumerate(contents)
    ]
    server.runner.leases.finish(claim.lease, JobEnd("succeeded", stop_reason="end_of_sequence", artifacts=files))
    return job_id


@contextmanager
def processor(browser_of: int) -> Iterator[list[float]]:
    """Processor seconds of the browsers under this process meanwhile."""
    spent: list[float] = []
    before = _seconds(browser_of)
    yield spent
    spent.append(_seconds(browser_of) - before)


def _seconds(process: int) -> float:
    total = 0.0
    for child in psutil.Process(process).children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        if "chrom" in child.name():
            total += times.user + times.system
    return total


def opened(browser: "Browser", address: str, parts: int) -> dict[str, float]:
    """Open a finished job in a new page, until all parts have been drawn, and move it."""
    context = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    page = context.new_page()
    page.add_init_script(WATCH)
    with processor(os.getpid()) as spent:
        page.goto(address)
        deadline = time.monotonic() + 120
        frames: list[tuple[float, int, float]] = []
        while time.monotonic() < deadline and not any(shown >= parts for _, shown, _ in frames):
            page.wait_for_timeout(100)
            frames = page.evaluate("window.frames_seen")
    page.wait_for_timeout(4000)  # the last frame in full
    first = next(at for at, shown, _ in frames if shown)
    whole = next(at for at, shown, _ in frames if shown >= parts)
    seen = {"first frame": first / 1000, "all parts": whole / 1000, "processor": spent[0], "frames": len(frames)}
    seen |= {f"turning, {name}": value for name, value in frames_of(page, turn).items()}
    seen |= {f"taking apart, {name}": value for name, value in frames_of(page, take_apart).items()}
    seen["hidden after, ms"] = frames_of(page, hide)["first frame, ms"]
    seen["picked after, ms"] = frames_of(page, pick)["first frame, ms"]
    context.close()
    return seen


def frames_of(page: "Page", act: Callable[["Page"], None]) -> dict[str, float]:
    """What is drawn of this act: how soon, how many frames a second until it is still, how long each takes."""
    before = page.evaluate("window.frames_seen.length")
    begun = page.evaluate("performance.now()")
    act(page)
    ended = page.evaluate("performance.now()")
    seen: list[tuple[float, int, float]] = []
    while not seen:
        page.wait_for_timeout(50)
        seen = page.evaluate(f"window.frames_seen.slice({before})")
    page.wait_for_timeout(5000)
    during = [took for at, _, took in seen if at <= ended] or [seen[0][2]]
    return {
        "first frame, ms": seen[0][0] - begun,
        "frame, ms": statistics.median(during),
        "frames a second": len(during) / max((ended - begun) / 1000, 0.1),
    }


def first_part(browser: "Browser", server: Server, content: bytes) -> float:
    """Seconds from when a running job has accepted its first part until this is drawn."""
    with server.client as client:
        job_id: str = client.post("/v1/jobs", files={"image": ("a.png", png())}).json()["id"]
    claim = server.runner.claim()
    context = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(f"{server.url}/#/jobs/{job_id}")
    page.locator(".progress .chip.running").wait_for()
    page.wait_for_timeout(3000)  # for its first view to be still
    accepted = time.time()
    server.runner.accept(claim, 0, content)
    page.locator(".part-list small", has_text="face").wait_for()
    seen: list[float] = []
    while not seen:
        page.wait_for_timeout(50)
        seen = page.evaluate("frames_seen.filter(([, parts]) => parts).map(([at]) => performance.timeOrigin + at)")
    context.close()
    server.runner.leases.finish(claim.lease, JobEnd("succeeded", stop_reason="end_of_sequence", artifacts=[]))
    return seen[0] / 1000 - accepted


def turn(page: "Page") -> None:
    """Drag across the view for two seconds or longer."""
    box = page.locator(".stage canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(40):
        page.mouse.move(x + 5 * step, y)
        page.wait_for_timeout(50)
    page.mouse.up()


def take_apart(page: "Page") -> None:
    """Move the slider for two seconds or longer."""
    for step in range(40):
        page.locator("#explode").fill(str(step / 40))
        page.wait_for_timeout(50)


def hide(page: "Page") -> None:
    """Hide the last part."""
    page.locator(".part-list > li").last.get_by_role("button", name="Hide").click()


def pick(page: "Page") -> None:
    """Click a part in the view."""
    box = page.locator(".stage canvas").bounding_box()
    assert box is not None
    for place in range(1, 9):
        page.locator(".stage canvas").click(position={"x": box["width"] * (0.3 + 0.05 * place), "y": box["height"] / 2})
        if page.locator(".part-list li.selected").count():
            return


def main() -> int:
    """Measure, print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=60)
    parser.add_argument("--faces", type=int, default=6000, help="of each part")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    contents = [part_file(place, given.parts, given.faces) for place in range(given.parts)]
    with (
        tempfile.TemporaryDirectory() as folder,
        open_browser() as browser,
        contextmanager(run_server)(Path(folder)) as server,
    ):
        job = finished_job(server, contents)
        runs = [opened(browser, f"{server.url}/#/jobs/{job}", given.parts) for _ in range(given.runs)]
        for run in runs:
            run["first part of a running job"] = first_part(browser, server, contents[0])
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"{given.parts} parts of about {given.faces} faces, {given.runs} runs; load of the machine {load}")
    for name in runs[0]:
        print(f"{name}: {statistics.median(run[name] for run in runs):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
