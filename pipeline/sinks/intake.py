"""Records of a topic as lines that a database loads in bulk, and the batch that they travel in.

Owns how a value becomes text, what makes a record unfit, and which fields are content. A record that is none becomes a
`Reject` with a reason and no content (G7); it never holds up the others (G4). Imports msgspec and `sinks.row`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.sinks.row import COLUMNS, Kind, Record, row_of
from schemas.leaves import parse_timestamp

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

_COUNTS: Final = 1 << 63
_CENTS: Final = Decimal(10) ** 20
"""38 digits, 18 of them behind the point."""
_NUL: Final = b"\\u0000"
"""The escape of what PostgreSQL takes in no text."""

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class Unfit(Exception):
    """A record that can't be a row; the text says why, without content."""


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
            document = _document(record.value)
            line = f"{line_of(document)},{self._topic},{partition},{offset}\n"
            return Entry(partition, offset, line, _content(document) if self._content else None)
        except Unfit as unfit:
            return Reject(partition, offset, "not_a_record", str(unfit))


def line_of(record: Record) -> str:
    """The columns of a record as CSV, without an end of line.

    Raises:
        Unfit: a field is missing, or its value is not of the column's kind.
    """
    try:
        row = row_of(record)
    except KeyError as error:
        raise Unfit(f"it has no field {error.args[0]}") from None
    except (ArithmeticError, AttributeError, IndexError, TypeError, ValueError) as error:
        raise Unfit(f"a field has another shape than it should: {type(error).__name__}") from None
    cells = []
    for (name, write, needed), value in zip(_WRITERS, row, strict=True):
        if value is None:
            if needed:
                raise Unfit(f"{name} is null")
            cells.append("")
        else:
            try:
                cells.append(write(value))
            except (ArithmeticError, AttributeError, TypeError, ValueError):
                raise Unfit(f"{name} is no {_KINDS[name]}") from None
    return ",".join(cells)


def quoted(text: str) -> str:
    """A text as a cell."""
    return '"' + text.replace('"', '""') + '"'


def _document(value: bytes) -> Any:
    try:
        document = _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unfit("it is no JSON") from None
    if not isinstance(document, dict):
        raise Unfit("it is no JSON object")
    return _carried(document) if _NUL in value else document


def _carried(value: Any) -> Any:
    """The same with U+FFFD in the place of NUL."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_carried(item) for item in value]
    if isinstance(value, dict):
        return {_carried(key): _carried(item) for key, item in value.items()}
    return value


def _content(document: Mapping[str, Any]) -> str:
    kept = {name: document[name] for name in CONTENT if document.get(name) is not None}
    identity = quoted(document["record_id"]), quoted(document["request_id"])
    return ",".join((*identity, quoted(_encode(kept).decode()))) + "\n"


def _count(value: Any) -> str:
    if type(value) is not int or not -_COUNTS <= value < _COUNTS:
        raise TypeError
    return str(value)


def _flag(value: Any) -> str:
    if type(value) is not bool:
        raise TypeError
    return "true" if value else "false"


def _instant(value: Any) -> str:
    return value if _UTC.fullmatch(value) else f"{parse_timestamp(value).replace(tzinfo=None).isoformat()}Z"


_UTC: Final = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z")
"""What the worker writes, save for the last days of months: nothing to be read and written again."""


def _usd(value: Any) -> str:
    if not value.is_finite() or abs(value) >= _CENTS:
        raise InvalidOperation
    return format(value, "f")


def _rate(value: Any) -> str:
    if type(value) not in (int, float):
        raise TypeError
    return repr(value)


_KIND: Final[Mapping[Kind, Callable[[Any], str]]] = {
    Kind.TEXT: quoted,
    Kind.COUNT: _count,
    Kind.FLAG: _flag,
    Kind.INSTANT: _instant,
    Kind.USD: _usd,
    Kind.RATE: _rate,
    Kind.DOCUMENT: quoted,
}
_NEEDED: Final = frozenset({"record_id", "request_id", "revision", "digest"})
_WRITERS: Final = tuple((column.name, _KIND[column.kind], column.name in _NEEDED) for column in COLUMNS)
_KINDS: Final = {column.name: column.kind for column in COLUMNS}
