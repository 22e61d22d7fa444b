"""The head remembers which indexes were seen, at the cost of two integers for a stream in order."""

from itertools import permutations

import pytest

from pipeline.core.head import MAIN_RUN, Head
from pipeline.core.identity import NO_IMAGE, Slot
from pipeline.core.ranges import Bounds
from pipeline.core.signs import USAGE


def head() -> Head:
    """A fresh head."""
    return Head("r-1", "chat.completion", now=5, offset=9)


def seen(of: Head) -> dict[Slot, Bounds]:
    """All indexes a head has seen."""
    of.flush_run()
    return of.seen


def test_a_fresh_head_knows_when_and_where_it_began() -> None:
    """First and last times and offsets are those of the first chunk."""
    made = head()

    assert (made.first_ms, made.last_ms, made.first_offset, made.last_offset) == (5, 5, 9, 9)
    assert (made.closed_by, made.revision, made.held) == (None, 0, [])


@pytest.mark.parametrize("order", list(permutations([0, 1, 2, 4])))
def test_indexes_are_remembered_in_any_order(order: tuple[int, ...]) -> None:
    """The run of two integers is an optimisation that shows nowhere."""
    made = head()

    assert all(made.remember(MAIN_RUN, index) for index in order)
    assert not any(made.remember(MAIN_RUN, index) for index in order)
    assert made.remember(MAIN_RUN, 3)
    assert seen(made) == {MAIN_RUN: [0, 5]}


def test_a_run_in_order_needs_no_bounds() -> None:
    """A thousand chunks in order cost two integers (DESIGN §3)."""
    made = head()

    for index in range(1000):
        made.remember(MAIN_RUN, index)

    assert (made.seen, made.fresh) == ({}, {})
    assert (made.run_start, made.next_index) == (0, 1000)


def test_other_slots_have_their_own_indexes() -> None:
    """A usage chunk never collides with data of the same index."""
    usage = Slot(0, USAGE, NO_IMAGE)
    made = head()

    assert made.remember(MAIN_RUN, 0)
    assert made.remember(usage, 0)
    assert not made.remember(usage, 0)
    assert seen(made) == {MAIN_RUN: [0, 1], usage: [0, 1]}


def test_fresh_indexes_are_those_since_they_were_taken() -> None:
    """A segment carries only the indexes that came with it."""
    made = head()
    for index in (0, 1, 5):
        made.remember(MAIN_RUN, index)
    made.flush_run()
    assert made.fresh == {MAIN_RUN: [0, 2, 5, 6]}

    made.fresh = {}
    for index in (6, 2):
        made.remember(MAIN_RUN, index)
    made.flush_run()

    assert made.fresh == {MAIN_RUN: [2, 3, 6, 7]}
    assert made.seen == {MAIN_RUN: [0, 3, 5, 7]}


def test_flushing_twice_changes_nothing() -> None:
    """An empty run adds no bounds."""
    made = head()
    made.remember(MAIN_RUN, 0)

    made.flush_run()
    made.flush_run()

    assert made.seen == {MAIN_RUN: [0, 1]}


def test_a_higher_attempt_forgets_the_end_of_the_one_before() -> None:
    """Choices, terminal event and error speak of the highest attempt; is_final speaks of all of them."""
    made = head()
    made.seen_mask, made.done, made.terminal, made.error, made.error_final, made.error_index = 3, 1, True, True, True, 4
    made.final = made.bare_final = True

    made.raise_attempt(2)

    assert (made.attempt, made.seen_mask, made.done, made.error_index) == (2, 0, 0, -1)
    assert (made.terminal, made.error, made.error_final) == (False, False, False)
    assert (made.final, made.bare_final) == (True, True)
