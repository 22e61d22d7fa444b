"""Times of a record: whole ms, truncated, never below 0."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipeline.core.timing import between_content, milliseconds, rfc3339
from pipeline.testing.chunk import SENT


def after(ms: float) -> datetime:
    """A payload time, ms after the request was sent."""
    return SENT + timedelta(milliseconds=ms)


@pytest.mark.parametrize(
    ("ms", "expected"),
    [
        pytest.param(0, 0, id="same moment"),
        pytest.param(1.999, 1, id="truncated"),
        pytest.param(-0.001, 0, id="just before"),
        pytest.param(-5_000, 0, id="clock skew"),
        pytest.param(86_400_001, 86_400_001, id="over a day"),
    ],
)
def test_milliseconds_are_truncated_and_clamped(ms: float, expected: int) -> None:
    """A clock that runs backwards gives 0, never a negative time (S-TIME-3)."""
    assert milliseconds(SENT, after(ms)) == expected


def test_timestamps_are_utc_with_six_digits() -> None:
    """The canonical form, also of another zone and of whole seconds."""
    zone = timezone(timedelta(hours=2))

    assert rfc3339(datetime(2026, 1, 1, 1, 30, tzinfo=zone)) == "2025-12-31T23:30:00.000000Z"
    assert rfc3339(datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC)) == "2026-01-01T00:00:00.000005Z"


def test_a_year_below_1000_has_four_digits() -> None:
    """RFC 3339 knows no shorter year, whatever strftime of the platform does."""
    assert rfc3339(datetime(7, 1, 1, tzinfo=UTC)) == "0007-01-01T00:00:00.000000Z"


def test_one_content_chunk_has_no_latency_between() -> None:
    """Below two chunks with content there is nothing between them."""
    assert between_content([], 5) is None
    assert between_content([after(0)], 5) is None


def test_percentiles_are_nearest_rank_in_order_of_time() -> None:
    """Delivery order does not matter; the gaps here are 10, 20, 30 and 940 ms."""
    times = [after(ms) for ms in (1_000, 0, 30, 10, 60)]

    assert between_content(times, None) == {"p50": 20, "p95": 940, "max": 940, "tokens_per_second": None}


def test_tokens_per_second_need_usage_and_time() -> None:
    """Speed is output tokens over the time between first and last content; unknown is null."""
    assert between_content([after(0), after(500)], 40) == {
        "p50": 500,
        "p95": 500,
        "max": 500,
        "tokens_per_second": 80.0,
    }
    assert between_content([after(0), after(0)], 40) == {"p50": 0, "p95": 0, "max": 0, "tokens_per_second": None}
    assert between_content([after(0), after(500)], 0) == {"p50": 500, "p95": 500, "max": 500, "tokens_per_second": 0.0}
