"""What taps hand over: bounds, order, times and gaps between a reader's thread and the publisher's."""

from __future__ import annotations

import gc
import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from pipeline.ingest import Policy, Publisher, Report
from pipeline.ingest.publish import clock
from pipeline.ingest.publish.backlog import SUFFIX
from pipeline.ingest.publish.engine import Engine
from pipeline.ingest.publish.estate import Estate
from pipeline.ingest.publish.item import Item, Outcome
from pipeline.ingest.publish.pen import OVERHEAD
from pipeline.ingest.publish.relay import Relay
from pipeline.ingest.publish.reporter import Reporter
from pipeline.ingest.publish.stock import Stock
from pipeline.ops.broker.ports import HOST, free_ports
from pipeline.settings import Settings
from tests.ledger import fold
from tests.unit.ingest.publish.flows import says

_BIG = 1 << 30


class Desk:
    """An engine whose sender is the test."""

    def __init__(self, folder: Path, max_chunk_bytes: int = 8 << 20, **policy: Any) -> None:
        """Begin; no thread runs."""
        self.reports: list[Report] = []
        rules = Policy(spool=folder, on_report=self.reports.append, **policy)
        self.engine = Engine(Settings(max_chunk_bytes=max_chunk_bytes), rules)
        self.engine.start = lambda: None  # type: ignore[method-assign]
        self.outbox = self.engine.outbox
        self.stock = Stock(Settings(), rules, self.outbox, Reporter(self.reports.append))

    def relay(self, **arguments: Any) -> Relay:
        """A request of a tap."""
        return Relay(self.engine, self.engine.relay({"request_id": "r", **arguments}))  # type: ignore[typeddict-item]

    def taken(self) -> list[dict[str, Any]]:
        """All chunks, as Kafka would get them."""
        items = self.outbox.take(_BIG, _BIG)
        self.outbox.free(items)
        return [json.loads(item.value) for item in items]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """One with room."""
    return Desk(tmp_path)


def times(relay: Relay, text: str) -> Callable[[int], list[Callable[[], Any]]]:
    """Asks for so many chunks."""
    return lambda count: [partial(relay.pen.chunk, says(text)) for _ in range(count)]


def end(relay: Relay, error: Any = None) -> None:
    """Hand the end over, by an error or the bare marker."""
    calls: list[Callable[[], Any]] = [relay.pen.close]
    if error is not None:
        calls.insert(0, partial(relay.pen.error, error))
    relay.press(lambda _: calls, None, 0, last=True)


def test_what_is_handed_over_counts_with_its_bytes_until_its_chunks_count(desk: Desk) -> None:
    """Bounds and counts are right before and after, whether an entry asks for no chunk, one or many."""
    relay = desk.relay()
    for count in (0, 1, 3):
        assert relay.hand(times(relay, "a"), count, 50)
    assert (desk.outbox.held, desk.outbox.accepted, desk.outbox.size) == (3, 3, 3 * (50 + OVERHEAD))

    desk.outbox.tell(2)
    assert (desk.outbox.held, desk.outbox.accepted, desk.outbox.made) == (2, 2, 1)
    assert [chunk["chunk_index"] for chunk in desk.taken()] == [0, 1, 2, 3]
    assert (desk.outbox.held, desk.outbox.size, desk.outbox.accepted) == (0, 0, 4)
    end(relay)


def test_frames_error_and_end_are_in_order_among_the_chunks_of_others(desk: Desk) -> None:
    """The queue is one: nothing overtakes, and the end is behind all."""
    first, second = desk.relay(request_id="a"), desk.relay(request_id="b")
    first.hand(times(first, "1"), 1, 0)
    desk.outbox.put(Item(b"c", b'{"request_id": "c"}', b"", 0))
    second.hand(times(second, "2"), 2, 0)
    first.hand(times(first, "3"), 1, 0)
    end(first, ValueError("broke"))
    end(second)

    chunks = desk.taken()
    assert [chunk["request_id"] for chunk in chunks] == ["a", "c", "b", "b", "a", "a", "b"]
    assert [bool(chunk.get("error")) for chunk in chunks if chunk["request_id"] == "a"] == [False, False, True]
    assert [chunk["request_id"] for chunk in chunks if chunk.get("is_final")] == ["a", "b"]


