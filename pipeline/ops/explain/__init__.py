"""How each number of a record arose: its chunks, the rules, the close, and whether the chunks give the record again.

The request is folded by the core under observation (`watch`), out of lines (`lines`) or from Kafka (`search`); which
chunk gave what is asked of the core's own functions (`origins`, `numbers`). Public face: `of_lines` and `of_topics`
gather, `explanation` makes one JSON document of it, `render` a text. Imports the core, pricing, settings and aiokafka.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipeline.ops.explain.comparison import Found, records_in
from pipeline.ops.explain.document import Gathered, explanation, problem
from pipeline.ops.explain.lines import Lines
from pipeline.ops.explain.search import Finder, Search
from pipeline.ops.explain.table import render
from pipeline.pricing import valuation
from pipeline.topics.reader import Progress, Seen, reading

if TYPE_CHECKING:
    from pipeline.settings import Settings

__all__ = [
    "Found",
    "Gathered",
    "Progress",
    "Search",
    "Seen",
    "explanation",
    "of_lines",
    "of_topics",
    "problem",
    "records_in",
    "render",
]


def of_lines(lines: Iterable[bytes], request_id: str, settings: Settings, *, keep_open: bool) -> Gathered:
    """A request out of chunk JSON lines.

    Raises:
        FoundProblem: it is not in them.
    """
    found = Lines(request_id, settings.policy(), valuation(settings))
    found.read(lines)
    return found.gathered(keep_open=keep_open)


async def of_topics(request_id: str, settings: Settings, search: Search, progress: Progress) -> Gathered:
    """A request from Kafka, by its record's source range, or open.

    Raises:
        KafkaUnreachable: no broker answers.
        FoundProblem: it is not there.
    """
    async with reading(settings, progress) as topics:
        return await Finder(request_id, settings, search, valuation(settings)).find(topics)
