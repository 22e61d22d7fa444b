"""When time closes requests: as far as append time has come, and on an idle partition by the wall clock (CONTRACT §4).

The wall clock counts only if nothing can be unread: the high watermark, asked for now, is at our position, and the
clocks of worker and broker are known to differ by less than clock_slack. Imports the watermarks and the core's
partition.
"""

from __future__ import annotations

import time
from typing import Final

from aiokafka.structs import TopicPartition

from pipeline.core.partition import Partition
from pipeline.engine.failpoint import failpoint
from pipeline.engine.watermark import Watermarks
from pipeline.log import get_logger

log = get_logger(__name__)

ASK_SECONDS: Final = 0.5
"""An idle partition's end is asked for at most so often."""

SLICE: Final = 100
"""Requests of a partition closed by time at once: whoever closes next waits behind no more of them."""


class Skew:
    """How far a broker's clock is from ours, as far as append times of our own rows prove it."""

    def __init__(self, slack_ms: int) -> None:
        """Keep the largest difference that is allowed."""
        self._slack = slack_ms
        self.ms = 0

    def measure(self, sent_at: float, answered_at: float, appended: int | None) -> None:
        """Take a row sent and answered at these seconds, appended at this broker time in ms; None tells nothing."""
        if appended is not None:
            self.ms = _outside(appended, int(sent_at * 1_000), int(answered_at * 1_000))

    @property
    def within(self) -> bool:
        """Whether the wall clock may close requests."""
        return abs(self.ms) <= self._slack


class Expiry:
    """Expiry of one partition."""

    def __init__(
        self, partition: Partition, tp: TopicPartition, watermarks: Watermarks, *, slack_ms: int, limit: int
    ) -> None:
        """Take over a restored partition; `limit` is the most requests closed by time in one transaction."""
        self._partition, self._tp, self._watermarks = partition, tp, watermarks
        self._slack, self._limit, self._slice = slack_ms, limit, min(limit, SLICE)
        self._asked = 0.0
        self._alarmed = False
        self.skew = Skew(slack_ms)

    @property
    def room(self) -> bool:
        """Whether another slice may be closed: the finalizer is nearly through, and the transaction not yet full."""
        closing = len(self._partition.closing)
        return closing < self._slice and closing + self._partition.waiting < self._limit

    @property
    def stream_due(self) -> bool:
        """Whether append time alone closes something."""
        deadline = self._partition.next_deadline
        return deadline is not None and deadline <= self._partition.clock and self.room

    def wall_due(self, monotonic: float) -> bool:
        """Whether it is worth to ask for the end, at monotonic seconds."""
        deadline = self._partition.next_deadline
        return (
            deadline is not None
            and deadline <= time.time() * 1_000 - self._slack
            and monotonic - self._asked >= ASK_SECONDS
            and self.room
        )

    def by_stream(self) -> list[str]:
        """Close what is due by append time; the ids."""
        failpoint("expire.before")
        closed = self._partition.expire(self._partition.clock, self._slice)
        failpoint("expire.after")
        return closed

    async def by_wall(self) -> list[str]:
        """Close what is due by the wall clock, if nothing can be unread; the ids."""
        self._asked = time.monotonic()
        if not self._clocks_agree():
            return []
        asked_at = int(time.time() * 1_000)
        end = await self._watermarks.high(self._tp)
        if end is None or end != self._partition.position:
            return []
        failpoint("expire.before")
        closed = self._partition.expire(asked_at - self._slack, self._slice)
        if len(closed) == self._slice:
            self._asked = 0.0  # there is more
        failpoint("expire.after")
        return closed

    def _clocks_agree(self) -> bool:
        """Whether the clocks are near enough; says once when they are not, and once when they are again."""
        within = self.skew.within
        if within == self._alarmed:
            self._alarmed = not within
            tell = log.info if within else log.error
            tell(
                "clocks agree again" if within else "clocks differ too much, idle partitions close nothing",
                partition=self._tp.partition,
                skew_ms=self.skew.ms,
                clock_slack_ms=self._slack,
            )
        return within


def _outside(value: int, low: int, high: int) -> int:
    """How far a value lies outside of an interval; negative below."""
    return min(value - low, 0) or max(value - high, 0)
