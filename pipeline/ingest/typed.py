"""Streams whose events say by their type what they are and already have the shape of WIRE §7, §8 or §10.

Owns pass-through, the end by a terminal type, and errors. Imports this room's interface only.
"""

from __future__ import annotations

from typing import ClassVar

from pipeline.ingest.error import bifrost_error, is_error
from pipeline.ingest.format import Part, Stream
from pipeline.ingest.leaf import Payload, text


class TypedStream(Stream):
    """Passes events through as they are, with the type from the event's name where the payload lacks it."""

    terminal: ClassVar[frozenset[str]]
    """Types after which the provider sends nothing more."""

    def feed(self, name: str | None, payload: Payload) -> list[Part]:
        """Translate one event."""
        if is_error(name, payload):
            self.ended = True
            return [Part(error=bifrost_error(payload), failed=True)]
        kind = text(payload.get("type")) or name
        if kind:
            payload["type"] = kind
        self.ended = self.ended or kind in self.terminal
        return [Part(response=payload)]
