"""Time that a tap adds to each event of a stream, inside the event loop of whoever reads it.

    python -m tests.bench.taps [--json] [--chunks N] [--rounds N] [--pause MS] [--kafka SERVERS]

A chat stream by OpenAI's async SDK, its bytes handed to the SDK one event at a time without a network, read with and
without a tap in turn. Each event is timed from the moment its bytes are there to the moment its reader has it; what is
printed is the difference of medians and of 99th percentiles over all rounds. The publisher is real and sends to
a real Kafka (an embedded one unless one is named), by a thread that competes with the loop for the interpreter, as it
would: without a pause between events that thread never rests, with one it mostly works in the pauses. So the difference
holds what a busy thread, broker and processor do to the caches that the SDK finds, too. Apart from that, the time in
the tap itself is printed, measured in the same streams: from a piece's arrival in the tap until its bytes are handed
over. All else (translation, JSON) happens on the publisher's thread. Beside it, what it would cost to ask the SDK's
event for its payload instead of reading the bytes below.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2  # the SDK's own HTTP client
from openai import AsyncOpenAI

from pipeline.ingest import AsyncPublisher, tap
from pipeline.ops.broker import Cluster
from pipeline.settings import client
from pipeline.testing.ledger import ledger_settings
from pipeline.topics.admin import create, definitions
from tests.bench.fold import payloads
from tests.streams_server import frames

LIMIT_US = 50.0
"""Added at the median, asked by the issue that taps were made for."""


@dataclass(frozen=True)
class Figures:
    """Microseconds for each event: without and with a tap, what is added, and what `model_dump` would take alone.

    The times are those of a clock; `cpu` is the mean of the loop's own thread, which no other process can lengthen.
    `inside` is the time in the tap alone, which is a part of what is added.
    """

    events: int
    bare_p50: float
    bare_p99: float
    tapped_p50: float
    tapped_p99: float
    added_p50: float
    added_p99: float
    inside_p50: float
    inside_p99: float
    bare_cpu: float
    tapped_cpu: float
    model_dump_p50: float


class _Body(httpx2.AsyncByteStream):
    """A body that comes one event at a time.

    Attributes:
        handed: When the last was handed over, by the performance counter.
    """

    handed = 0

    def __init__(self, pieces: list[bytes], pause: float) -> None:
        self._pieces, self._pause = pieces, pause

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if self._pause:
                await asyncio.sleep(self._pause)
            _Body.handed = time.perf_counter_ns()
            yield piece


class _Transport(httpx2.AsyncBaseTransport):
    """Answers every request with the same stream."""

    def __init__(self, pieces: list[bytes], pause: float) -> None:
        self._pieces, self._pause = pieces, pause

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        kind = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=kind, stream=_Body(self._pieces, self._pause), request=request)


class _Side:
    """Streams that are read in one way."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.cpu: list[float] = []
        self.inside: list[int] = []

    async def read(self, stream: Any) -> None:
        """Nanoseconds of each event."""
        times = []
        gc.collect()
        worked = time.thread_time_ns()
        while await anext(stream, None) is not None:
            times.append(time.perf_counter_ns() - _Body.handed)
        self.cpu.append((time.thread_time_ns() - worked) / len(times))
        self.times += times

    def timed(self, stream: Any) -> Any:
        """A tapped stream whose tap is timed from its first step for a piece to its last."""
        body = stream.response.streamledger_body
        feed, hand, begun = body._frames.feed, body._watch.hand, 0

        def timed_feed(data: bytes) -> list[bytes]:
            nonlocal begun
            begun = time.perf_counter_ns()
            found: list[bytes] = feed(data)
            return found

        def timed_hand(ask: Any, what: Any, weight: int) -> bool:
            taken: bool = hand(ask, what, weight)
            self.inside.append(time.perf_counter_ns() - begun)
            return taken

        body._frames.feed, body._watch.hand = timed_feed, timed_hand
        return stream


async def measure(publisher: AsyncPublisher, chunks: int, rounds: int, pause: float) -> Figures:
    """Read in turn with and without a tap, so many seconds between events."""
    pieces = frames(payloads(chunks), named=False, done=True)
    bare, tapped, dumped = _Side(), _Side(), []
    async with httpx2.AsyncClient(transport=_Transport(pieces, pause)) as http:
        sdk = AsyncOpenAI(api_key="none", http_client=http)

        async def opened() -> Any:
            return await sdk.chat.completions.create(model="gpt-4o", messages=[], stream=True)

        await _Side().read(tap(await opened(), publisher))  # the first finds everything cold
        for _ in range(rounds):
            await bare.read(await opened())
            await tapped.read(tapped.timed(tap(await opened(), publisher)))
            await publisher.flush()
        async for event in await opened():
            begun = time.perf_counter_ns()
            event.model_dump(mode="json", exclude_unset=True)
            dumped.append(time.perf_counter_ns() - begun)
    return _figures(bare, tapped, dumped)


def _figures(bare: _Side, tapped: _Side, dumped: list[int]) -> Figures:
    (b50, b99), (t50, t99), inside = map(_points, (bare.times, tapped.times, tapped.inside))
    cpu = statistics.median(bare.cpu) / 1e3, statistics.median(tapped.cpu) / 1e3
    return Figures(len(tapped.times), b50, b99, t50, t99, t50 - b50, t99 - b99, *inside, *cpu, _points(dumped)[0])


def _points(times: list[int]) -> tuple[float, float]:
    """Median and 99th percentile in microseconds."""
    cuts = statistics.quantiles(times, n=100)
    return cuts[49] / 1e3, cuts[98] / 1e3


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--chunks", type=int, default=1000, help="events of a stream")
    parser.add_argument("--rounds", type=int, default=10, help="streams with and without a tap")
    parser.add_argument("--pause", type=float, default=1.0, help="milliseconds between two events; 0 is full speed")
    parser.add_argument("--kafka", help="bootstrap servers; default an embedded Kafka")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka = options.kafka or stack.enter_context(Cluster(home / "kafka")).bootstrap_servers
        figures = asyncio.run(_against(kafka, home, options))
    print(json.dumps(asdict(figures)) if options.json else _table(figures))
    return 0 if figures.added_p50 < LIMIT_US else 1


async def _against(kafka: str, home: Path, options: argparse.Namespace) -> Figures:
    settings = ledger_settings(kafka, f"taps{time.time_ns()}", home / "data")
    await create(client(settings), definitions(settings))
    async with AsyncPublisher(settings) as publisher:
        return await measure(publisher, options.chunks, options.rounds, options.pause / 1e3)


def _table(figures: Figures) -> str:
    rows = [
        ("SDK alone", figures.bare_p50, figures.bare_p99, figures.bare_cpu),
        ("SDK, tapped and published", figures.tapped_p50, figures.tapped_p99, figures.tapped_cpu),
        ("added", figures.added_p50, figures.added_p99, figures.tapped_cpu - figures.bare_cpu),
    ]
    lines = [f"{f'{figures.events:,} events, µs each':28}     p50       p99   CPU of the loop"]
    lines += [f"{name:28}{p50:8.1f}  {p99:8.1f}  {cpu:8.1f}" for name, p50, p99, cpu in rows]
    lines.append(f"{'of it inside the tap':28}{figures.inside_p50:8.1f}  {figures.inside_p99:8.1f}")
    return "\n".join([*lines, f"for comparison, model_dump of an event: {figures.model_dump_p50:.1f}"])


if __name__ == "__main__":
    sys.exit(main())
