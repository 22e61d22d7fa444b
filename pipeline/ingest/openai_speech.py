"""openai-speech: the events of streamed speech → WIRE §7, which they already are. Imports this room only."""

from __future__ import annotations

from typing import ClassVar

from pipeline.ingest.typed import TypedStream


class SpeechStream(TypedStream):
    """A stream of speech.audio.delta events, each with base64 of its own, and one speech.audio.done with the usage."""

    terminal: ClassVar[frozenset[str]] = frozenset({"speech.audio.done"})
