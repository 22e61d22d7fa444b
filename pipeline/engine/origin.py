"""Where a new ledger begins to read a partition: `--reset-to` (CONTRACT §6).

A ledger that has a position keeps it: the checkpoint row decides, and moving it would bill twice or lose chunks.
Imports aiokafka's types only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from aiokafka.structs import TopicPartition

from pipeline.errors import UsageError
from schemas.leaves import parse_timestamp


@dataclass(frozen=True)
class Origin:
    """The first record, the next one, or the first appended at or after a time.

    Attributes:
        name: As it was given.
        time: Append time in ms since the epoch; None for `earliest` and `latest`.
    """

    name: str
    time: int | None = None

    @classmethod
    def of(cls, text: str) -> Origin:
        """Read `earliest`, `latest` or an RFC 3339 time.

        Raises:
            UsageError: It is none of them.
        """
        if text in ("earliest", "latest"):
            return cls(text)
        try:
            moment = parse_timestamp(text)
        except ValueError:
            raise UsageError(
                f"--reset-to {text!r} is no position", hint="earliest, latest, or a time such as 2026-11-23T16:00:00Z"
            ) from None
        return cls(text, int(moment.timestamp() * 1_000))

    async def offset(self, consumer: Any, source: TopicPartition, *, begin: int, end: int) -> int:
        """The offset that this is in a partition whose log is [begin, end)."""
        if self.name == "latest":
            return end
        if self.time is None:
            return begin
        found = (await consumer.offsets_for_times({source: self.time}))[source]
        return end if found is None else max(begin, int(found.offset))


EARLIEST: Final = Origin("earliest")
