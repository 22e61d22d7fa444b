"""openai-transcription: the events of a streamed transcript → WIRE §8, which they already are.

Imports this room only.
"""

from __future__ import annotations

from typing import ClassVar

from pipeline.ingest.typed import TypedStream


class TranscriptionStream(TypedStream):
    """A stream of transcript.text.delta and .segment events and one transcript.text.done with the whole text."""

    terminal: ClassVar[frozenset[str]] = frozenset({"transcript.text.done"})
