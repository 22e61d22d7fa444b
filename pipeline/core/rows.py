"""Ports between the working set and what surrounds it: rows of the store, records in, records out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, Self

from pipeline.core.segment import hour_prefix
from pipeline.core.tally import Tally
from pipeline.errors import OurFault

Row = tuple[bytes, bytes | None]
Headers = list[tuple[str, bytes]]


class Rows(Protocol):
    """The store as of the last settled checkpoint; keys in byte order."""

    def get(self, key: bytes) -> bytes | None:
        """Value of a key."""

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Rows whose key begins with `prefix`, from `start` on; the caller exhausts or drops the iterator at once."""


class Trusted:
    """Rows whose failures end the process: they are no fault of the chunk for which they were read (CONTRACT G4)."""

    def __init__(self, rows: Rows) -> None:
        """Read from `rows`."""
        self._rows = rows

    def get(self, key: bytes) -> bytes | None:
        """Value of a key.

        Raises:
            OurFault: the store cannot be read.
        """
        try:
            return self._rows.get(key)
        except Exception as error:
            raise OurFault("the store cannot be read", hint=type(error).__name__) from error

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Rows whose key begins with `prefix`, from `start` on.

        Raises:
            OurFault: the store cannot be read.
        """
        try:
            yield from self._rows.scan(prefix, start)
        except Exception as error:
            raise OurFault("the store cannot be read", hint=type(error).__name__) from error


class Incoming(Protocol):
    """A source record; aiokafka's ConsumerRecord is one.  `timestamp` is the append time in ms."""

    @property
    def key(self) -> bytes | None:
        """Request id as the producer keyed it."""

    @property
    def value(self) -> bytes | None:
        """A chunk, as JSON."""

    @property
    def offset(self) -> int:
        """Source offset."""

    @property
    def timestamp(self) -> int:
        """Append time, ms since the epoch."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Kafka headers."""


def traceparent_of(record: Incoming) -> str | None:
    """The W3C trace context that a record's headers carry, as it came."""
    for name, value in record.headers:
        if name == "traceparent" and value:  # Kafka allows headers without a value
            return value.decode(errors="replace")
    return None


class SourceRecord(NamedTuple):
    """An Incoming made by hand: offline folds and tests."""

    key: bytes | None
    value: bytes | None
    offset: int
    timestamp: int
    headers: Sequence[tuple[str, bytes]] = ()


class Withheld(bytes):
    """A value that a reader did not take from its topic, because no memory should hold it or it can't be read.

    It is empty and no None, so that nobody takes it for a tombstone or for anything else that could be used.

    Attributes:
        reason, detail: Of the dead letter; its bytes still lie at its offset.
    """

    reason: str
    detail: str

    def __new__(cls, reason: str, detail: str) -> Self:
        """Say why."""
        self = super().__new__(cls)
        self.reason, self.detail = reason, detail
        return self


class Outgoing(NamedTuple):
    """A record to send."""

    key: bytes | None
    value: bytes | None
    headers: Headers


class DeadLetter(NamedTuple):
    """A source record that was refused, untouched, with the reason (CONTRACT §3)."""

    reason: str
    detail: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    offset: int
    timestamp: int

    def outgoing(self, topic: str, partition: int) -> Outgoing:
        """As it goes to the dead letter topic: original key, value and headers, then dl.*."""
        added = {
            "dl.reason": self.reason,
            "dl.detail": self.detail,
            "dl.topic": topic,
            "dl.partition": partition,
            "dl.offset": self.offset,
            "dl.timestamp": self.timestamp,
        }
        headers = [*self.headers, *((name, str(value).encode()) for name, value in added.items())]
        return Outgoing(self.key, self.value, headers)


class Snapshot(NamedTuple):
    """One checkpoint: all of it changes together or not at all (CONTRACT G1).

    Attributes:
        rows: for the requests changelog and the store, in this order; the checkpoint row is last.
        markers: for the store; packed into one row of the marker changelog.
        drop_hours: hours whose markers the store deletes as a range.
        records, dead_letters: to send.
        position: next source offset.
        tally: what of all this is counted, once it is committed.
    """

    rows: list[Row]
    markers: list[tuple[bytes, bytes]]
    drop_hours: list[int]
    records: list[Outgoing]
    dead_letters: list[Outgoing]
    position: int
    tally: Tally


class MemoryRows:
    """Rows in a dictionary, for folds without a store."""

    def __init__(self) -> None:
        """Start empty."""
        self._rows: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """Value of a key."""
        return self._rows.get(key)

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Rows whose key begins with `prefix`, from `start` on."""
        return iter(sorted((k, v) for k, v in self._rows.items() if k.startswith(prefix) and k >= start))

    def write(self, snapshot: Snapshot) -> None:
        """Apply a checkpoint."""
        dropped = tuple(map(hour_prefix, snapshot.drop_hours))
        for key in [key for key in self._rows if key.startswith(dropped)] if dropped else ():
            del self._rows[key]
        for key, value in [*snapshot.rows, *snapshot.markers]:
            if value is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = value
