"""`Live` without a Kafka: what it makes of odd messages, and how its readers hear of changes."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import pytest

from pipeline.errors import UsageError
from pipeline.ops.live import Filter, Keep, Live
from pipeline.ops.live.letters import Letters, Refused, refused_by
from pipeline.ops.live.look import look
from pipeline.ops.live.rate import Rate
from pipeline.ops.live.told import box_of, told_by
from pipeline.ops.live.view import ALL
from pipeline.settings import Settings
from pipeline.testing import chat
from tests.unit.ops.live.topics import CHUNKS, PATIENCE, START, Message, Topics, picture


def recorded(**changes: object) -> Message:
    """A record on its topic, with other values in some fields."""
    topics = Topics()
    topics.send(chat("r-1", provider="openai", model="gpt-4o").text("SECRET").usage(10, 5).finish().chunks)
    topics.fold()
    message = topics.messages[-1]
    return replace(message, value=json.dumps({**json.loads(message.value), **changes}).encode())


def test_a_record_tells_its_cost_to_the_last_digit() -> None:
    """That of the details; the number where they have none; without one its reason."""
    details = {"total": "0.10000000000000000000001", "reason": None}
    exact = told_by(recorded(cost=0.1, cost_details=details), 0)
    rounded = told_by(recorded(cost=0.1, cost_details=None), 0)
    without = told_by(recorded(cost=None, cost_details={"total": None, "reason": "no_price"}), 0)
    assert exact is not None
    assert exact.box.cost == Decimal("0.10000000000000000000001")
    assert rounded is not None
    assert rounded.box.cost == Decimal("0.1")
    assert without is not None
    assert (without.box.cost, without.box.unpriced_reason) == (None, "no_price")


def test_a_record_has_one_box_however_it_was_read() -> None:
    """From its bytes as they come, or out of its JSON as an explanation has it; what is no record has none."""
    message = recorded(finish_reason="x" * 999)
    read = told_by(message, 0)

    assert read is not None
    assert box_of(json.loads(message.value), message.offset) == read.box
    assert box_of({"request_id": "r-1", "revision": 0, "source": None}, 0) is None


def test_a_request_that_should_have_its_record_by_now_is_overdue() -> None:
    """Past the longest deadline with leeway for the worker, with a strip or without: then somebody has to look."""
    topics = Topics()
    topics.send(chat("r-1").text("a").chunks)
    topics.send(chat("r-2").text("b").chunks)
    last = topics.messages[-1].timestamp
    for keep in (Keep(), Keep(requests=1)):
        seen = picture(topics.messages, keep)
        found = [look(seen, last + late, ALL).headline(0).overdue for late in (0, PATIENCE, PATIENCE + 1)]
        assert found == [0, 1, 2]
        assert look(seen, last + PATIENCE + 1, Filter(text="r-1")).headline(0).overdue == 1


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"nothing",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        recorded(status="gone").value,
        recorded(cost=1.0, cost_details={"total": "NaN", "reason": None}).value,
        recorded(cost=1.0, cost_details={"total": "much", "reason": None}).value,
    ],
    ids=["empty", "text", "list", "bytes", "deep", "status", "nan", "word"],
)
def test_what_is_no_record_is_counted_and_holds_up_nothing(value: bytes) -> None:
    """The next one is read; the trouble says how many were not."""
    live = Live(Settings())
    good = recorded()
    now = int(time.time() * 1_000)
    messages = [replace(good, value=value, timestamp=now), replace(good, timestamp=now)]
    live._take("llm.accumulated", {0: [replace(good, value=value), *messages]})
    assert live.snapshot().headline.requests == 1
    assert (live.trouble or "").startswith("messages that could not be read: 1;")  # the first is older than the window


def test_an_exception_of_ours_belongs_to_its_message() -> None:
    """It is counted, and the next message is read."""
    live = Live(Settings())
    live._take(CHUNKS, {0: [SimpleNamespace(value=7, offset=3, timestamp=int(time.time() * 1_000))]})
    assert (live.trouble or "").startswith("messages that could not be read: 1;")


def test_values_that_are_no_chunk_of_their_key_are_no_request() -> None:
    """They become dead letters: not JSON, another key, too large, a tombstone."""
    settings = Settings(max_chunk_bytes=65_536)
    live = Live(settings)
    topics = Topics()
    topics.send([chat("r-1").text("a").chunks[0], chat("r-2").text("x" * 70_000).chunks[0]])
    good, large = topics.messages
    others = [replace(good, key=b"r-7"), replace(good, value=b"{"), large]
    live._take(CHUNKS, {0: others})
    assert live.snapshot().headline.open == 0
    live._take(CHUNKS, {0: [good]})
    assert live.snapshot().headline.open == 1
    assert live.strip("r-7") is None
    assert live.labels == ()


def test_a_receipt_is_no_letter() -> None:
    """What `dead redrive` leaves on the topic is not counted."""
    headers = [("dl.redriven", b"0:1"), ("dl.way", b"chunks"), ("dl.chunk", b"0:1")]
    assert refused_by(replace(recorded(), headers=headers)) is None


def test_letters_of_the_window_are_counted_and_old_ones_go() -> None:
    """By append time; what is older than the window by more than the leeway is forgotten."""
    letters = Letters(1_000, 3)
    first = Refused(START, 0, 0, "late", "", None, CHUNKS, 0, 0)
    for place, at in enumerate((0, 500, 1_200)):
        letters.take(first._replace(at=START + at, offset=place))
    assert [letter.offset for letter in letters.within(START + 1_300, lambda _: True)] == [1, 2]
    letters.take(first._replace(at=START + 100_000, offset=9))
    assert [letter.offset for letter in letters.within(START + 1_400, lambda _: True)] == [9]


def test_a_rate_is_that_of_the_last_ten_whole_seconds() -> None:
    """Whatever comes late, early or out of order; memory is that of two minutes."""
    rate = Rate()
    rate.add_all([START, START + 1, START + 999])
    rate.add_all([START + 1_000, START + 2_500])
    assert rate.at(START + 3_000) == 0.5
    assert rate.at(START + 10_999) == 0.5
    assert rate.at(START + 11_000) == 0.2
    for second in range(1_000):
        rate.add(START + second * 1_000)
    rate.add(START)
    assert len(rate._counts) <= 120
    assert rate.at(START + 1_000_000) == 1.0


def test_a_reader_waits_for_the_next_version() -> None:
    """It is woken by a change, by the end of its time, and at once where it has missed one."""

    async def waiting() -> None:
        live = Live(Settings())
        assert await live.changed(0, 0.01) == 0
        task = asyncio.create_task(live.changed(0, 60))
        await asyncio.sleep(0)
        live._changed()
        assert await task == 1
        assert await live.changed(0, 60) == 1
        assert live.snapshot().version == 1

    asyncio.run(waiting())


def test_what_money_cannot_be_grouped_by_is_refused_before_anything_is_read() -> None:
    """A mistyped name is the caller's."""
    with pytest.raises(UsageError, match=r"can't be grouped by 'label\.'"):
        Live(Settings()).snapshot(money=["label."])
