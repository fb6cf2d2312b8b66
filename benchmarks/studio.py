"""How soon the studio shows a finished object of many parts, in a real browser that draws in software.

`python -m benchmarks.studio [--parts 60] [--faces 6000] [--runs 3]`; `make browser` installs what it needs. Seconds
count from when the address is opened. Processor seconds are the browser's, with all its processes; unlike the others
they hardly depend on what else the machine does.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
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
    from playwright.sync_api import Browser

ACROSS = 4
WATCH = """
  window.frames_seen = [];
  let draws = 0;
  for (const name of ["drawElements", "drawArrays"]) {
    const draw = WebGL2RenderingContext.prototype[name];
    WebGL2RenderingContext.prototype[name] = function (...given) { draws += 1; return draw.apply(this, given); };
  }
  const later = window.requestAnimationFrame;
  window.requestAnimationFrame = (act) => later((now) => {
    draws = 0;
    act(now);
    if (draws) {
      const gl = document.querySelector(".stage canvas").getContext("webgl2");
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)); // it is drawn, not only asked for
      window.frames_seen.push([performance.now(), draws]);
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
    """Open a finished job in a new page, until all parts have been drawn."""
    context = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    page = context.new_page()
    page.add_init_script(WATCH)
    with processor(os.getpid()) as spent:
        page.goto(address)
        deadline = time.monotonic() + 120
        frames: list[tuple[float, int]] = []
        while time.monotonic() < deadline and not any(draws >= parts for _, draws in frames):
            page.wait_for_timeout(100)
            frames = page.evaluate("window.frames_seen")
        page.wait_for_timeout(500)
    context.close()
    first = next(at for at, draws in frames if draws >= 2)
    whole = next(at for at, draws in frames if draws >= parts)
    return {"first frame": first / 1000, "all parts": whole / 1000, "processor": spent[0], "frames": len(frames)}


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
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"{given.parts} parts of about {given.faces} faces, {given.runs} runs; load of the machine {load}")
    for name in runs[0]:
        print(f"{name}: {statistics.median(run[name] for run in runs):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
