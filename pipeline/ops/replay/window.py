"""Which requests of a partition belong to a range: those whose first chunk lies in it, if that is known.

Where reading did not begin with the very first record of the partition, two kinds of request look as if they began
where they do not, and are cut, never emitted as if they were whole:

- One that was open where reading began. It shows itself within the look-back, because it would be closed had it been
  silent for longer. So what is first seen within the look-back is taken for older.
- One that was closed by then, of which a chunk came much later: a repeat, or one that was late. A repeat names a time
  before reading began, and a late chunk leaves a gap at index 0. A record of either kind is doubted.

Pure. Imports the facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pipeline.ops.replay.facts import Facts
from pipeline.ops.replay.order import Share
from schemas.leaves import parse_timestamp


class Part(StrEnum):
    """Where a request stands to a range; the cut ones say why, as people are told."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    BEFORE = "may have begun before what was read"
    DOUBTED = "its own times or a gap say that it began before what was read"


class Window:
    """The range of one partition, and how much of it is known.

    Attributes:
        opened: append time in ms of the first record read; None before.
        known: offset from which on a request that is new to us is new; None while it is not reached.
    """

    def __init__(
        self, share: Share, look_back: int, *, opened: int | None = None, known: int | None = None, clock: int = 0
    ) -> None:
        """Begin, or go on where these attributes stood at append time `clock`."""
        self._share, self._look_back, self._clock = share, look_back, clock
        self.opened, self.known = opened, share.begin if share.whole else known

    def see(self, records: Sequence[Any]) -> None:
        """Look at records before they are folded."""
        if self.known is not None or not records:
            return
        if self.opened is None:
            self.opened = records[0].timestamp
        enough = self.opened + self._look_back
        for record in records:
            self._clock = max(self._clock, record.timestamp)
            if self._clock >= enough:
                self.known = record.offset
                return

    def part(self, first_offset: int) -> Part:
        """Where a request with this first chunk stands, as far as the offset tells."""
        if not self._share.first <= first_offset < self._share.until:
            return Part.OUTSIDE
        return Part.INSIDE if self.known is not None and first_offset >= self.known else Part.BEFORE

    def doubts(self, facts: Facts) -> bool:
        """Whether a request of the range speaks of a beginning that was not read."""
        if self._share.whole or self.opened is None:
            return False
        if facts.base_missing:
            return True
        start = facts.start_timestamp
        return start is not None and parse_timestamp(start).timestamp() * 1_000 < self.opened
