"""The dead letter topic in figures: letters by reason, where they came from, and what became of them.

Owns the counting. Imports its siblings, and `pipeline.topics` to read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.ops.dead.advice import advice
from pipeline.ops.dead.choice import Choice, Foreign, walk
from pipeline.ops.dead.letter import Letter, Place, Receipt
from pipeline.ops.explain.ending import append_time
from pipeline.topics.reader import Topics
from schemas.deadletter import DeadLetterReason, Way

Json = dict[str, Any]


@dataclass
class Tally:
    """Letters of one reason.

    Attributes:
        letters: How many.
        returned: Of these, how many had been sent back before and were refused again.
        redriven: Of these, how many were sent back, by the way they went.
        first, last: Append times of the letters, ms.
        partitions: By partition of the dead letter topic.
        sources: By the chunk's topic and partition.
    """

    letters: int = 0
    returned: int = 0
    redriven: Counter[Way] = field(default_factory=Counter)
    first: int = 0
    last: int = 0
    partitions: Counter[int] = field(default_factory=Counter)
    sources: Counter[tuple[str, int]] = field(default_factory=Counter)

    def add(self, letter: Letter) -> None:
        """Count a letter."""
        self.first = min(self.first, letter.at) if self.letters else letter.at
        self.last = max(self.last, letter.at)
        self.letters += 1
        self.returned += letter.returned is not None
        self.partitions[letter.place.partition] += 1
        self.sources[letter.source.topic, letter.source.partition] += 1

    def as_json(self, reason: str, total: int) -> Json:
        """Under names that do not change."""
        told = advice(reason)
        sent = {str(way): self.redriven[way] for way in Way}
        return {
            "reason": reason,
            "letters": self.letters,
            "share": round(self.letters / total, 6),
            "waiting": self.letters - sum(sent.values()),
            "redriven": sent,
            "refused_again": self.returned,
            "first": append_time(self.first),
            "last": append_time(self.last),
            "partitions": {str(number): count for number, count in sorted(self.partitions.items())},
            "sources": [
                {"topic": topic, "partition": partition, "letters": count}
                for (topic, partition), count in sorted(self.sources.items())
            ],
            "meaning": told.meaning,
            "again": told.again.value,
        }


@dataclass
class Survey:
    """What was found.

    Attributes:
        reasons: Tallies, in the order of the contract; unknown reasons last.
        sent: Letters that were sent back.
        foreign: Records that were neither letter nor receipt.
    """

    reasons: dict[str, Tally] = field(default_factory=dict)
    sent: dict[Place, Way] = field(default_factory=dict)
    foreign: Foreign = field(default_factory=Foreign)
    _reason_of: dict[Place, str] = field(default_factory=dict)

    def add(self, found: Letter | Receipt) -> None:
        """Count a letter or a receipt; a letter comes before its receipt."""
        if isinstance(found, Letter):
            self.reasons.setdefault(found.reason, Tally()).add(found)
            self._reason_of[found.place] = found.reason
        elif found.of in self._reason_of and found.of not in self.sent:
            self.sent[found.of] = found.way
            self.reasons[self._reason_of[found.of]].redriven[found.way] += 1

    @property
    def letters(self) -> int:
        """All of them."""
        return sum(tally.letters for tally in self.reasons.values())

    @property
    def waiting(self) -> int:
        """Those that were not sent back."""
        return self.letters - len(self.sent)

    def as_json(self, topic: str) -> Json:
        """The document of `dead ls --json`."""
        return {
            "topic": topic,
            "letters": self.letters,
            "waiting": self.waiting,
            "foreign": self.foreign.count,
            "reasons": [tally.as_json(reason, self.letters) for reason, tally in self.sorted()],
        }

    def sorted(self) -> list[tuple[str, Tally]]:
        """In the order of the contract."""
        order: Mapping[str, int] = {str(reason): number for number, reason in enumerate(DeadLetterReason)}
        return sorted(self.reasons.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))


async def survey(topics: Topics, topic: str, choice: Choice) -> Survey:
    """Count the letters that are meant.

    Raises:
        UsageError: a partition does not exist.
        KafkaUnreachable: no broker answers any more.
    """
    found = Survey()
    async for each in walk(topics, topic, choice, found.foreign):
        found.add(each)
    return found
