"""What readers of the events get, and what bounds them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sse_starlette import EventSourceResponse
from starlette.responses import Response

from pipeline.web import stream
from pipeline.web.question import Question
from pipeline.web.stream import PER_SECOND, READERS, Streams
from tests.unit.web.snapshots import Shown, snapshot, strip

SILENT_SECONDS = 15
"""After so long without anything a page says so (`live.js`)."""


def streams(shown: Shown) -> Streams:
    """All readers of a source."""
    return Streams(shown, lambda question: shown.snapshot(question.filter))


async def until(holds: Callable[[], bool]) -> None:
    """Let others work until a condition holds."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 (what is waited for knows nothing of the test)
            await asyncio.sleep(0.01)


def _more(shown: Shown, seen: int) -> bool:
    return len(shown.asked) > seen


async def messages(made: Streams, count: int) -> list[tuple[float, str]]:
    """So many messages of the live page, with their times."""
    found = []
    clock = asyncio.get_running_loop().time
    async for event in made._events(Question("live")):
        found.append((clock(), str(event.data)))
        if len(found) == count:
            break
    return found


def test_the_first_message_is_everything_and_the_next_what_has_changed() -> None:
    """A reader that comes back sees at once what it missed; after that little is sent."""

    async def run() -> list[tuple[float, str]]:
        shown = Shown(snapshot(strip()))
        reading = asyncio.ensure_future(messages(streams(shown), 2))
        await until(lambda: bool(shown.asked))
        shown.tell(strips=(strip(), strip("r2")))
        return await asyncio.wait_for(reading, 60)

    (_, first), (_, second) = asyncio.run(run())

    assert all(f'hx-target="#{name}"' in first for name in ("trouble", "headline", "strips", "summary"))
    assert "request r2" in second
    assert "#headline" not in second
    assert "#summary" not in second


def test_a_busy_ledger_is_shown_at_a_bounded_pace() -> None:
    """Whatever happens, a browser draws twice a second."""

    async def run() -> list[tuple[float, str]]:
        shown = Shown(snapshot(strip()))

        async def busy() -> None:
            for number in range(10_000):
                shown.tell(strips=(strip(f"r{number}"),))
                await asyncio.sleep(0.005)

        working = asyncio.ensure_future(busy())
        found = await asyncio.wait_for(messages(streams(shown), 4), 60)
        working.cancel()
        return found

    times = [moment for moment, _ in asyncio.run(run())]

    assert times[-1] - times[0] >= (len(times) - 1) / PER_SECOND - 0.05


def test_readers_are_bounded_and_all_go_with_the_server() -> None:
    """One too many is told to come back; a server that ends waits for nobody."""

    async def run() -> tuple[Response, int]:
        made = streams(Shown(snapshot(strip())))
        reading = [asyncio.ensure_future(messages(made, 10_000)) for _ in range(READERS)]
        await until(lambda: made.readers == READERS)
        refused = made.response(Question("live"))
        made.close()
        await asyncio.wait_for(asyncio.gather(*reading), 60)
        assert made.response(Question("live")).status_code == 503
        return refused, made.readers

    refused, left = asyncio.run(run())

    assert refused.status_code == 503
    assert left == 0


def test_readers_of_one_page_share_its_rendering() -> None:
    """A hundred people at one page cost about as much as one."""

    async def run() -> int:
        shown = Shown(snapshot(strip()))
        made = streams(shown)
        await asyncio.wait_for(asyncio.gather(*(messages(made, 1) for _ in range(20))), 60)
        return len(shown.asked)

    assert asyncio.run(run()) <= 3


def test_a_slow_reader_is_let_go() -> None:
    """What it does not take within its time ends the answer, and its place is free."""

    async def run() -> int:
        made = streams(Shown(snapshot(strip())))
        answer = made.response(Question("live"))
        answer.send_timeout = 0.05  # type: ignore[attr-defined]
        sent = asyncio.Event()

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.body":
                sent.set()
                await asyncio.sleep(3_600)

        async def receive() -> dict[str, object]:
            await asyncio.sleep(3_600)
            return {"type": "http.disconnect"}

        scope = {"type": "http", "method": "GET"}
        try:
            await asyncio.wait_for(answer(scope, receive, send), 60)  # type: ignore[arg-type]
        except TimeoutError:
            assert sent.is_set()
        return made.readers

    assert asyncio.run(run()) == 0


def test_a_page_hears_something_though_nothing_changes() -> None:
    """A beat that is an event, not a comment: by its absence the page knows that it is not live any more."""
    answer = streams(Shown(snapshot())).response(Question("live"))

    assert isinstance(answer, EventSourceResponse)
    assert answer.ping_message_factory is not None
    assert answer.ping_message_factory().encode() == b"event: beat\n\n"
    assert answer.ping_interval * 3 <= SILENT_SECONDS


def test_screen_readers_hear_a_sentence_now_and_then() -> None:
    """The summary is sent once in a while, though it changes all the time."""

    async def run() -> list[str]:
        shown = Shown(snapshot(strip()))
        reading = asyncio.ensure_future(messages(streams(shown), 3))
        for number in range(4):
            seen = len(shown.asked)
            await until(partial(_more, shown, seen))
            shown.tell(headline=replace(shown.given.headline, open=number + 10))
            if reading.done():
                break
        return [text for _, text in await asyncio.wait_for(reading, 60)]

    assert ["#summary" in text for text in asyncio.run(run())] == [True, False, False]
    assert stream.SUMMARY_SECONDS >= 10
