"""Times of a record: start, end, first token, first content, gaps between content (CONTRACT §2, S-TIME-1 to 4).

All from payload timestamps; results are whole ms, truncated, never below 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from operator import sub
from typing import Any, Final

_MS: Final = timedelta(milliseconds=1)
_TWO: Final = 2
_NAIVE: Final = len("2026-01-01T00:00:00.000000")


def milliseconds(start: datetime, end: datetime) -> int:
    """Whole ms from start to end, 0 when end comes first (S-TIME-3)."""
    return max((end - start) // _MS, 0)


def rfc3339(moment: datetime) -> str:
    """UTC with Z and 6 digits, as in canonical records."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:_NAIVE] + "Z"


def between_content(times: Sequence[datetime], output_tokens: int | None) -> dict[str, Any] | None:
    """inter_chunk_latency: p50, p95, max in ms between content chunks; tokens_per_second when usage is known.

    Percentiles are nearest-rank over the gaps between payload times in order of time; null below two chunks.
    """
    if len(times) < _TWO:
        return None
    moments = sorted(times)
    gaps = sorted(map(sub, moments[1:], moments))
    seconds = (moments[-1] - moments[0]).total_seconds()
    speed = round(output_tokens / seconds, 3) if output_tokens is not None and seconds > 0 else None
    return {
        "p50": _rank(gaps, 0.50),
        "p95": _rank(gaps, 0.95),
        "max": gaps[-1] // _MS,
        "tokens_per_second": speed,
    }


def _rank(ordered: Sequence[timedelta], share: float) -> int:
    return ordered[max(ceil(share * len(ordered)) - 1, 0)] // _MS
