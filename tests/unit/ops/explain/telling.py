"""What tests of explanations share: chunk lines with and without a clock, their explanation, and parts of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.core.policy import Policy
from pipeline.core.valuation import UNVALUED, Valuation
from pipeline.ops.explain.document import Gathered, explanation
from pipeline.ops.explain.lines import Lines
from pipeline.ops.fold import fold_lines
from pipeline.testing.chunk import Document, encoded
from tests.ledger import NUMBER, START, TOPIC

Placed = tuple[int, Mapping[str, Any]]


def placed(*chunks: Placed, first: int = 0) -> list[bytes]:
    """(ms of append time, chunk) as lines of a partition, at rising offsets from `first`."""
    place = {"topic": TOPIC, "partition": NUMBER}
    return [
        encoded({**chunk, "_kafka": {**place, "offset": offset, "timestamp": START + at}})
        for offset, (at, chunk) in enumerate(chunks, first)
    ]


def gather(
    lines: Iterable[bytes],
    request_id: str = "r-1",
    *,
    policy: Policy | None = None,
    valuation: Valuation = UNVALUED,
    keep_open: bool = False,
) -> Gathered:
    """The request out of lines."""
    found = Lines(request_id, policy or Policy(), valuation)
    found.read(lines)
    return found.gathered(keep_open=keep_open)


def told(
    lines: Iterable[bytes], *, policy: Policy | None = None, keep_open: bool = False, content: bool = False
) -> Document:
    """The explanation of r-1, as a program reads it."""
    gathered = gather(lines, policy=policy, keep_open=keep_open)
    document: Document = json.loads(json.dumps(explanation(gathered, content=content)))
    return document


def of(*chunks: Mapping[str, Any], policy: Policy | None = None, **options: bool) -> Document:
    """The explanation of chunks without a clock, one a line."""
    return told(map(encoded, chunks), policy=policy, **options)


def number(document: Document, field: str) -> Document:
    """The entry of a field."""
    (found,) = [each for each in document["numbers"] if each["field"] == field]
    entry: Document = found
    return entry


def given(document: Document, field: str) -> list[int]:
    """Offsets (lines) of the chunks that gave a field."""
    return [chunk["offset"] for chunk in number(document, field)["chunks"]]


def row(document: Document, offset: int) -> Document:
    """The entry of the timeline at an offset (line)."""
    (found,) = [each for each in document["timeline"] if each["offset"] == offset]
    entry: Document = found
    return entry


def marked(document: Document, mark: str) -> list[int]:
    """Offsets of the chunks with a mark."""
    return [each["offset"] for each in document["timeline"] if mark in each["marks"]]


def outcomes(document: Document) -> list[str]:
    """What became of each source record."""
    return [each["outcome"] for each in document["timeline"]]


def records(lines: Sequence[bytes], policy: Policy | None = None) -> list[Document]:
    """What the offline fold makes of the same lines."""
    results = fold_lines(lines, policy or Policy())
    return [json.loads(result) for result in results if isinstance(result, bytes)]
