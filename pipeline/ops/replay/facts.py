"""What a replay has to know of a record, read without the rest of it.

Imports msgspec only.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec


class Name(NamedTuple):
    """Of one revision of a request; the first offset tells two requests apart that had the same id."""

    request_id: str
    first_offset: int
    revision: int

    @property
    def request(self) -> bytes:
        """Key of the request; those of its revisions begin with it."""
        return b"%b\0%b" % (self.request_id.encode(), self.first_offset.to_bytes(8, "big"))

    @property
    def key(self) -> bytes:
        """Sorts by revision."""
        return self.request + self.revision.to_bytes(4, "big")

    @classmethod
    def of(cls, key: bytes) -> Name:
        """The name with this key; no request id holds a zero byte."""
        request_id = key[:-13].decode()
        return cls(request_id, int.from_bytes(key[-12:-4], "big"), int.from_bytes(key[-4:], "big"))


class Source(msgspec.Struct):
    """Where the chunks of a record lie."""

    first_offset: int
    last_offset: int
    topic: str = ""
    partition: int = 0


class Facts(msgspec.Struct):
    """A record, without what it says of content and money."""

    request_id: str
    revision: int
    source: Source
    labels: dict[str, str] | None = None
    start_timestamp: str | None = None
    closed_by: str | None = None
    complete: bool = False

    @property
    def name(self) -> Name:
        """Of this revision."""
        return Name(self.request_id, self.source.first_offset, self.revision)


_decode: Any = msgspec.json.Decoder(Facts).decode

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What `facts_of` raises for bytes that are no record."""


def facts_of(value: bytes) -> Facts:
    """Read a record.

    Raises:
        UNREADABLE: it is none.
    """
    facts: Facts = _decode(value)
    return facts