def test_the_time_of_a_chunk_is_when_it_was_seen(desk: Desk) -> None:
    """A sender that is busy for a while changes no latency of a record."""
    before = clock.now()
    relay = desk.relay()
    relay.hand(times(relay, "a"), 1, 0)
    after = clock.now()
    while clock.now() <= after + 1_000:
        pass
    (chunk,) = desk.taken()
    assert before <= clock.micros(chunk["timestamp"]) <= after
    assert before <= clock.micros(chunk["start_timestamp"]) <= after
    end(relay)


@pytest.mark.parametrize("at", [0, 1, 3], ids=["first", "middle", "behind the last"])
def test_what_finds_no_room_is_reported_and_a_gap(tmp_path: Path, at: int) -> None:
    """Wherever it was in its stream, its record says that something is missing."""
    desk = Desk(tmp_path, buffer_chunks=1, budget=0.0)
    relay = desk.relay()
    filler = [Item(b"x", b"{}", b"", 0)] * 2
    chunks = []
    for number in range(3 + 1):
        if number == at:
            for item in filler:
                desk.outbox.put(item)
            assert not relay.hand(times(relay, "lost"), 1, 0)
            relay.press(times(relay, "lost"), 1, 0)
            desk.outbox.free(desk.outbox.take(_BIG, _BIG))
        if number < 3:
            relay.press(times(relay, f"{number} "), 1, 0)
            chunks += desk.taken()
    end(relay)
    chunks += desk.taken()

    assert [(report.kind, report.request_id) for report in desk.reports] == [("refused", "r")]
    record = fold(*chunks)
    assert record["complete"] is False
    assert record["output_message"]["content"] == "0 1 2 "


