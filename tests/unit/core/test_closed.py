"""Memory of closed requests: found while they count, swept when their revise window is over, dropped by the hour."""

import pytest

from pipeline.core import closed as module
from pipeline.core.closed import Closed
from pipeline.core.rows import MemoryRows, Snapshot
from pipeline.core.segment import Marker
from pipeline.core.tally import Tally
from pipeline.testing.chunk import HOUR

DAY = 24 * HOUR


def marker(closed_at: int, *, segments: int = 0, revision: int = 0) -> Marker:
    """A marker of a request that closed then."""
    return Marker("chat.completion", "finish", True, closed_at, revision, (0, 0), [], segments, "d")


class Memory:
    """Markers with a store behind them."""

    def __init__(self, rows: MemoryRows | None = None) -> None:
        self.rows = rows or MemoryRows()
        self.closed = Closed(self.rows, retention=DAY, revise_window=HOUR, grace=2_000)

    def put(self, request_id: bytes, made: Marker, *, stored: bool = True) -> None:
        """Remember a request, in the store unless told."""
        self.closed.put(request_id, made)
        if stored:
            self.checkpoint()

    def checkpoint(self, *, settled: bool = True, drop: int = 0) -> list[int]:
        """Take what is fresh, put it into the store; the hours that were dropped."""
        hours = self.closed.drop(drop)
        self.rows.write(Snapshot([], self.closed.take(), hours, [], [], 0, Tally()))
        if settled:
            self.closed.settled()
        return hours

    def swept(self, now: int) -> list[bytes]:
        """Request ids of a slice."""
        return [request_id for request_id, _ in self.closed.sweep(now)]


def test_a_marker_is_found_wherever_it_is() -> None:
    """Before its checkpoint, in flight and in the store."""
    memory = Memory()
    memory.put(b"a", marker(5), stored=False)
    assert memory.closed.find(b"a") == marker(5)
    assert bool(memory.closed.waiting) is True

    memory.checkpoint(settled=False)
    assert memory.closed.find(b"a") == marker(5)
    assert bool(memory.closed.waiting) is False

    memory.closed.settled()
    assert memory.closed.find(b"a") == marker(5)
    assert memory.closed.find(b"b") is None


def test_a_marker_counts_for_marker_retention() -> None:
    """Of append time, whatever still lies on disk (DESIGN §3)."""
    closed = Memory().closed

    assert closed.counts(marker(5), DAY + 4)
    assert not closed.counts(marker(5), DAY + 5)


def test_a_marker_counts_while_it_may_be_revised() -> None:
    """A retention below the revise window would let a second request begin while late chunks gather."""
    closed = Closed(MemoryRows(), retention=1, revise_window=HOUR, grace=2_000)

    assert closed.counts(marker(0), HOUR + 1_999)
    assert not closed.counts(marker(0), HOUR + 2_000)


def test_a_revision_replaces_its_marker() -> None:
    """It is kept under the hour of the first close."""
    memory = Memory()
    memory.put(b"a", marker(5))
    memory.put(b"a", marker(5, revision=1))

    assert memory.closed.find(b"a") == marker(5, revision=1)
    assert len(list(memory.rows.scan(b"m"))) == 1


@pytest.mark.parametrize("hours", [(0, 25), (1, 24), (7, 40)])
def test_the_newest_marker_of_a_request_is_found(hours: tuple[int, int]) -> None:
    """A repeat a day later opens a new request; when that has closed, its marker is the one that counts."""
    memory = Memory()
    for hour in hours:
        memory.put(b"a", marker(hour * HOUR))

    found = memory.closed.find(b"a")

    assert found is not None
    assert found.closed_at == hours[1] * HOUR


def test_sweeping_begins_when_a_whole_hour_gathers_nothing_any_more() -> None:
    """What closed at the end of the hour has its revise window, and the grace after it."""
    memory = Memory()
    memory.put(b"a", marker(0, segments=2))

    assert memory.swept(2 * HOUR + 1_999) == []
    assert memory.swept(2 * HOUR + 2_000) == [b"a"]
    assert memory.swept(2 * HOUR + 2_000) == []


def test_only_kept_segments_are_swept() -> None:
    """Oldest first; a marker without segments needs nothing."""
    memory = Memory()
    memory.put(b"late", marker(HOUR, segments=1))
    memory.put(b"none", marker(0))
    memory.put(b"kept", marker(1, segments=1))

    assert [memory.swept(9 * HOUR) for _ in range(2)] == [[b"kept", b"late"], []]
    assert memory.closed.swept_hour == 1


