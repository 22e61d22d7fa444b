"""What a format of events has to say for itself, so that files and couriers can do without knowing it.

Imports entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from pipeline.sinks.export.entry import Entry


class Event(NamedTuple):
    """An entry in a format.

    Attributes:
        id: by which receivers know a repeat.
        request_id: whose it is.
        value: as the format likes to have it.
    """

    id: str
    request_id: str
    value: Any


class Refused(NamedTuple):
    """What an answer that accepts says against some events: how many of them, and why in the receiver's words."""

    number: int
    why: str


class Format(Protocol):
    """A format of single events."""

    @property
    def content_type(self) -> str:
        """Of a request."""

    @property
    def most(self) -> int | None:
        """Events that fit into a request; None: any number."""

    def event(self, entry: Entry) -> Event:
        """An entry as an event.

        Raises:
            UsageError: the format's library is not installed.
        """

    def line(self, event: Event) -> bytes:
        """An event as a line of JSON without its end, for files and dead letters."""

    def body(self, events: Sequence[Event]) -> bytes:
        """A request with at least one event."""

    def refused(self, content_type: str, body: bytes) -> Refused | None:
        """What an answer of status 2xx says against some of the events; None: all are taken."""