def test_a_translation_that_fails_ends_its_own_request_alone(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, nothing more of that stream is made, and its end says so; others go on."""
    bad, good = desk.relay(request_id="bad"), desk.relay(request_id="good")
    bad.hand(lambda _: 1 // 0, None, 0)  # type: ignore[arg-type, return-value]
    bad.hand(times(bad, "a"), 1, 0)
    good.hand(times(good, "b"), 1, 0)
    end(bad)
    end(good)

    chunks = desk.taken()
    assert [chunk["request_id"] for chunk in chunks] == ["good", "bad", "good"]
    assert chunks[1]["error"]["error"]["type"] == "request_cancelled"
    assert caplog.text.count("tap given up") == 1


def test_a_request_whose_every_chunk_is_too_large_is_reported_and_holds_up_nobody(tmp_path: Path) -> None:
    """Labels that leave no room even for its end: others behind it come through."""
    desk = Desk(tmp_path, max_chunk_bytes=600)
    bad, good = desk.relay(request_id="bad", labels={f"{n}": "x" * 250 for n in range(9)}), desk.relay()
    bad.hand(times(bad, "a"), 1, 0)
    end(bad, ValueError("broke"))
    good.hand(times(good, "b"), 1, 0)
    end(good)
    assert [chunk["request_id"] for chunk in desk.taken()] == ["r", "r"]
    assert {(report.kind, report.request_id) for report in desk.reports} == {("refused", "bad")}


def test_one_that_is_forgotten_while_its_frames_wait_ends_behind_them(desk: Desk) -> None:
    """What waits does not keep the handle alive, also when it goes inside of the lock."""
    relay = desk.relay()
    pen = relay.pen
    relay.hand(lambda count: [partial(pen.chunk, says("a"))] * count, 2, 0)
    with desk.outbox._lock:
        del relay
        gc.collect()
    chunks = desk.taken()
    assert [chunk["chunk_index"] for chunk in chunks] == [0, 1, 2]
    assert chunks[-1]["error"]["error"]["message"] == "the request was never closed"
    assert desk.outbox.held == 0


def test_after_the_end_or_the_publishers_nothing_is_taken(desk: Desk) -> None:
    """What comes behind an end is not handed over; behind the publisher's it is reported."""
    ended, cut = desk.relay(request_id="a"), desk.relay(request_id="b")
    end(ended)
    ended.press(times(ended, "late"), 1, 0)
    desk.engine.close(0.0)
    assert not cut.hand(times(cut, "late"), 1, 0)
    chunks = desk.taken()
    assert [(chunk["request_id"], "error" in chunk) for chunk in chunks] == [("a", False), ("b", True)]
    assert desk.outbox.held == 0


@hypothesis(deadline=None, max_examples=60)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["put", "hand", "tell", "spill", "round"]), st.integers(0, 3), st.booleans()),
        max_size=30,
    )
)
def test_whatever_is_handed_over_and_wherever_it_goes_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, bool]]
) -> None:
    """Through memory and disk, sent or not, all chunks come once and in order, and the counts agree at the end."""
    desk = Desk(tmp_path_factory.mktemp("spool"))
    relay, numbers, sent = desk.relay(), itertools.count(), list[int]()

    def told(upto: int) -> list[Callable[[], Any]]:
        return [partial(relay.pen.chunk, {"n": next(numbers)}) for _ in range(upto)]

    def round_(taken: int | None, *, meanwhile: bool = False) -> None:
        items = desk.stock.next()
        if meanwhile:
            desk.stock.spill()
        count = len(items) if taken is None else taken
        sent.extend(json.loads(item.value)["response"]["n"] for item in items[:count])
        desk.stock.settle(Outcome(items[count:], [], TimeoutError() if items[count:] else None))

    for step, count, meanwhile in steps:
        if step in ("put", "hand"):
            relay.hand(told, count if step == "hand" else 1, 10)
        elif step == "tell":
            desk.outbox.tell(count)
        elif step == "spill":
            desk.stock.spill()
        elif desk.stock.waiting:
            round_(None if count == 3 else count, meanwhile=meanwhile)
    while desk.stock.waiting:
        round_(None)
    assert sent == list(range(next(numbers)))
    assert desk.stock.settled == desk.outbox.accepted == desk.outbox.made
    assert (desk.outbox.held, desk.outbox.size, desk.stock.spool.count) == (0, 0, 0)
    relay.pen.closed = True
    desk.stock.close()


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What lies in the spool, once its publisher is gone."""

    def read() -> list[dict[str, Any]]:
        estate = Estate(tmp_path / "spool", Settings().chunk_topic, lambda *_: None)
        estate.look()
        found = []
        while items := estate.read(_BIG, _BIG):
            found += [json.loads(item.value) for item in items]
            estate.commit()
        return found

    yield read
    assert list((tmp_path / "spool").glob(f"*{SUFFIX}")) == []


def test_a_flush_tells_what_waits_and_a_close_cuts_off_what_is_open(
    tmp_path: Path, left: Callable[[], list[dict[str, Any]]]
) -> None:
    """By the real thread without a Kafka: entries of none and of many are on disk when a flush is over."""
    settings = Settings(bootstrap_servers=f"{HOST}:{free_ports(1)[0]}", data_dir=tmp_path)
    policy = Policy(spool=tmp_path / "spool", reconnect=0.1, on_report=lambda _: None)
    with Publisher(settings, policy=policy) as publisher:
        relay = publisher.relay(request_id="r")
        for count in (0, 0, 2, 1, 0):
            assert relay.hand(times(relay, "a"), count, 0)
        assert not publisher.flush(0.0)
        stats = publisher.stats()
        assert (stats.accepted, stats.spooled, stats.buffered, stats.buffered_bytes) == (3, 3, 0, 0)
        relay.hand(times(relay, "b"), 0, 0)
        publisher.close(0.0)
    chunks = left()
    assert [chunk["chunk_index"] for chunk in chunks] == [0, 1, 2, 3]
    assert chunks[-1]["error"]["error"]["message"] == "the publisher was closed"


def test_a_flush_of_what_asks_for_nothing_is_over_at_once(tmp_path: Path) -> None:
    """There is nothing to wait for, even without a Kafka."""
    settings = Settings(bootstrap_servers=f"{HOST}:{free_ports(1)[0]}", data_dir=tmp_path)
    with Publisher(settings, policy=Policy(spool=tmp_path / "spool", on_report=lambda _: None)) as publisher:
        relay = publisher.relay()
        relay.hand(times(relay, "a"), 0, 0)
        assert publisher.flush(60.0)
        relay.press(lambda _: [], None, 0, last=True)
        publisher.close(0.0)
