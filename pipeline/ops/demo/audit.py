"""Are the records right? Each is held to what was written by hand, and to an offline fold of the chunks in the topic.

Owns the two comparisons and the count of what is lost or double. The first knows nothing of the fold (`view`); the
second replays the chunks with the offsets and append times that Kafka gave them, so that even the bytes must be equal
(G3). Imports the offline fold, the settings and the prices.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from pipeline.ops.demo.streams import Stream
from pipeline.ops.demo.view import differing, view
from pipeline.ops.fold import fold_lines
from pipeline.pricing import valuation
from pipeline.settings import Settings

HAND: Final = "what was written by hand"
FOLD: Final = "an offline fold of its chunks"


class Difference(NamedTuple):
    """A record that is not what it should be; fields by name, never by value."""

    request_id: str
    against: str
    fields: list[str]

    def __str__(self) -> str:
        return f"{self.request_id} differs from {self.against}: {', '.join(self.fields)}"


class Source(NamedTuple):
    """A chunk as it lies in the topic; timestamp is the append time in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes


@dataclass(frozen=True)
class Audit:
    """The outcome.

    Attributes:
        requests: Requests that were sent.
        equal: Those with exactly one record, and that one right in both comparisons.
        lost: Ids without a record.
        double: Ids with more than one.
        strange: Ids of records that nobody asked for.
        differences: What differs.
    """

    requests: int
    equal: int
    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every request has one record and it is right."""
        return self.equal == self.requests and not self.strange

    def complaints(self) -> list[str]:
        """What is wrong, a line each."""
        named = (("lost", self.lost), ("more than one record", self.double), ("never sent", self.strange))
        return [f"{request_id}: {what}" for what, ids in named for request_id in ids] + list(map(str, self.differences))


def audit(sent: Sequence[Stream], records: Sequence[bytes], chunks: Iterable[Source], settings: Settings) -> Audit:
    """Compare.

    Args:
        sent: The requests.
        records: Values of the record topic, all of them.
        chunks: The chunk topic, all of it, each partition in the order of its offsets.
        settings: What the worker was told.
    """
    found = [json.loads(value)["request_id"] for value in records]
    counted = Counter(found)
    by_id = dict(zip(found, records, strict=True))
    folded = offline(chunks, settings)
    ids = [stream.request_id for stream in sent]
    differences = [
        difference
        for stream in sent
        if stream.request_id in by_id
        for difference in compare(stream, by_id[stream.request_id], folded.get(stream.request_id))
    ]
    wrong = {difference.request_id for difference in differences}
    return Audit(
        requests=len(ids),
        equal=sum(counted[request_id] == 1 and request_id not in wrong for request_id in ids),
        lost=[request_id for request_id in ids if not counted[request_id]],
        double=[request_id for request_id in ids if counted[request_id] > 1],
        strange=sorted(counted.keys() - set(ids)),
        differences=differences,
    )


def compare(stream: Stream, record: bytes, folded: bytes | None) -> list[Difference]:
    """Hold one record to both standards."""
    document = json.loads(record)
    differences = []
    if fields := differing(stream.expected, view(document)):
        differences.append(Difference(stream.request_id, HAND, fields))
    if record != folded:
        fields = ["the whole record"] if folded is None else _unequal(json.loads(folded), document)
        differences.append(Difference(stream.request_id, FOLD, fields))
    return differences


def offline(chunks: Iterable[Source], settings: Settings) -> dict[str, bytes]:
    """The records that a fold without a worker makes of the same chunks, by request id; the newest revision of each."""
    results = fold_lines(map(_line, chunks), settings.policy(), valuation(settings))
    return {json.loads(value)["request_id"]: value for value in results if isinstance(value, bytes)}


def _line(chunk: Source) -> bytes:
    """The chunk as `fold` takes it, with its place in the topic; its own bytes stay as they are."""
    place = {name: value for name, value in chunk._asdict().items() if name != "value"}
    return chunk.value.rstrip().removesuffix(b"}") + b',"_kafka":' + json.dumps(place).encode() + b"}"


def _unequal(folded: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    return differing(folded, record) or ["the order or the writing of fields"]
