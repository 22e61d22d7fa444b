"""Ends of a range: offsets, times, times ago, names, and what is none of them."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.topics.bound import Bound

NOW = 1_767_225_600_000  # 2026-01-01T00:00:00Z
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("text", "offset", "time"),
    [
        ("0", 0, None),
        ("120", 120, None),
        (" 7 ", 7, None),
        ("2026-01-01T00:00:00Z", None, NOW),
        ("2026-01-01T01:00:00.5+01:00", None, NOW + 500),
        ("-1h", None, NOW - HOUR),
        ("-90m", None, NOW - HOUR - HOUR // 2),
        ("-365d", None, NOW - 365 * 24 * HOUR),
        ("earliest", None, None),
        ("latest", None, None),
    ],
)
def test_a_bound_is_an_offset_a_time_or_a_name(text: str, offset: int | None, time: int | None) -> None:
    """As other tools for topics write them."""
    bound = Bound.of(text, NOW)

    assert (bound.text, bound.offset, bound.time) == (text.strip(), offset, time)


@pytest.mark.parametrize("text", ["", "now", "-1", "-h", "1h", "2026-01-01", "2026-01-01T00:00:00", "1.5", "१२", "-1x"])
def test_anything_else_is_refused_with_the_grammar(text: str) -> None:
    """A typing error must not read a whole topic."""
    with pytest.raises(UsageError, match="no position in a topic") as caught:
        Bound.of(text, NOW)

    assert "-1h" in str(caught.value.hint)


def test_a_time_before_the_epoch_is_the_epoch() -> None:
    """Kafka takes negative times for something else."""
    assert Bound.of("-100d", HOUR).time == 0
