"""What a publisher tells about itself: counts at any time, and reports of what went wrong.

Owns their shape. Imports the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["refused", "late", "aside", "away", "broker", "spool"]
"""refused: a chunk was not taken, the record will show a gap. late: sent, but after the window in which a closed
request takes chunks. aside: Kafka will never take it, it is kept in a file. away: Kafka can't be reached, chunks go to
the spool. broker: Kafka answers, and refuses. spool: the disk
does not take chunks, or does not give them back."""


@dataclass(frozen=True, slots=True)
class Report:
    """One thing that went wrong; it holds nothing of a chunk's content.

    Attributes:
        kind: What became of it.
        reason: What is wrong, in one sentence.
        hint: What to do about it.
        request_id: Request it belongs to, if it is one's.
        chunks: How many chunks it is about; 0 where a chunk went on without a part of it.
    """

    kind: Kind
    reason: str
    hint: str = ""
    request_id: str | None = None
    chunks: int = 1


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts of chunks since the publisher was made, and its state now.

    Attributes:
        accepted: Taken from callers.
        delivered: Acknowledged by Kafka, those that another process had left in the spool included.
        buffered: In memory now, accepted and neither delivered nor on disk.
        buffered_bytes: Their size.
        spooled: On disk now, waiting for Kafka.
        spooled_bytes: Their size.
        resent: Sent again because the outcome was unknown; the ledger drops repeats.
        late: Delivered after session_window + revise_window.
        refused: Not taken, or taken and lost for want of disk: each was reported.
        aside: Put into a file because Kafka will never take them.
        adopted: Taken over from the spool of a process that ended.
        longest_wait: Longest time a caller waited for room, in seconds.
        connected: Whether Kafka answers.
    """

    accepted: int = 0
    delivered: int = 0
    buffered: int = 0
    buffered_bytes: int = 0
    spooled: int = 0
    spooled_bytes: int = 0
    resent: int = 0
    late: int = 0
    refused: int = 0
    aside: int = 0
    adopted: int = 0
    longest_wait: float = 0.0
    connected: bool = False
