"""What `dead ls` and `dead show` read from Kafka.  Imports its siblings and `pipeline.topics`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pipeline.errors import FoundProblem
from pipeline.ops.dead.choice import Choice, Foreign, walk
from pipeline.ops.dead.document import document, line
from pipeline.ops.dead.letter import Letter, Place, Receipt
from pipeline.ops.dead.survey import Survey, survey
from pipeline.settings import Settings
from pipeline.topics.reader import Progress, reading

Json = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """A letter, and the receipt of its way back."""

    letter: Letter
    receipt: Receipt | None

    def as_json(self, *, content: bool) -> Json:
        """All that is told of it."""
        return document(self.letter, self.receipt, content=content)


async def surveyed(choice: Choice, settings: Settings, progress: Progress) -> Survey:
    """Count the letters that are meant.

    Raises:
        KafkaUnreachable: no broker answers.
        UsageError: a topic or partition does not exist.
    """
    async with reading(settings, progress) as topics:
        return await survey(topics, settings.dead_topic, choice)


async def lines(choice: Choice, settings: Settings, progress: Progress) -> AsyncIterator[Json]:
    """Each letter that is meant as one line; what was sent back is found in a pass of its own, before.

    Raises:
        KafkaUnreachable: no broker answers.
        UsageError: a topic or partition does not exist.
    """
    async with reading(settings, progress) as topics:
        sent = (await survey(topics, settings.dead_topic, choice)).sent
        async for each in walk(topics, settings.dead_topic, choice, Foreign()):
            if isinstance(each, Letter):
                way = sent.get(each.place)
                yield line(each, None if way is None else way.value)


async def shown(choice: Choice, settings: Settings, progress: Progress) -> list[Shown]:
    """The letters that are meant, whole, in the order of their places.

    Raises:
        FoundProblem: there is none.
        KafkaUnreachable: no broker answers.
        UsageError: a topic or partition does not exist.
    """
    letters: dict[Place, Letter] = {}
    receipts: dict[Place, Receipt] = {}
    async with reading(settings, progress) as topics:
        async for each in walk(topics, settings.dead_topic, choice, Foreign()):
            if isinstance(each, Letter):
                letters[each.place] = each
            else:
                receipts.setdefault(each.of, each)
    if not letters:
        raise FoundProblem(
            "no such dead letter", topic=settings.dead_topic, hint="`streamledger dead ls --list` lists what there is"
        )
    return [Shown(letter, receipts.get(place)) for place, letter in sorted(letters.items())]
