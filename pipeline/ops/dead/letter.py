"""What lies on the dead letter topic: letters, receipts of those that were sent back, and what is neither.

Owns how a record of the topic is read, and how a place on it is written. Imports the schemas and errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

from pipeline.errors import UsageError
from schemas.deadletter import (
    DEAD_LETTER_HEADERS,
    HEADER_CHUNK,
    HEADER_DETAIL,
    HEADER_OFFSET,
    HEADER_PARTITION,
    HEADER_REASON,
    HEADER_REDRIVE,
    HEADER_REDRIVEN,
    HEADER_TIMESTAMP,
    HEADER_TOPIC,
    HEADER_WAY,
    Way,
)
from schemas.leaves import check_request_id

Headers = Sequence[tuple[str, Any]]
"""Kafka allows headers without a value: None."""

_PLACE: Final = re.compile(r"(\d{1,6}):(\d{1,18})", re.ASCII)
_ADDED: Final = tuple(DEAD_LETTER_HEADERS)
NEVER: Final = 0
"""dl.timestamp of a chunk that was rebuilt from state, whose append time nobody kept."""


class Place(NamedTuple):
    """A place on a topic, of letters or of chunks; written `PARTITION:OFFSET`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


class Source(NamedTuple):
    """Where a refused chunk lay on its topic; `timestamp` is its append time in ms, NEVER where it is not known."""

    topic: str
    partition: int
    offset: int
    timestamp: int


@dataclass(frozen=True)
class Letter:
    """A dead letter.

    Attributes:
        place: Where it lies.
        key, value, headers: The chunk's own, as it was refused.
        reason, detail: Why; an unknown reason is that of a newer version.
        source: Where the chunk lay.
        at: Append time of the letter, ms.
    """

    place: Place
    key: bytes | None
    value: bytes | None
    headers: Headers
    reason: str
    detail: str
    source: Source
    at: int

    @property
    def stood(self) -> Place:
        """Where its chunk stood on its topic."""
        return Place(self.source.partition, self.source.offset)

    @property
    def seen_at(self) -> int:
        """When its chunk came, in ms: its append time, never later than the letter's, which is all there is of some."""
        return min(self.source.timestamp or self.at, self.at)

    @property
    def returned(self) -> str | None:
        """The letter that its chunk was before it was sent back and refused again."""
        found = dict(self.headers).get(HEADER_REDRIVE)
        return None if not found else str(found.decode(errors="replace"))

    @property
    def keyed(self) -> str | None:
        """The request that the Kafka key names."""
        return None if self.key is None else _request_id(self.key.decode(errors="surrogateescape"))

    @cached_property
    def document(self) -> dict[str, Any]:
        """The value where it is a JSON object; else nothing."""
        try:
            found = json.loads(self.value or b"")
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def named(self) -> str | None:
        """The request that the value names."""
        return _request_id(self.document.get("request_id"))

    @property
    def request_id(self) -> str | None:
        """The request it belongs to: by its key, without one by its value."""
        return self.keyed or self.named

    @property
    def labels(self) -> dict[str, Any]:
        """Labels in the value, as far as it can be read."""
        found = self.document.get("labels")
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Receipt:
    """That a letter was sent back.

    Attributes:
        of: The letter.
        way: How.
        key: The request it went to.
        value: The chunk as a correction took it in.
        stood: Where the chunk stood on its topic when it was refused.
        at: When, ms.
    """

    of: Place
    way: Way
    key: bytes | None
    value: bytes | None
    stood: Place
    at: int


def place_of(text: str) -> Place:
    """Read `PARTITION:OFFSET`.

    Raises:
        UsageError: it is none.
    """
    found = _PLACE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no place of a dead letter", hint="write PARTITION:OFFSET, as `dead ls` lists")
    return Place(int(found[1]), int(found[2]))


def read(record: Any) -> Letter | Receipt | None:
    """A record of the dead letter topic; None for one that nobody of this ledger's programs wrote."""
    headers = list(record.headers)
    added = headers[-len(_ADDED) :]
    try:
        if tuple(name for name, _ in added) == _ADDED:
            return _letter(record, headers[: -len(_ADDED)], _texts(added))
        names = {name for name, _ in headers}
        if HEADER_REDRIVEN in names and HEADER_REASON not in names:
            return _receipt(record, _texts(headers))
    except (ValueError, KeyError, UsageError):
        pass
    return None


def receipt_of(place: Place, way: Way, stood: Place) -> list[tuple[str, bytes]]:
    """The headers of the receipt of a letter at `place`, whose chunk stood at `stood`."""
    told = {HEADER_REDRIVEN: str(place), HEADER_WAY: way.value, HEADER_CHUNK: str(stood)}
    return [(name, value.encode()) for name, value in told.items()]


def _texts(headers: Headers) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in headers}


def _letter(record: Any, own: Headers, added: dict[str, str]) -> Letter:
    source = Source(
        added[HEADER_TOPIC], int(added[HEADER_PARTITION]), int(added[HEADER_OFFSET]), int(added[HEADER_TIMESTAMP])
    )
    return Letter(
        place=Place(record.partition, record.offset),
        key=record.key,
        value=record.value,
        headers=tuple(own),
        reason=added[HEADER_REASON],
        detail=added[HEADER_DETAIL],
        source=source,
        at=record.timestamp,
    )


def _receipt(record: Any, told: dict[str, str]) -> Receipt:
    return Receipt(
        of=place_of(told[HEADER_REDRIVEN]),
        way=Way(told[HEADER_WAY]),
        key=record.key,
        value=record.value,
        stood=place_of(told[HEADER_CHUNK]),
        at=record.timestamp,
    )


def _request_id(text: object) -> str | None:
    """A text that can be a request id."""
    try:
        if isinstance(text, str):
            check_request_id(text)
            return text
    except ValueError:
        pass
    return None
