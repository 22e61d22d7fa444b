"""A Kafka that goes away under all who look: the worker's health, `top`, the open page; each says so and comes back."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from playwright.async_api import expect

from pipeline.ops.broker import Cluster
from pipeline.ops.demo.worker import environment
from pipeline.ops.live import Live, Snapshot, live
from pipeline.settings import Settings, client
from pipeline.testing import Ledger, chat, eventually
from pipeline.testing.ledger import ledger_settings, opened
from pipeline.topics.admin import create, definitions
from tests.e2e.conftest import Site, serving
from tests.integration.engine.harness import QUICK, running
from tests.integration.metrics import reasons
from tests.terminal import terminal

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.e2e.conftest import Visit

SECONDS: Final = 90.0
PROGRAM: Final = (
    "-c",
    "from pipeline.ops.live import live; live.ANSWER_SECONDS = 1.0; from pipeline.cli import main; main()",
)
"""The command line, less patient with Kafka than it is: five seconds would be most of the test."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Kafka that nobody else uses."""
    with Cluster(tmp_path_factory.mktemp("kafka")) as made:
        yield made


def test_all_who_follow_a_kafka_that_is_silent_say_so_and_go_on(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Topics that are missing, then a halted broker: health, `top` and the view tell it, lose nothing, count right."""
    monkeypatch.setattr(live, "ANSWER_SECONDS", 1.0)
    settings = ledger_settings(cluster.bootstrap_servers, "outage", tmp_path / "data", finish_grace="300ms")
    asyncio.run(_outage(settings, cluster.nodes[0].pid, tmp_path / "worker.log"))


async def _outage(settings: Settings, broker: int, log: Path) -> None:
    view = Live(settings)
    task = asyncio.create_task(view.run())
    try:
        await _until(view, lambda now: "topic outage." in (now.trouble or ""))
        await create(client(settings), definitions(settings))
        await asyncio.to_thread(Ledger(settings).send, chat("r-1").text("a", "b").cut(2))
        await _until(view, lambda now: now.trouble is None and now.headline.open == 1)
        await asyncio.to_thread(_halted, settings, broker, log)
        now = await _until(view, lambda now: now.trouble is None and now.headline.requests == 1)
        assert {strip.request_id: (strip.chunks, strip.state) for strip in now.strips} == {
            "r-1": (2, "open"),
            "r-2": (3, "success"),
        }
        assert view.caught_up
    finally:
        os.kill(broker, signal.SIGCONT)
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


def _halted(settings: Settings, broker: int, log: Path) -> None:
    """A worker and a terminal that see the broker stop, and go on."""
    shown = settings.model_copy(update={"metrics_address": ":0"})
    top = terminal([*PROGRAM, "top", "--interval", "100ms"], environment(settings))
    with running(shown, log, timing=QUICK) as worker, top as screen:
        home = worker.wait_for("metrics")["url"].removesuffix("/metrics")
        eventually(lambda: reasons(home) == [], what="a worker that is ready")
        screen.until(lambda text: "open 1," in text)
        os.kill(broker, signal.SIGSTOP)
        text = screen.until(lambda text: "Kafka" in text)
        assert "open 1," in text  # what was read stays to be seen
        (reason,) = eventually(lambda: reasons(home), what="a worker that is not ready")
        assert "Kafka does not answer" in reason
        assert reasons(home, "live") == []
        os.kill(broker, signal.SIGCONT)
        Ledger(settings).send(chat("r-2", provider="openai", model="gpt-4o").text("a").usage(1, 1).finish("stop"))
        screen.until(lambda text: "Kafka" not in text and "open 1," in text and "requests 1 " in text)
        eventually(lambda: reasons(home) == [], what="a worker that is ready again")
        assert screen.press(b"q") == 0
        assert worker.terminate()[0] == 0


async def _until(view: Live, holds: Callable[[Snapshot], bool]) -> Snapshot:
    """The first snapshot for which it holds."""
    version = 0
    async with asyncio.timeout(SECONDS):
        while not holds(now := view.snapshot()):
            version = await view.changed(version, 1.0)
    return now


@pytest.mark.parametrize("way", ["halted", pytest.param("killed", marks=pytest.mark.long)])
def test_an_open_page_outlives_its_kafka(
    cluster: Cluster, browser: tuple[Browser, asyncio.AbstractEventLoop], tmp_path: Path, way: str
) -> None:
    """The banner comes and goes by itself, numbers stay and go on, and the console stays silent."""
    number, (broker,) = signal.SIGSTOP if way == "halted" else signal.SIGKILL, cluster.nodes

    def bring_back() -> None:
        if way == "halted":
            os.kill(broker.pid, signal.SIGCONT)
        else:
            cluster.start()

    with (
        opened(cluster.bootstrap_servers, tmp_path / "data") as ledger,
        serving(ledger.settings, PROGRAM) as served,
    ):
        ledger.send(chat("before").text("a", "b").cut(2))

        async def work(visit: Visit) -> None:
            page = visit.page
            await visit.go("/")
            tile = page.locator(".tile", has_text="Open now").locator("dd").first
            await expect(tile).to_have_text("1")
            os.kill(broker.pid, number)
            await expect(page.get_by_role("alert")).to_contain_text("Not up to date. Kafka stopped answering")
            await expect(tile).to_have_text("1")
            await expect(page.locator("#pulse")).to_have_text("connected")
            await asyncio.to_thread(bring_back)
            late = chat("before").text("a", "b", "c").chunks[2]
            await asyncio.to_thread(ledger.send, chat("after").text("a").cut(1), late)
            await expect(tile).to_have_text("2")
            await expect(page.get_by_role("alert")).to_have_count(0)
            row = page.get_by_role("row").filter(has_text="before")
            await expect(row.get_by_role("img")).to_have_accessible_name(re.compile("request before, .*, 3 chunks"))
            await expect(page.locator("#pulse")).to_have_text("live")

        Site(ledger, served, *browser).visit(work)
