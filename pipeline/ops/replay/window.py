"""Which requests of a partition belong to a range: those whose first chunk lies in it, if that is known.

Where reading did not begin with the very first record of the partition, two kinds of request look as if they began
where they do not, and are cut, never emitted as if they were whole:

- One that was open where reading began. It shows itself within the look-back, because it would be closed had it been
  silent for longer. So what is first seen within the look-back is taken for older.
- One that was closed by then, of which a chunk came much later: a repeat, or one that was late. A repeat names a time
  before reading began; a late chunk is not the first of its request. A request of either kind is doubted.

Pure. Imports the core's head and the facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pipeline.core.head import MAIN_RUN, Head
from pipeline.core.signs import DATA, ERROR
from pipeline.ops.replay.facts import Facts
from pipeline.ops.replay.order import Share
from schemas.leaves import parse_timestamp


class Part(StrEnum):
    """Where a request stands to a range; the cut ones say why, as people are told."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    BEFORE = "may have begun before what was read"
    DOUBTED = "its first chunk or its times say that it began before what was read"


class Window:
    """The range of one partition, and how much of it is known.

    Attributes:
        opened: append time in ms of the first record read; None before.
        known: offset from which on a request that is new to us is new; None while it is not reached.
    """

    def __init__(self, share: Share, look_back: int, first_index: int = 0) -> None:
        """Begin.

        Args:
            share: the range.
            look_back: of the order, ms.
            first_index: of a request whose beginning is known: 0, or 1 of gateways that count from 1.
        """
        self._share, self._look_back, self._first_index = share, look_back, first_index
        self._clock = 0
        self.opened: int | None = None
        self.known = share.begin if share.whole else None

    def go_on(self, opened: int | None, known: int | None, clock: int) -> None:
        """Be where these attributes stood at append time `clock`."""
        self.opened, self._clock = opened, clock
        self.known = known if self.known is None else self.known

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

    def begins(self, head: Head) -> bool:
        """Whether a request that is awake has the chunk that requests begin with, or need not show it."""
        if self._share.whole:
            return True
        if head.run_start < head.next_index and not head.seen.get(MAIN_RUN):
            return True
        return any(
            slot.attempt == 0 and slot.kind in (DATA, ERROR) and bounds[0] <= self._first_index
            for slot, bounds in head.seen.items()
        )

    def early(self, facts: Facts) -> bool:
        """Whether a record names a time before reading began."""
        if self._share.whole or self.opened is None or facts.start_timestamp is None:
            return False
        return parse_timestamp(facts.start_timestamp).timestamp() * 1_000 <= self.opened
