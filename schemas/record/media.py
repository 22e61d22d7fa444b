"""Speech, transcription and image results of a record (WIRE §7-§9)."""

from __future__ import annotations

from schemas.leaves import Count, Integer, JsonObject, Number
from schemas.record.part import Lenient, Part
from schemas.record.usage import ImageUsage, SpeechUsage, TranscriptionUsage


class BifrostSpeechResponse(Part):
    """Speech; audio is base64 of the joined bytes (S-AUDIO-1)."""

    audio: str | None
    usage: Lenient[SpeechUsage] | None = None


class BifrostTranscriptionResponse(Part):
    """A transcript with what the provider said about it (S-TR-1 to S-TR-5)."""

    duration: Number | None = None
    language: str | None = None
    logprobs: list[JsonObject] | None = None
    segments: list[JsonObject] | None = None
    task: str | None = None
    text: str | None
    usage: Lenient[TranscriptionUsage] | None = None
    words: list[JsonObject] | None = None


class ImageData(Part):
    """One image; b64_json or url (S-IMG-1)."""

    url: str | None = None
    b64_json: str | None = None
    revised_prompt: str | None = None
    index: Count


class BifrostImageGenerationResponse(Part):
    """All images of a request, by index (S-IMG-3), and the parameters they were made with (S-IMG-7)."""

    id: str | None = None
    created: Integer | None = None
    model: str | None = None
    data: list[ImageData]
    background: str | None = None
    output_format: str | None = None
    quality: str | None = None
    size: str | None = None
    usage: Lenient[ImageUsage] | None = None
