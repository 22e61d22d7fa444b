"""When to try again, and when to stop."""

from __future__ import annotations

import pytest

from pipeline.sinks.export.retry import RETRIED, Patience, asked_for

DATE = "Mon, 02 Mar 2026 09:15:00 GMT"


def test_pauses_grow_up_to_the_longest() -> None:
    """Twice as long each time, until it is long enough."""
    patience = Patience(chance=lambda: 1.0, first=0.5, longest=8.0, total=1_000.0)
    assert [patience.pause(failures, 0.0, None) for failures in range(1, 8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert patience.pause(10_000, 0.0, None) == 8.0


def test_chance_decides_within_half_a_pause() -> None:
    """So that many who wait for the same receiver don't return all at once."""
    pauses = [Patience(chance=lambda share=share: share, first=4.0).pause(1, 0.0, None) for share in (0.0, 0.5, 1.0)]  # type: ignore[misc]  # a default binds the loop's value
    assert pauses == [2.0, 3.0, 4.0]


def test_what_the_receiver_asks_for_is_waited() -> None:
    """At least; a shorter wish doesn't shorten the pause."""
    patience = Patience(chance=lambda: 1.0, first=0.5)
    assert patience.pause(1, 0.0, 7.0) == 7.0
    assert patience.pause(1, 0.0, 0.0) == 0.5


def test_patience_ends() -> None:
    """Before the pause that would go beyond it, and at once when more is asked for than there is."""
    patience = Patience(chance=lambda: 1.0, first=0.5, total=10.0)
    assert patience.pause(1, 9.5, None) == 0.5
    assert patience.pause(1, 9.6, None) is None
    assert patience.pause(1, 0.0, 3_600.0) is None


@pytest.mark.parametrize(
    ("header", "date", "seconds"),
    [
        (None, None, None),
        ("3", None, 3.0),
        (" 120 ", None, 120.0),
        ("Mon, 02 Mar 2026 09:15:30 GMT", DATE, 30.0),
        ("Mon, 02 Mar 2026 09:14:30 GMT", DATE, 0.0),
        ("Mon, 02 Mar 2026 09:15:30 GMT", None, None),
        ("Mon, 02 Mar 2026 09:15:30", DATE, None),
        ("soon", DATE, None),
        ("-3", None, None),
        ("\u0663", None, None),
    ],
)
def test_retry_after_is_seconds_or_a_moment(header: str | None, date: str | None, seconds: float | None) -> None:
    """A moment counts from the receiver's own Date; what can't be read asks for nothing."""
    assert asked_for(header, date) == seconds


def test_only_what_may_be_otherwise_another_time_is_tried_again() -> None:
    """Not what is wrong with the request itself."""
    assert {408, 429, 500, 502, 503, 504, 529} <= RETRIED
    assert not {200, 301, 400, 401, 404, 409, 413, 422, 501} & RETRIED
