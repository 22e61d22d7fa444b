"""Driving a load: its pace, its end, and what is said when Kafka is gone."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, TopicAuthorizationFailedError

from pipeline.errors import BrokerFault, KafkaUnreachable, UsageError
from pipeline.ops.load.choice import Choice
from pipeline.ops.load.feed import Feed
from pipeline.ops.load.flow import Outcome, dry
from pipeline.ops.load.ledger import Ledger, ledger


def printed(choice: Choice, book: Ledger | None = None) -> tuple[list[bytes], Outcome]:
    """Lines of a dry load."""
    file = io.BytesIO()
    outcome = asyncio.run(dry(file, choice, book or Ledger()))
    return file.getvalue().splitlines(), outcome


def test_a_rate_is_kept() -> None:
    """400 chunks a second: never faster."""
    lines, outcome = printed(Choice(requests=2, rate=400))

    assert outcome.seconds >= (len(lines) - 1) / 400
    assert outcome.chunks == len(lines)


def test_time_ends_the_beginning_of_requests() -> None:
    """Those that are open go on to their ends: every request in the ledger has ended."""
    book = Ledger()
    _, outcome = printed(Choice(profile="images", requests=None, seconds=0.05, open=5), book)

    assert book.requests >= 5
    assert set(book.states) == {"ended"}
    assert not outcome.interrupted


def test_real_timing_takes_the_time_of_the_streams() -> None:
    """The times that chunks state are those at which they are sent."""
    began = time.time()
    lines, outcome = printed(Choice(requests=1, timing="real", seed=9))
    stamps = sorted(json.loads(line)["timestamp"] for line in lines)

    assert outcome.seconds > 0.3
    span = _seconds(stamps[-1]) - _seconds(stamps[0])
    assert span == pytest.approx(outcome.seconds, abs=1.5)
    assert _seconds(stamps[0]) >= began - 1


def _seconds(text: str) -> float:
    whole, _, rest = text.rstrip("Z").partition(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone + float(f"0.{rest}")


def test_a_signal_ends_a_load_in_order() -> None:
    """What is open is cancelled, nothing more begins, and the figures say so."""
    book, told = Ledger(), list[int]()

    def show(*_: Any) -> None:
        if not told:
            told.append(signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    outcome = asyncio.run(dry(io.BytesIO(), Choice(profile="audio", requests=10**6, open=20), book, show))

    assert outcome.interrupted
    assert 0 < book.states["cancelled"] <= 20
    assert book.requests < 10**6


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """Nothing more is sent; what was under way is listed as unsure, and its row says nothing of tokens."""
    path = tmp_path / "sent.jsonl"

    def show(*_: Any) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)

    with ledger(path) as book, pytest.raises(asyncio.CancelledError):
        asyncio.run(dry(io.BytesIO(), Choice(profile="audio", requests=10**6, open=20), book, show))

    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    unsure = [row for row in rows if row["state"] == "unsure"]
    assert 0 < len(unsure) == book.states["unsure"] <= 20
    assert {(row["total_tokens"], row["cost"]) for row in unsure} == {(None, None)}


def test_a_ledger_is_named_by_its_format(tmp_path: Path) -> None:
    """Otherwise reconcile could not read it, and that would be noticed after the load."""
    with pytest.raises(UsageError, match=r"not \.jsonl"), ledger(tmp_path / "sent.csv"):
        pass


class Batch:
    """A batch that is full after three chunks."""

    def __init__(self) -> None:
        """Empty."""
        self.keys: list[bytes] = []

    def append(self, *, key: bytes, **_: object) -> object | None:
        """As aiokafka's builder does."""
        if len(self.keys) == 3:
            return None
        self.keys.append(key)
        return self


class Producer:
    """Acknowledges batches at once, or fails them when they are delivered."""

    def __init__(self, failure: Exception | None = None) -> None:
        """Nothing is sent."""
        self.failure, self.sent = failure, list[tuple[int, Batch]]()

    def create_batch(self) -> Batch:
        """An empty one."""
        return Batch()

    async def send_batch(self, batch: Batch, _: str, *, partition: int) -> asyncio.Future[Any]:
        """Its delivery."""
        self.sent.append((partition, batch))
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.failure is None:
            done.set_result(SimpleNamespace(timestamp=7))
        else:
            done.set_exception(self.failure)
        return done


def test_marked_chunks_are_told_when_their_batch_has_arrived() -> None:
    """Each once, in the order of its partition, full batch or not."""
    told: list[tuple[tuple[bytes, Any], int]] = []

    async def run() -> Feed:
        feed = Feed(Producer(), "t", 1, lambda marks, at: told.extend((each, at) for each in marks))
        await feed.send((b"k%d" % (number % 4), b"value", f"m{number}" if number > 5 else None) for number in range(10))
        await feed.settle()
        return feed

    feed = asyncio.run(run())
    assert told == [((key, mark), 7) for key, mark in ((b"k2", "m6"), (b"k3", "m7"), (b"k0", "m8"), (b"k1", "m9"))]
    assert (feed.sent, feed.size) == (10, 50)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (KafkaTimeoutError(), KafkaUnreachable),
        (TopicAuthorizationFailedError(), BrokerFault),
        (MessageSizeTooLargeError(), UsageError),
    ],
)
def test_a_failed_batch_is_no_silence(failure: Exception, kind: type[Exception]) -> None:
    """The load ends with whose fault it is, and nothing of that batch counts as arrived."""
    told: list[Any] = []

    async def run() -> None:
        feed = Feed(Producer(failure), "t", 2, lambda marks, _: told.extend(marks))
        await feed.send((b"k", b"value", False) for _ in range(4))
        await feed.settle()

    with pytest.raises(kind):
        asyncio.run(run())
    assert not told
