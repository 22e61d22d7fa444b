"""Transcription payloads (WIRE §8)."""

from __future__ import annotations

from schemas.leaves import Json, JsonObject, Model, Number
from schemas.payload.extra import ExtraFields


class TranscriptionResponse(Model):
    """transcript.text.delta, transcript.text.done or transcript.text.segment (S-TR-1 to S-TR-5)."""

    type: str | None = None
    delta: str | None = None
    text: str | None = None
    logprobs: list[JsonObject] | None = None
    id: str | None = None
    start: Number | None = None
    end: Number | None = None
    speaker: str | None = None
    segments: list[JsonObject] | None = None
    words: list[JsonObject] | None = None
    language: str | None = None
    duration: Number | None = None
    task: str | None = None
    usage: JsonObject | None = None
    error: Json = None
    extra_fields: ExtraFields | None = None
