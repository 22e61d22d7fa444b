"""What leaves a partition: records and dead letters until the next snapshot, and what is counted of them.

Imports rows, repeats, the tally and what a finished request leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from pipeline.core.finish import Finished
from pipeline.core.head import Head
from pipeline.core.policy import Policy
from pipeline.core.repeats import settle
from pipeline.core.rows import DeadLetter, Incoming, Outgoing, Withheld
from pipeline.core.tally import Tally
from schemas.chunk import Chunk

KEY_MISMATCH: Final = "key_mismatch"
STREAM_TYPE_CONFLICT: Final = "stream_type_conflict"
TOMBSTONE: Final = ("not_json", "a tombstone")
OVERSIZE: Final = ("oversize", "larger than max_chunk_bytes")

LETTER_BYTES: Final = 512
HEADER_BYTES: Final = 128
"""What a dead letter and a header of it weigh in memory beside their bytes."""


class Sent(NamedTuple):
    """What goes into a snapshot."""

    records: list[Outgoing]
    dead: list[Outgoing]
    tally: Tally


class Outbox:
    """Empty at first.

    Attributes:
        records, dead: since the last snapshot.
        tally: of the same, and of the chunks that the next snapshot writes.
        flying: records of a snapshot that is not settled.
    """

    def __init__(self) -> None:
        """Nothing waits."""
        self.records: list[Outgoing] = []
        self.dead: list[DeadLetter] = []
        self._weight = 0
        self.tally = Tally()
        self.flying = 0

    @property
    def unsettled(self) -> int:
        """Records that are not committed."""
        return len(self.records) + self.flying

    @property
    def waiting(self) -> int:
        """Records and dead letters not yet in a snapshot."""
        return len(self.records) + len(self.dead)

    def refuse(self, record: Incoming, reason: str, detail: str) -> None:
        """A source record becomes a dead letter, without a value if its reader withheld it."""
        value = record.value
        if isinstance(value, Withheld):
            reason, detail, value = value.reason, value.detail, None
        self._weight += LETTER_BYTES + len(record.key or b"")
        for name, content in record.headers:
            self._weight += HEADER_BYTES + len(name) + len(content or b"")
        self.dead.append(DeadLetter(reason, detail, record.key, value, record.headers, record.offset, record.timestamp))

    def weigh(self) -> int:
        """What keys and headers of the letters weigh that were refused since this was asked last."""
        weight, self._weight = self._weight, 0
        return weight

    def add(self, done: Finished, head: Head) -> None:
        """A request's record."""
        self.records.append(done.record)
        self.dead.extend(done.dead_letters)
        self.tally.record(done.fields, poisoned=head.poisoned)

    def settle(self, head: Head, earlier: Callable[[], Iterable[Chunk]], policy: Policy) -> None:
        """Compare the waiting repeats of a head with what came before; conflicts are refused."""
        before = head.duplicates
        for record in settle(head, earlier, policy):
            self.refuse(record, "conflict", "other content under an identity seen before")
        self.tally.duplicates += head.duplicates - before

    def take(self) -> tuple[list[Outgoing], list[DeadLetter]]:
        """Records and dead letters, for folds that send nothing and count nothing."""
        taken = self.records, self.dead
        self.records, self.dead, self.tally = [], [], Tally()
        return taken

    def send(self, topic: str, partition: int) -> Sent:
        """All of it, as it goes to the topics; from now on it gathers anew."""
        tally = self.tally
        records, letters = self.take()
        tally.refused(letter.reason for letter in letters)
        self.flying = len(records)
        return Sent(records, [letter.outgoing(topic, partition) for letter in letters], tally)

    def settled(self) -> None:
        """What was sent last is committed."""
        self.flying = 0
