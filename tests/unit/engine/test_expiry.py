"""When time closes requests: never while anything can be unread, never by clocks that differ too much."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import pytest
from aiokafka.structs import TopicPartition

from pipeline.engine.expiry import ASK_SECONDS, SLICE, Expiry, Skew

HERE = TopicPartition("chunks", 0)
SLACK = 5_000
WALL = 1_800_000_000.0
"""The wall clock of these tests, in seconds."""


class Working:
    """As much of a partition as expiry looks at."""

    def __init__(self) -> None:
        """One request, due at the wall clock's second zero."""
        self.position, self.clock = 10, 0
        self.next_deadline: int | None = int(WALL * 1_000)
        self.closing: dict[str, object] = {}
        self.waiting = 0
        self.expired: list[tuple[int, int]] = []

    def expire(self, now_ms: int, limit: int) -> list[str]:
        """Note the call; close the request if it is due."""
        self.expired.append((now_ms, limit))
        return ["r"] if self.next_deadline is not None and self.next_deadline <= now_ms else []


class Marks:
    """Watermarks that answer with one number."""

    def __init__(self, answer: int | None) -> None:
        """None is a broker that does not answer."""
        self.answer = answer
        self.asked = 0

    async def high(self, _: TopicPartition) -> int | None:
        """The answer."""
        self.asked += 1
        return self.answer


def expiry(working: Working, marks: Marks) -> Expiry:
    """Expiry on fakes."""
    return Expiry(cast("Any", working), HERE, cast("Any", marks), slack_ms=SLACK, limit=100)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The wall clock, to be set by the test."""
    now = [WALL]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def test_append_time_closes_what_is_due() -> None:
    """A partition with traffic needs no wall clock."""
    working = Working()
    expire = expiry(working, Marks(None))
    due = []
    for working.clock in (int(WALL * 1_000) - 1, int(WALL * 1_000)):
        due.append(expire.stream_due)

    assert due == [False, True]
    assert expire.by_stream() == ["r"]


def test_an_idle_partition_closes_only_after_the_slack(wall: list[float]) -> None:
    """The broker's clock may be behind ours by as much."""
    expire = expiry(Working(), Marks(10))
    wall[0] = WALL + SLACK / 1_000 - 0.001
    assert not expire.wall_due(1_000.0)
    wall[0] = WALL + SLACK / 1_000

    assert expire.wall_due(1_000.0)
    assert asyncio.run(expire.by_wall()) == ["r"]


@pytest.mark.parametrize("answer", [11, 9, None], ids=["more", "less", "silent"])
def test_nothing_closes_while_anything_can_be_unread(answer: int | None, wall: list[float]) -> None:
    """Records behind our position, an open transaction or a broker that does not answer keep everything open."""
    working = Working()
    wall[0] = WALL + 60
    assert asyncio.run(expiry(working, Marks(answer)).by_wall()) == []
    assert working.expired == []


def test_it_expires_as_of_the_moment_it_asked(wall: list[float]) -> None:
    """What happens while the broker answers is not yet known."""
    working, marks = Working(), Marks(10)

    async def slow(_: TopicPartition) -> int:
        wall[0] += 30
        return 10

    marks.high = slow  # type: ignore[method-assign]  # a slow broker for this test
    wall[0] = WALL + 60
    asyncio.run(expiry(working, marks).by_wall())

    assert working.expired == [(int((WALL + 60) * 1_000) - SLACK, 100)]


def test_clocks_that_differ_too_much_close_nothing(wall: list[float]) -> None:
    """A broker that is behind by more than the slack could still append before a deadline that we think is over."""
    working, marks = Working(), Marks(10)
    expire = expiry(working, marks)
    expire.skew.measure(WALL, WALL + 1, int((WALL - 6) * 1_000))
    wall[0] = WALL + 60
    assert asyncio.run(expire.by_wall()) == []
    expire.skew.measure(WALL, WALL + 1, int((WALL - 4) * 1_000))

    assert asyncio.run(expire.by_wall()) == ["r"]
    assert marks.asked == 1


def test_the_end_is_not_asked_for_all_the_time(wall: list[float]) -> None:
    """A partition with records behind our position is asked for again after a while only."""
    expire = expiry(Working(), Marks(11))
    wall[0] = WALL + 60
    asyncio.run(expire.by_wall())
    now = time.monotonic()

    assert not expire.wall_due(now)
    assert expire.wall_due(now + ASK_SECONDS)


def test_a_slice_waits_for_the_one_before(wall: list[float]) -> None:
    """One transaction never gets more than a slice of closed requests."""
    working = Working()
    expire = expiry(working, Marks(10))
    working.clock = int(WALL * 1_000)
    wall[0] = WALL + 60
    working.waiting, working.closing = 60, dict.fromkeys(map(str, range(40)))

    assert not expire.stream_due
    assert not expire.wall_due(1_000.0)


def test_nothing_open_is_never_due() -> None:
    """No deadline, no question."""
    working = Working()
    working.next_deadline = None
    expire = expiry(working, Marks(10))

    assert not expire.stream_due
    assert not expire.wall_due(1_000.0)


@pytest.mark.parametrize(("appended", "ms"), [(None, 0), (1_500, 0), (1_000, 0), (2_000, 0), (900, -100), (2_300, 300)])
def test_skew_is_what_the_append_time_proves(appended: int | None, ms: int) -> None:
    """Between sending and the answer any append time is possible; only outside of it clocks must differ."""
    skew = Skew(SLACK)
    skew.measure(1.0, 2.0, appended)

    assert (ms, True) == (skew.ms, skew.within)


class Crowd(Working):
    """A partition in which everything is due."""

    def expire(self, now_ms: int, limit: int) -> list[str]:
        """As many as are wanted."""
        super().expire(now_ms, limit)
        return [str(number) for number in range(limit)]


def of_many(working: Working) -> Expiry:
    """Expiry with the usual limit of a transaction."""
    return Expiry(cast("Any", working), HERE, cast("Any", Marks(10)), slack_ms=SLACK, limit=10_000)


def test_a_crowd_closes_in_slices(wall: list[float]) -> None:
    """Whoever closes next waits for the finalizer behind one slice, not behind all that was abandoned at once."""
    working = Crowd()
    expire = of_many(working)
    wall[0] = WALL + 60
    working.clock = int(wall[0] * 1_000)

    assert len(expire.by_stream()) == SLICE
    assert len(asyncio.run(expire.by_wall())) == SLICE
    assert (expire.stream_due, expire.wall_due(time.monotonic())) == (True, True)  # the next slice follows at once

    working.closing = dict.fromkeys(map(str, range(SLICE)), object())

    assert (expire.stream_due, expire.wall_due(time.monotonic() + 60)) == (False, False)


@pytest.mark.parametrize(("waiting", "room"), [(9_999, True), (10_000, False)])
def test_records_that_wait_fill_a_transaction(waiting: int, *, room: bool, wall: list[float]) -> None:
    """Not a slice: over a backlog many wait, and abandoned requests must not wait for its end."""
    working = Working()
    working.waiting, working.clock = waiting, int(WALL * 1_000)
    wall[0] = WALL

    assert of_many(working).stream_due is room
