"""A browser on the live page of a ledger with a real Kafka and a real worker, all shared by the tests of this folder.

The browser is the machine's own Chromium, never fetched; it runs on an event loop in a thread, so that tests are plain
functions. Every page that a test opens is held to three rules: it asks nobody but its own server, its console stays
silent (the policy of the page is enforced there), and it does not scroll sideways.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from pipeline.ops.demo.worker import environment
from pipeline.settings import Settings
from pipeline.testing import Ledger
from pipeline.testing.ledger import opened
from pipeline.testing.worker import running

HERE = Path(__file__).parent
SECONDS: Final = 60.0
NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
QUIET: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a Kafka."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.integration)


@dataclass
class Visit:
    """A page under watch.

    Attributes:
        page: Playwright's.
        home: Address of the site.
        wrong: What broke a rule so far.
    """

    page: Page
    home: str
    wrong: list[str]

    async def go(self, path: str) -> None:
        """Open a page of the site."""
        await self.page.goto(self.home + path)

    async def sideways(self) -> int:
        """By how many pixels the page is wider than its window."""
        width: int = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return width

    async def spilling(self) -> list[str]:
        """Texts that stick out of the box or tile they belong to."""
        found: list[str] = await self.page.evaluate(
            "[...document.querySelectorAll('.box, .tile')]"
            ".filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.innerText)"
        )
        return found


class Served(NamedTuple):
    """`streamledger web` as a process: its address, its process id."""

    home: str
    pid: int


class Site:
    """The live page of a ledger, and a browser for it."""

    def __init__(self, ledger: Ledger, page: Served, browser: Browser, loop: asyncio.AbstractEventLoop) -> None:
        self.ledger = ledger
        self.home, self.pid = page
        self._browser = browser
        self._loop = loop

    def visit(self, work: Callable[[Visit], Awaitable[None]], **options: Any) -> None:
        """Do something in a window of its own, and hold the pages to the rules; options are those of a context."""

        async def visited() -> None:
            async with self._window(**options) as visit:
                await work(visit)
                assert visit.wrong == []

        asyncio.run_coroutine_threadsafe(visited(), self._loop).result(3 * SECONDS)

    @asynccontextmanager
    async def _window(self, **options: Any) -> AsyncIterator[Visit]:
        context = await self._browser.new_context(**({"viewport": {"width": 1_280, "height": 900}} | options))
        context.set_default_timeout(SECONDS * 1_000)
        page = await context.new_page()
        visit = Visit(page, self.home, [])
        page.on("console", lambda message: visit.wrong.append(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: visit.wrong.append(f"error: {error}"))
        page.on("request", lambda asked: None if asked.url.startswith(self.home) else visit.wrong.append(asked.url))
        try:
            yield visit
        finally:
            await context.close()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a browser."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser on this machine: none of {', '.join(NAMES)}")
    return found


@contextmanager
def serving(settings: Settings, program: Sequence[str] = ("-m", "pipeline")) -> Iterator[Served]:
    """The page of a ledger for the block, as a process that ends in order.

    Args:
        settings: Of the ledger; its content is shown.
        program: Arguments of the interpreter before the name of the command.
    """
    told = environment(settings.model_copy(update={"web_address": "127.0.0.1:0", "web_content": True}))
    command = [sys.executable, *program, "web"]
    with subprocess.Popen(command, env=told, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Served(process.stdout.readline().split()[3].rstrip("/"), process.pid)
        finally:
            process.terminate()
        assert process.wait(SECONDS) == 0


@pytest.fixture(scope="session")
def served(kafka: str, chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, Served]]:
    """A ledger with a worker, and its page."""
    assert chromium
    home = tmp_path_factory.mktemp("e2e")
    changes: dict[str, Any] = {
        "finish_grace": "300ms",
        "attempt_grace": "500ms",
        "session_window": "20s",
        "clock_slack": "1s",
    }
    with (
        opened(kafka, home / "data", **changes) as ledger,
        running(ledger, home / "worker.log"),
        serving(ledger.settings) as page,
    ):
        yield ledger, page


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    """A browser, and the loop that it runs on."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def wait(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(SECONDS)

    expect.set_options(timeout=SECONDS * 1_000)
    playwright = wait(async_playwright().start())
    opened = wait(playwright.chromium.launch(executable_path=chromium, args=list(QUIET)))
    yield opened, loop
    wait(opened.close())
    wait(playwright.stop())
    loop.call_soon_threadsafe(loop.stop)
    thread.join(SECONDS)
    loop.close()


@pytest.fixture(scope="session")
def site(served: tuple[Ledger, Served], browser: tuple[Browser, asyncio.AbstractEventLoop]) -> Site:
    """The page in a browser."""
    return Site(*served, *browser)


@pytest.fixture(scope="session")
def screenshots() -> Path | None:
    """Where pictures of the pages are left: the folder that STREAMLEDGER_SCREENSHOTS names, else none are made."""
    named = os.environ.get("STREAMLEDGER_SCREENSHOTS")
    if named is None:
        return None
    Path(named).mkdir(parents=True, exist_ok=True)
    return Path(named)
