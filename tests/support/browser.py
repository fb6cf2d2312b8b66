"""A real browser on the studio's page: what drives it, what it asks for, and what goes wrong in it."""

import base64
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.support.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).parents[2]
CHAIR = ROOT / "examples" / "mesh" / "chair" / "mesh.glb"
SHOTS = ROOT / "outputs" / "page"
AXE = ROOT / "packages" / "page" / "node_modules" / "axe-core" / "axe.min.js"
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
# WebGL in software, everything that asks the internet off.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
DESKTOP, PHONE = (1440, 900), (390, 844)
START_SECONDS, PATIENCE_SECONDS = 120, 240
DROP = """([selector, files]) => {
  const carried = new DataTransfer();
  for (const {name, content} of files) {
    carried.items.add(new File([Uint8Array.from(atob(content), (one) => one.charCodeAt(0))], name));
  }
  const target = document.querySelector(selector);
  for (const type of ["dragenter", "dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: carried }));
  }
}"""
WATCH = """
  window.sent = [];
  const send = window.fetch;
  window.fetch = (url, request, ...rest) => {
    if (request?.body instanceof FormData) window.sent.push(request.body);
    return send(url, request, ...rest);
  };
  window.draws = 0;
  for (const name of ["drawElements", "drawArrays"]) {
    const draw = WebGL2RenderingContext.prototype[name];
    WebGL2RenderingContext.prototype[name] = function (...given) { window.draws += 1; return draw.apply(this, given); };
  }
"""


def browser_path() -> str | None:
    """The browser that is here: `APG_BROWSER`, or the first of the known names."""
    return os.environ.get("APG_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def open_browser() -> Iterator["Browser"]:
    """A browser; skips the test where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright here; `make browser` installs it")
    path = browser_path()
    if path is None:
        pytest.skip("no Chromium here; `make browser` installs one, or name yours: APG_BROWSER=/path/to/it")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class WholeService:
    """`tests.support.whole_service` in a process of its own."""

    folder: Path
    options: Sequence[str] = ()
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on the port that it had before, and wait until it is ready."""
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "tests.support.whole_service", str(self.folder), str(self.port), *self.options]
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, process_group=0)
        until(self._is_ready, seconds=START_SECONDS, what=f"ready; see {self.folder / 'service.log'}")

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail((self.folder / "service.log").read_text()[-3000:])
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """`kill -9`, its children too."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@dataclass
class Studio:
    """The page as a person has it before them; at the end nothing may have gone wrong that was not announced."""

    page: "Page"
    url: str
    name: str
    expected: tuple[str, ...] = ()
    """Parts of the console errors that the test is about."""
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    shots: int = 0

    def listen(self) -> None:
        """Hear of everything from now on, and be patient: the machine may have other work."""
        self.page.set_default_timeout(PATIENCE_SECONDS * 1000)
        self.page.on("console", lambda one: self.errors.append(one.text) if one.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(f"{error.name}: {error.message}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.add_init_script(WATCH)

    def open(self, place: str = "") -> None:
        """Go to the page."""
        self.page.goto(f"{self.url}/{place}")

    def check(self) -> None:
        """No console error but the expected, no request to anywhere else."""
        strange = [error for error in self.errors if not any(known in error for known in self.expected)]
        assert strange == []
        elsewhere = [url for url in self.asked if not url.startswith((f"{self.url}/", "blob:", "data:"))]
        assert elsewhere == []
        assert self.asked

    def drop(self, *files: Path | tuple[str, bytes], on: str = "#content") -> None:
        """Drop files on an element, as from a folder."""
        given = [(one.name, one.read_bytes()) if isinstance(one, Path) else one for one in files]
        carried = [{"name": name, "content": base64.b64encode(content).decode()} for name, content in given]
        self.page.evaluate(DROP, [on, carried])

    def shot(self, what: str) -> None:
        """Keep a picture of the page."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.shots += 1
        self.page.screenshot(path=SHOTS / f"{self.name}-{self.shots}-{what}.png")

    def begin(self, *, slow: bool = False, **options: object) -> str:
        """Submit what is given with these options; the job's id."""
        if slow:  # some seconds for a part, on random weights
            options = {"num_inference_steps": 200, "best_of": 4, "max_parts": 3} | options
        for name, value in options.items():
            field = self.page.locator(f"#option-{name}")
            if not field.is_visible():
                self.page.locator(".option-form summary").click()
            if isinstance(value, bool):
                field.set_checked(value)
            elif isinstance(value, tuple):
                for one in value:
                    field.get_by_label(one, exact=True).check()
            else:
                field.fill(str(value))
        self.page.locator("#go").click()
        self.page.wait_for_url("**/#/jobs/*")
        return self.page.url.rsplit("/", 1)[1]

    def await_end(self, status: str = "succeeded") -> None:
        """Wait until the job has ended so."""
        self.page.locator(f".progress .chip.{status}").wait_for()

    def await_next(self, job: str) -> str:
        """Wait until the page shows another job than this, and that has ended well; its id."""
        self.page.wait_for_url(lambda url: job not in url)
        self.await_end()
        return self.page.url.rsplit("/", 1)[1]

    def await_parts(self, count: int) -> None:
        """Wait until so many parts have been read."""
        until(lambda: self._parts_read() == count, seconds=PATIENCE_SECONDS, what=f"{count} parts")

    def await_some_part(self) -> None:
        """Wait until a part has been read, while there may be more at any time."""
        until(lambda: self._parts_read() > 0, seconds=PATIENCE_SECONDS, what="a part")

    def _parts_read(self) -> int:
        return self.page.locator(".part-list small", has_text="face").count()

    @property
    def rows(self) -> "Locator":
        """Rows of the list of parts."""
        return self.page.locator(".part-list > li")

    def draws(self) -> int:
        """Draw calls so far."""
        return int(self.page.evaluate("window.draws"))

    def sent(self, field: str) -> bytes:
        """What the last form that was sent had in a field."""
        read = (
            """async (field) => [...new Uint8Array(await new Response(window.sent.at(-1).get(field)).arrayBuffer())]"""
        )
        return bytes(self.page.evaluate(read, field))

    def settle(self) -> None:
        """Wait until nothing is drawn any more."""
        drawn = [-1]
        busy = self.page.locator(".stage canvas[aria-busy=true]")

        def still() -> bool:
            self.page.wait_for_timeout(100)
            drawn.append(self.draws())
            return drawn[-1] == drawn[-2] and busy.count() == 0

        until(still, seconds=PATIENCE_SECONDS, what="a still view")

    def view(self) -> np.ndarray:
        """The view once it is still, as RGB."""
        self.settle()
        picture = Image.open(io.BytesIO(self.page.locator(".stage canvas").screenshot())).convert("RGB")
        return np.asarray(picture).astype(int)

    def colourful(self) -> np.ndarray:
        """Where the view shows parts: pixels that are far from grey, as rows and columns."""
        pixels = self.view()
        shown = np.argwhere(pixels.max(axis=2) - pixels.min(axis=2) > 60)
        inside = (shown[:, 0] > 110) & (shown[:, 0] < pixels.shape[0] - 70)  # the card above, the bar below
        return shown[inside]

    def axe(self) -> list[str]:
        """What axe-core finds wrong with the page as it is."""
        if not AXE.is_file():
            pytest.skip("no axe-core here; `make check-page` installs it")
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run().then(({violations}) => violations)")
        return [
            f"{one['id']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary'][:300]}" for one in found
        ]
