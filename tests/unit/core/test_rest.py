"""A head at rest: nothing of its own is held, and nothing can be put into what all share."""

import pytest

from pipeline.core.head import MAIN_RUN, Head
from pipeline.core.identity import Slot
from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.rest import rest, wake
from pipeline.core.rows import MemoryRows, SourceRecord
from pipeline.testing.chunk import chat, encoded
from tests.ledger import START


def head() -> Head:
    """An open request."""
    return Head("r-1", "chat.completion", now=0, offset=0)


def test_heads_at_rest_share_their_containers() -> None:
    """Two of them hold the same empty ones."""
    one, other = head(), head()
    rest(one)
    rest(other)

    assert one.held is other.held
    assert one.fresh is other.fresh
    assert one.repeats is other.repeats


def test_a_head_at_rest_takes_nothing() -> None:
    """What was not woken can't mix its chunks or indexes with another's."""
    resting = head()
    rest(resting)

    with pytest.raises(AttributeError):
        resting.offsets.append(1)
    with pytest.raises(AttributeError):
        resting.fresh.setdefault(Slot(0, 0, -1), [])


def test_waking_gives_containers_of_its_own() -> None:
    """And leaves alone what a head that does not rest has."""
    one, other = head(), head()
    rest(one)
    wake(one)
    other.offsets.append(7)
    wake(other)
    one.offsets.append(1)
    one.repeats.append(None)

    assert (one.held, one.offsets, one.fresh) == ([], [1], {})
    assert other.offsets == [7]
    assert head().repeats == []


def test_repeats_that_wait_are_kept() -> None:
    """Resting gives up only what stands in a segment."""
    waiting = head()
    waiting.repeats.append("a repeat")
    rest(waiting)
    wake(waiting)

    assert waiting.repeats == ["a repeat"]


@pytest.mark.parametrize(("start", "shared"), [(0, True), (1, False)])
def test_bounds_that_the_run_tells_are_let_go(start: int, shared: bool) -> None:
    """A run from 0 needs none of its own; one from 1 keeps them; either way waking shows the same indexes."""
    resting = head()
    for index in range(start, 5):
        resting.remember(MAIN_RUN, index)
    resting.flush_run()
    seen = {slot: list(bounds) for slot, bounds in resting.seen.items()}
    rest(resting)

    assert (len(resting.seen) == 0) is shared
    wake(resting)
    assert resting.seen == seen
    assert resting.remember(MAIN_RUN, 3) is False
    assert resting.remember(MAIN_RUN, 5) is True


def test_indexes_of_other_kinds_keep_their_bounds() -> None:
    """Usage, errors and further attempts have no run."""
    resting = head()
    resting.remember(MAIN_RUN, 0)
    resting.remember(Slot(1, 0, -1), 0)
    resting.flush_run()
    rest(resting)

    assert resting.seen == {MAIN_RUN: [0, 1], Slot(1, 0, -1): [0, 1]}


def test_a_checkpoint_between_close_and_finalize_forgets_nothing() -> None:
    """The closed head is at rest then: its marker still knows every index, and its record is complete."""
    rows = MemoryRows()
    sent = [chat(0, "a"), chat(1, "b"), chat(2, "c", is_final=True), chat(1, "b")]
    records = [SourceRecord(b"r-1", encoded(each), offset, START) for offset, each in enumerate(sent)]
    partition = Partition(Policy(), rows, "t", 0)
    partition.apply(records[:3], 3)
    snapshot = partition.snapshot()
    assert snapshot is not None
    rows.write(snapshot)
    partition.settled()

    partition.finalize("r-1")
    partition.apply(records[3:], 4)

    made, dead = partition.take_output()
    assert (len(made), dead, partition.counts["late_repeats"]) == (1, [], 1)
