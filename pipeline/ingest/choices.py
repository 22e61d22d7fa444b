"""Streams whose payloads hold `choices`: chat and text completions of OpenAI and of all who speak its dialect.

Owns what the two have in common: end of stream, model, errors, usage in odd places. An error stays in the payload
(S-ERR-5): as chunk.error it would say finish_reason "error" (S-ERR-2), which no provider said. Imports this room only.
"""

from __future__ import annotations

from pipeline.ingest.error import error_object, is_error
from pipeline.ingest.format import Part, Stream
from pipeline.ingest.leaf import Payload, count, mapping, objects, text


class ChoiceStream(Stream):
    """Passes payloads through as they are; subclasses bring into shape what WIRE §5 does not know."""

    def __init__(self) -> None:
        """Begin without choices."""
        super().__init__()
        self._finished: dict[int, bool] = {}
        self._failed = False

    def feed(self, name: str | None, payload: Payload) -> list[Part]:
        """Translate one payload.

        Without [DONE] the stream is at its end when each choice it showed has a finish_reason.
        """
        self.name_model(payload.get("model"))
        _lift_groq(payload)
        failed = is_error(name, payload)
        if failed:
            self._failed = True
            payload["error"] = error_object(payload)
        for choice in objects(payload.get("choices")):
            index = count(choice.get("index")) or 0
            self._finished[index] = self._finished.get(index, False) or text(choice.get("finish_reason")) is not None
            self.shape(choice)
        self.ended = self._failed or (bool(self._finished) and all(self._finished.values()))
        return [Part(response=payload, failed=failed)]

    def shape(self, choice: Payload) -> None:
        """Bring one choice into the shape of WIRE, in place."""


def _lift_groq(payload: Payload) -> None:
    """Groq writes usage, and the reason for breaking off, under `x_groq`."""
    own = mapping(payload.get("x_groq"))
    if own.get("usage") and not payload.get("usage"):
        payload["usage"] = own["usage"]
    if own.get("error") and not payload.get("error"):
        payload["error"] = own["error"]