def test_after_a_silence_every_hour_is_swept_at_once() -> None:
    """A worker that comes back to hours of chunks does not stay behind them by an hour for each checkpoint."""
    memory = Memory()
    for hour in range(48):
        memory.put(b"%02d" % hour, marker(hour * HOUR, segments=1))

    assert len(memory.swept(90 * HOUR)) == 48
    assert memory.closed.swept_hour == 47


def test_a_slice_ends_between_hours_as_within_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the next one begins; what is left of the slice goes to the hour after."""
    monkeypatch.setattr(module, "SWEEP_SLICE", 2)
    memory = Memory()
    for hour, names in enumerate((b"ab", b"c", b"defg")):
        for name in names:
            memory.put(bytes([name]), marker(hour * HOUR, segments=1))

    slices = [memory.swept(90 * HOUR) for _ in range(5)]

    assert slices == [[b"a", b"b"], [b"c", b"d"], [b"e", b"f"], [b"g"], []]


def test_a_large_hour_is_swept_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tombstones of one transaction are bounded."""
    monkeypatch.setattr(module, "SWEEP_SLICE", 3)
    memory = Memory()
    for name in range(8):
        memory.put(b"%d" % name, marker(0, segments=name % 2))

    slices = [memory.swept(9 * HOUR) for _ in range(4)]

    assert slices == [[b"1"], [b"3", b"5"], [b"7"], []]
    assert memory.closed.swept_hour == 0


def test_an_hour_with_markers_on_their_way_is_swept_later() -> None:
    """A marker that is not yet in the store would be passed over, and its segments kept for ever."""
    memory = Memory()
    memory.put(b"a", marker(0, segments=1))
    memory.put(b"b", marker(1, segments=1), stored=False)

    assert memory.swept(9 * HOUR) == []
    memory.checkpoint()
    assert memory.swept(9 * HOUR) == [b"a", b"b"]


def test_hours_are_dropped_when_they_count_no_more() -> None:
    """A whole hour, after marker_retention, and only when its segments have been given up."""
    memory = Memory()
    memory.put(b"a", marker(0))
    memory.put(b"b", marker(3 * HOUR))

    assert memory.checkpoint(drop=30 * HOUR) == []
    memory.swept(30 * HOUR)
    assert memory.checkpoint(drop=25 * HOUR - 1) == []
    assert memory.checkpoint(drop=25 * HOUR) == [0]
    assert memory.closed.dropped_hour == 0
    assert memory.closed.find(b"a") is None
    assert memory.closed.find(b"b") == marker(3 * HOUR)


def test_several_hours_are_dropped_together() -> None:
    """After a long silence."""
    memory = Memory()
    for hour in (2, 0):
        memory.put(b"%d" % hour, marker(hour * HOUR))
    memory.swept(90 * HOUR)

    assert memory.checkpoint(drop=90 * HOUR) == [0, 2]
    assert memory.closed.dropped_hour == 2


def test_a_marker_of_an_hour_that_was_dropped_is_dropped_again() -> None:
    """A request that was due long ago closes as of its deadline; the newest dropped hour stays known."""
    memory = Memory()
    memory.put(b"new", marker(5 * HOUR))
    memory.swept(90 * HOUR)
    memory.checkpoint(drop=90 * HOUR)

    memory.put(b"old", marker(0))

    assert memory.checkpoint(drop=90 * HOUR) == [0]
    assert memory.closed.dropped_hour == 5


def test_a_restart_finds_the_hours_again() -> None:
    """Without reading the markers: one seek an hour."""
    before = Memory()
    for hour in (0, 3, 400):
        before.put(b"%d" % hour, marker(hour * HOUR, segments=1))

    after = Memory(before.rows)
    after.closed.load(swept_hour=0, dropped_hour=-1)

    assert [after.closed.find(b"%d" % hour) is None for hour in (0, 3, 400)] == [False, False, False]
    assert [after.swept(999 * HOUR) for _ in range(2)] == [[b"3", b"400"], []]


def test_a_restart_leaves_dropped_hours_alone() -> None:
    """What lies there counts no more."""
    before = Memory()
    for hour in (0, 3):
        before.put(b"%d" % hour, marker(hour * HOUR))

    after = Memory(before.rows)
    after.closed.load(swept_hour=3, dropped_hour=0)

    assert after.closed.find(b"0") is None
    assert after.closed.find(b"3") is not None
