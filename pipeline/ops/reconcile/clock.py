"""When a request must have its record (CONTRACT §4), with nothing of the closing rules but their longest waits.

A request is looked at again later rather than called missing too soon: except for the plain case of a final stream
without a gap, the longest wait counts.  Imports settings.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.ops.reconcile.tally import Tally
from pipeline.settings import Settings
from schemas.chunk import StreamType


@dataclass(frozen=True)
class Clock:
    """What time it is for the requests of one partition; all in ms.

    Attributes:
        now: by the wall.
        reached: the append time up to which the worker has read; None: all of the range, or nobody knows.
        silence: longest wait for another chunk.
        grace: finish_grace.
        age: max_request_age.
        allowance: how long after its deadline a record may take.
        offset: next offset that the worker will read; None: nobody knows.
    """

    now: int
    reached: int | None
    silence: int
    grace: int
    age: int
    allowance: int
    offset: int | None = None

    @classmethod
    def of(
        cls, settings: Settings, *, now: int, settle: int, reached: int | None = None, offset: int | None = None
    ) -> Clock:
        """The clock of a ledger."""
        silence = max(settings.session_window, settings.attempt_grace, settings.finish_grace)
        allowance = settings.clock_slack + settle
        return cls(now, reached, silence, settings.finish_grace, settings.max_request_age, allowance, offset)

    def past(self, deadline: int) -> bool:
        """Whether what was due at this append time must be there."""
        return self.now >= deadline + self.allowance and (self.reached is None or self.reached >= deadline)

    def settled(self, tally: Tally) -> bool:
        """Whether a request must have its record."""
        wait = self.grace if ended(tally) else self.silence
        return self.past(min(tally.last_ms + wait, tally.first_ms + self.age))

    def read(self, offset: int) -> bool:
        """Whether the worker is known to have gone past a chunk."""
        return self.offset is not None and offset < self.offset


def ended(tally: Tally) -> bool:
    """The plain case: is_final, one attempt, no error, no gap."""
    return tally.final and tally.stream_type != StreamType.IMAGE and tally.missing() == 0
