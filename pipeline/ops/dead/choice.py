"""Which dead letters are meant: a range of their topic, requests, labels, reasons, or places by name.

Owns the walk over the topic: letters of the range, and receipts up to its end, since those of a letter come after it.
Imports its siblings and `pipeline.topics`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import UsageError
from pipeline.ops.dead.letter import Letter, Place, Receipt, read
from pipeline.topics.reader import Topics
from pipeline.topics.selection import Selection
from schemas.deadletter import DeadLetterReason


@dataclass(frozen=True)
class Choice:
    """The letters that are meant.

    Attributes:
        selection: The range, requests and labels.
        reasons: None: all.
        places: None: all.
    """

    selection: Selection = field(default_factory=Selection)
    reasons: frozenset[str] | None = None
    places: frozenset[Place] | None = None

    def wants(self, letter: Letter) -> bool:
        """Whether a letter is meant."""
        if self.reasons is not None and letter.reason not in self.reasons:
            return False
        if self.places is not None and letter.place not in self.places:
            return False
        selection = self.selection
        if selection.request_ids is None and not selection.labels:
            return True
        return any(selection.wants(each or "", letter.labels) for each in {letter.keyed, letter.named})

    def numbers(self, count: int, topic: str) -> list[int]:
        """The partitions to be read.

        Raises:
            UsageError: one of them does not exist.
        """
        numbers = self.selection.numbers(count, topic)
        if self.places is None:
            return numbers
        beyond = sorted(place for place in self.places if place.partition >= count)
        if beyond:
            text = f"topic {topic} has {count} partitions, counted from 0: there is no {beyond[0]}"
            raise UsageError(text, hint="`streamledger dead ls --list` lists places")
        return sorted({place.partition for place in self.places} & set(numbers))


@dataclass
class Foreign:
    """How many records on the topic were neither letter nor receipt."""

    count: int = 0


def reasons_of(names: tuple[str, ...]) -> frozenset[str] | None:
    """Reasons as they are written on a command line; None for none.

    Raises:
        UsageError: one is no reason.
    """
    known = {str(reason) for reason in DeadLetterReason}
    for name in names:
        if name not in known:
            raise UsageError(f"--reason {name} is no reason", hint=f"one of {', '.join(sorted(known))}")
    return frozenset(names) or None


async def walk(topics: Topics, topic: str, choice: Choice, foreign: Foreign) -> AsyncIterator[Letter | Receipt]:
    """The letters that are meant, partition by partition in offset order, and every receipt of the range's letters.

    Raises:
        UsageError: a partition does not exist.
        KafkaUnreachable: no broker answers any more.
    """
    selection = choice.selection
    for number in choice.numbers(topics.partitions(topic), topic):
        first, last = await topics.bounds(topic, number, selection.since, selection.until)
        if choice.places is not None:
            first = max(first, min(place.offset for place in choice.places if place.partition == number))
        end = await topics.written(topic, number)
        async with aclosing(topics.read("dead letters", topic, number, first, end)) as records:
            async for record in records:
                found = _wanted(record, choice, range(first, last), foreign)
                if found is not None:
                    yield found


def _wanted(record: Any, choice: Choice, offsets: range, foreign: Foreign) -> Letter | Receipt | None:
    found = read(record)
    if found is None:
        foreign.count += record.offset in offsets
    elif isinstance(found, Receipt):
        return found if found.of.partition == record.partition and found.of.offset in offsets else None
    elif record.offset in offsets and choice.wants(found):
        return found
    return None
