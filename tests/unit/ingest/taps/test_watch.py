"""From a tap's thread to the publisher's: what finds no room, what fails, and requests that their caller has opened."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.ingest import Policy, Report
from pipeline.ingest.providers import PROVIDERS
from pipeline.ingest.publish.engine import Engine
from pipeline.ingest.publish.item import Item
from pipeline.ingest.publish.relay import Relay
from pipeline.ingest.taps.translation import End, Translation
from pipeline.ingest.taps.watch import AsyncWatch, Watch
from pipeline.settings import Settings
from tests.ledger import fold
from tests.notebook import AsyncNotebook, Notebook
from tests.streams_server import CHAT, frames

FRAMES = frames(CHAT, named=False, done=True)
_ALL = 1 << 30


class Desk:
    """An engine with room for two, whose sender is the test."""

    def __init__(self, folder: Path) -> None:
        """Begin; no thread runs."""
        self.reports: list[Report] = []
        policy = Policy(spool=folder, on_report=self.reports.append, buffer_chunks=1, budget=0.0)
        self.engine = Engine(Settings(), policy)
        self.engine.start = lambda: None  # type: ignore[method-assign]
        self.chunks: list[dict[str, Any]] = []

    def fill(self) -> None:
        """Leave no room."""
        for _ in range(2):
            self.engine.outbox.put(Item(b"x", b"{}", b"", 0))

    def send(self) -> None:
        """Take all that waits."""
        items = self.engine.outbox.take(_ALL, _ALL)
        self.engine.outbox.free(items)
        self.chunks += [json.loads(item.value) for item in items if item.key != b"x"]


@pytest.mark.parametrize("broken", [None, 1, 3], ids=["all readable", "one unreadable before", "one behind"])
@pytest.mark.parametrize("kind", [Watch, AsyncWatch])
def test_frames_that_find_no_room_are_a_gap_and_no_index_is_given_twice(
    tmp_path: Path, kind: Any, broken: int | None
) -> None:
    """Two frames in the middle of a stream are lost; what comes behind them has the indexes it would have had."""
    desk = Desk(tmp_path)
    relay = Relay(desk.engine, desk.engine.relay({"request_id": "r"}))
    watch, translation = kind(relay), Translation(relay.pen, PROVIDERS["openai-chat"], owned=True)

    async def seen() -> None:
        for number, frame in enumerate(FRAMES):
            if number == 2:
                desk.fill()
            if number == 4:
                desk.send()
            data = b"data: {broken\n\n" if number == broken else frame
            if not watch.hand(translation.frame, data, len(data)):
                pressed = watch.press(translation.frame, data, len(data))
                await (pressed if pressed is not None else asyncio.sleep(0))
            if number not in (2, 3):
                desk.send()
        ended = watch.end(translation.end, End.OVER)
        await (ended if ended is not None else asyncio.sleep(0))
        desk.send()

    asyncio.run(seen())
    lost = {2, 3} | ({broken} if broken is not None else set())
    indexes = [chunk["chunk_index"] for chunk in desk.chunks]
    assert indexes == [number for number in range(len(FRAMES)) if number not in lost]  # [DONE]'s is the end marker's
    assert [report.kind for report in desk.reports] == ["refused", "refused"]
    assert fold(*desk.chunks)["complete"] is False


def test_a_request_of_the_callers_is_called_at_once() -> None:
    """So that its own calls between two events stay in order with them; its end is left to the caller."""
    book, abook = Notebook(), AsyncNotebook()
    request, arequest = book.request(), abook.request()
    watch = Watch()
    translation = Translation(request, PROVIDERS["openai-chat"], owned=False)
    watch.take([(translation.frame, FRAMES[0], len(FRAMES[0]))])
    request.chunk({"own": 1})
    watch.end(translation.end, End.OVER)
    watch.take([(translation.frame, FRAMES[1], len(FRAMES[1]))])
    assert [set(chunk["response"]) >= {"own"} for chunk in book.only.chunks] == [False, True]
    assert book.only.closed == 0

    async def main() -> None:
        awatch = AsyncWatch()
        other = Translation(arequest, PROVIDERS["openai-chat"], owned=False)
        await awatch.take([(other.frame, FRAMES[0], len(FRAMES[0]))])
        await awatch.end(other.end, End.OVER)

    asyncio.run(main())
    assert (len(abook.only.chunks), abook.only.closed) == (1, 0)


def test_a_failure_on_the_way_gives_the_tap_up_once(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the hand-over raises stays here, and nothing more is tried."""

    class Broken:
        pen = None
        calls = 0

        def hand(self, *_: Any) -> bool:
            self.calls += 1
            raise RuntimeError("content")

        press = press_async = hand

    relay: Any = Broken()
    watch = Watch(relay)
    for _ in range(3):
        assert watch.hand(lambda _: [], b"", 0)
    watch.end(lambda _: [], End.OVER)
    assert relay.calls == 1
    assert caplog.text.count("tap given up") == 1
    assert "content" not in caplog.text
