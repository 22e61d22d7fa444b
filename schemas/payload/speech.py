"""Speech payloads (WIRE §7)."""

from __future__ import annotations

from schemas.leaves import Base64, Json, JsonObject, Model
from schemas.payload.extra import ExtraFields


class SpeechResponse(Model):
    """speech.audio.delta or speech.audio.done; audio is bytes, padded chunk by chunk (S-AUDIO-1)."""

    type: str | None = None
    audio: Base64 | None = None
    usage: JsonObject | None = None
    error: Json = None
    extra_fields: ExtraFields | None = None
