"""The wall clock of the producing side, and its RFC 3339 text.

Owns the one place where a publisher reads the time. Imports the standard library, the errors and the contract's leaves.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from pipeline.errors import UsageError
from schemas.leaves import parse_timestamp

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


class Timestamps:
    """Times as text; the second is formatted once, since chunks come many to a second."""

    def __init__(self) -> None:
        """Begin without a second."""
        self._second = -1
        self._text = b""

    def text(self, micros: int) -> bytes:
        """RFC 3339 in UTC with six digits, in ASCII."""
        second, rest = divmod(micros, 1_000_000)
        if second != self._second:
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode("ascii")
            self._second = second
        return b"%b.%06dZ" % (self._text, rest)


def micros(moment: datetime | str) -> int:
    """A moment that a caller gives, in microseconds since the epoch.

    Raises:
        UsageError: no RFC 3339 text with a zone, or a datetime without one.
    """
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise UsageError("the timestamp has no time zone", hint="give an aware datetime, as of UTC")
        return (moment - _EPOCH) // _MICRO
    try:
        return (parse_timestamp(moment) - _EPOCH) // _MICRO
    except (ValueError, TypeError):
        text = "the timestamp is no moment of the calendar"
        raise UsageError(text, hint="write it like 2026-01-01T00:00:00Z") from None
