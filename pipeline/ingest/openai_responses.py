"""openai-responses: the events of the Responses API → WIRE §10, which they already are.

Owns what ends such a stream, and the two places where an `error` event may have its words. Imports this room only.
"""

from __future__ import annotations

from typing import Final

from pipeline.ingest.error import error_object
from pipeline.ingest.format import Part, Stream
from pipeline.ingest.leaf import Payload, mapping, text

_ENDS: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"}
)
_FAILURES: Final = frozenset({"response.failed", "error"})
_LAST_STATES: Final = frozenset({"completed", "incomplete", "failed", "cancelled"})


class ResponsesStream(Stream):
    """A stream of response.* events."""

    def feed(self, name: str | None, payload: Payload) -> list[Part]:
        """Translate one event; an error without the form of an event gets it."""
        kind = text(payload.get("type")) or name or ("error" if payload.get("error") else None)
        if kind:
            payload["type"] = kind
        response = mapping(payload.get("response"))
        self.name_model(response.get("model"))
        if kind == "error":
            _lift(payload, error_object(payload))
        self.ended = self.ended or kind in _ENDS or text(response.get("status")) in _LAST_STATES
        return [Part(response=payload, failed=kind in _FAILURES)]


def _lift(event: Payload, error: Payload) -> None:
    """WIRE has code, message and param in the event itself; some providers nest them under `error`."""
    for word in ("code", "message", "param"):
        if event.get(word) is None and error.get(word) is not None:
            event[word] = str(error[word]) if word == "code" else error[word]
