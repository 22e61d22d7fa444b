"""Ends of a range of a topic as people write them: an offset, a time, or a time ago (ECOSYSTEM §1).

    120                      an offset
    2026-11-23T16:00:00Z     RFC 3339, by append time
    -1h                      so long before now
    earliest, latest         the first record that is kept, the end

Owns the grammar; a name or a time becomes an offset as it does for a new ledger. Imports `engine.origin`, and units.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.structs import TopicPartition

from pipeline.engine.origin import Origin
from pipeline.errors import UsageError
from pipeline.settings.units import DURATION
from schemas.leaves import parse_timestamp

EARLIEST: Final = "earliest"
LATEST: Final = "latest"

_OFFSET: Final = re.compile(r"\d{1,18}", re.ASCII)
_DAY: Final = 86_400_000
"""More than clocks differ by, in ms: what begins later than that after now is a slip of the hand."""


@dataclass(frozen=True)
class Bound:
    """One end of a range: an offset, or an append time in ms since the epoch; of a named one neither."""

    text: str
    offset: int | None = None
    time: int | None = None

    @classmethod
    def of(cls, text: str, now_ms: int) -> Bound:
        """Read a bound; `now_ms` is what times ago count from.

        Raises:
            UsageError: it is none.
        """
        word = text.strip()
        if word in (EARLIEST, LATEST):
            return cls(word)
        if _OFFSET.fullmatch(word):
            return cls(word, offset=int(word))
        try:
            if word.startswith("-"):
                return cls(word, time=max(now_ms - DURATION.parse(word[1:]), 0))
            return cls(word, time=int(parse_timestamp(word).timestamp() * 1_000))
        except ValueError:
            hint = "write an offset, a time such as 2026-11-23T16:00:00Z, a time ago such as -1h, earliest or latest"
            raise UsageError(f"{text!r} is no position in a topic", hint=hint) from None

    async def resolve(self, consumer: Any, place: TopicPartition, *, begin: int, end: int) -> int:
        """The offset that this is in a partition whose log is [begin, end); never outside of it."""
        if self.offset is not None:
            return min(max(self.offset, begin), end)
        return min(await Origin(self.text, self.time).offset(consumer, place, begin=begin, end=end), end)


def sensible(since: Bound | None, until: Bound | None, now_ms: int) -> None:
    """Refuse a range in which nothing can be: to look at nothing and report that all is well would deceive.

    Raises:
        UsageError: it ends before it begins, or begins in the future.
    """
    if since is None:
        return
    if since.time is not None and since.time > now_ms + _DAY:
        raise UsageError(f"the range begins in the future, at {since.text}", hint="nothing can be there yet")
    if until is None:
        return
    ends = ((since.time, until.time), (since.offset, until.offset))
    if any(first is not None and last is not None and last < first for first, last in ends):
        text = f"the range ends at {until.text}, before it begins at {since.text}"
        raise UsageError(text, hint="give the earlier end first")
