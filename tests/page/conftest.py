"""One service and one browser for all tests of the page; each test has a page of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import DESKTOP, Studio, WholeService, open_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser

OpenStudio = Callable[..., Studio]


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A browser, or the reason why there is none; closed before other tests, whose event loops its own would forbid."""
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_service(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeService]:
    """The service that most tests use, with the nano preset; nobody stops it."""
    running = WholeService(tmp_path_factory.mktemp("studio"))
    running.start()
    yield running
    running.kill()


@pytest.fixture
def own_service(browser: "Browser", tmp_path: Path) -> Iterator[WholeService]:
    """A service that the test starts, and may kill."""
    running = WholeService(tmp_path)
    yield running
    running.kill()


@pytest.fixture
def open_studio(browser: "Browser", request: pytest.FixtureRequest) -> Iterator[OpenStudio]:
    """Opens the page of a service as a new person, at a size; checks at the end that nothing has gone wrong."""
    name = request.node.name.removeprefix("test_").replace("[", "-").rstrip("]")[:70]
    with ExitStack() as closing:
        opened: list[Studio] = []

        def open_page(service: WholeService, size: tuple[int, int] = DESKTOP, *, dark: bool = False) -> Studio:
            context = browser.new_context(
                viewport={"width": size[0], "height": size[1]},
                color_scheme="dark" if dark else "light",
                has_touch=size[0] < 500,
                accept_downloads=True,
            )
            closing.callback(context.close)
            studio = Studio(context.new_page(), service.url, name)
            studio.listen()
            studio.open()
            opened.append(studio)
            return studio

        yield open_page
        for studio in opened:
            studio.check()


@pytest.fixture
def studio(open_studio: OpenStudio, shared_service: WholeService) -> Studio:
    """The page on a desktop."""
    return open_studio(shared_service)
