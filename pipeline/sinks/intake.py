"""Records of a topic as lines that a database loads in bulk, and the batch that they travel in.

Owns which fields are content, and what becomes of a record that has no row. A record that is none becomes a
`Reject` with a reason and no content (G7); it never holds up the others (G4). Imports msgspec and `sinks.line`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.sinks.line import Unfit, line_of, quoted

CONTENT: Final = (
    "output_message",
    "output_messages",
    "tool_calls",
    "choices",
    "logprobs",
    "audio_output",
    "transcription_output",
    "image_generation_output",
    "error_details",
    "raw_request",
    "raw_response",
)
"""Fields that hold what people and models said: the document of `contents`, as far as they are not null."""

_NUL: Final = b"\\u0000"
"""The escape of what PostgreSQL takes in no text."""

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class Entry(NamedTuple):
    """A record that is a row.

    Attributes:
        partition: Where it was read.
        offset: Where it was read.
        line: Its columns and place.
        content: The line of its content; None where none is kept.
    """

    partition: int
    offset: int
    line: str
    content: str | None = None

    @property
    def size(self) -> int:
        """Characters."""
        return len(self.line) + len(self.content or "")


class Reject(NamedTuple):
    """A record that is none."""

    partition: int
    offset: int
    reason: str
    detail: str
    size: int = 0


@dataclass(frozen=True)
class Batch:
    """What is written in one transaction.

    Attributes:
        topic: Of all of it.
        items: In the order of each partition.
        after: Next offset by partition, once it is written.
    """

    topic: str
    items: Sequence[Entry | Reject] = ()
    after: Mapping[int, int] = field(default_factory=dict)

    def halves(self) -> tuple[Batch, Batch]:
        """The same in two batches, to be written one after the other."""
        middle = len(self.items) // 2
        first = self.items[:middle]
        reached = {item.partition: item.offset + 1 for item in first}
        return Batch(self.topic, first, reached), Batch(self.topic, self.items[middle:], self.after)

    def rejected(self, reason: str, detail: str) -> Batch:
        """The same with every entry refused."""
        items = [
            Reject(item.partition, item.offset, reason, detail) if isinstance(item, Entry) else item
            for item in self.items
        ]
        return Batch(self.topic, items, self.after)


class Intake:
    """Reads the records of one topic."""

    def __init__(self, topic: str, *, content: bool) -> None:
        """`content`: whether content is kept too."""
        self._topic, self._content = quoted(topic), content

    def read(self, record: Any) -> Entry | Reject:
        """A Kafka record as a row, or why it is none."""
        partition, offset = record.partition, record.offset
        try:
            if record.value is None:
                raise Unfit("it has no value")
            value = _bare(record.value)
            line = f"{line_of(value)},{self._topic},{partition},{offset}\n"
            return Entry(partition, offset, line, _content(value) if self._content else None)
        except Unfit as unfit:
            return Reject(partition, offset, "not_a_record", str(unfit))


def _bare(value: bytes) -> bytes:
    """The same without NUL, if it is JSON."""
    if _NUL not in value:
        return value
    try:
        return _encode(_carried(_decode(value)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unfit("it is no JSON") from None


def _carried(value: Any) -> Any:
    """The same with U+FFFD in the place of NUL."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_carried(item) for item in value]
    if isinstance(value, dict):
        return {_carried(key): _carried(item) for key, item in value.items()}
    return value


def _content(value: bytes) -> str:
    """The line of a record's content; that it is a record is known."""
    try:
        document = _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unfit("it is no JSON") from None
    kept = {name: document[name] for name in CONTENT if document.get(name) is not None}
    identity = quoted(document["record_id"]), quoted(document["request_id"])
    return ",".join((*identity, quoted(_encode(kept).decode()))) + "\n"
