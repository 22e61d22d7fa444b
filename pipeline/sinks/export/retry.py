"""When to try again what a receiver did not take, and when to stop.

Owns growing pauses with jitter, and the reading of Retry-After. Imports the standard library only; time comes as
seconds that have passed, and chance as a function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

RETRIED: Final = frozenset({408, 425, 429, *range(500, 600)}) - {501, 505, 510, 511}
"""Statuses that another time may be others; of the 500s all but those that say the request is not understood."""


@dataclass(frozen=True)
class Patience:
    """How long a receiver that is not well is waited for.

    Attributes:
        first: seconds before the second try.
        longest: seconds between two tries.
        total: seconds from the first failure of a request after which it is given up.
        chance: between 0 and 1: where between half a pause and a whole one it ends, so that many who wait don't return
            all at once.
    """

    chance: Callable[[], float]
    first: float = 0.5
    longest: float = 30.0
    total: float = 300.0

    def pause(self, failures: int, waited: float, asked: float | None) -> float | None:
        """Seconds until the next try.

        Args:
            failures: of this request, at least one.
            waited: seconds since the first of them.
            asked: what the receiver asked for.

        Returns:
            None: it is given up.
        """
        grown = min(self.first * 2.0 ** min(failures - 1, 30), self.longest)
        pause = max(grown * (0.5 + self.chance() / 2), asked or 0.0)
        return None if waited + pause > self.total else pause


def asked_for(retry_after: str | None, date: str | None) -> float | None:
    """Seconds that Retry-After asks for; a moment counts from the receiver's own Date, so no clocks are compared."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - parsedate_to_datetime(date or "")).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None
