"""A head at rest: nothing of its own is held, and nothing can be put into what all share."""

import pytest

from pipeline.core.head import Head
from pipeline.core.identity import Slot
from pipeline.core.rest import rest, wake


def head() -> Head:
    """An open request."""
    return Head("r-1", "chat.completion", now=0, offset=0)


def test_heads_at_rest_share_their_containers() -> None:
    """Two of them hold the same empty ones."""
    one, other = head(), head()
    rest(one)
    rest(other)

    assert one.packed is other.packed
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

    assert (one.packed, one.offsets, one.fresh) == ([], [1], {})
    assert other.offsets == [7]
    assert head().repeats == []


def test_repeats_that_wait_are_kept() -> None:
    """Resting gives up only what stands in a segment."""
    waiting = head()
    waiting.repeats.append("a repeat")
    rest(waiting)
    wake(waiting)

    assert waiting.repeats == ["a repeat"]
