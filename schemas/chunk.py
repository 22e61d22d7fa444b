"""The chunk envelope (CONTRACT §1), one class per stream type.

Imports the payload models only.  The hot path does not use these classes: schemas.compiled builds structs with the
same fields from them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, PrivateAttr

from schemas.leaves import Count, Json, JsonObject, Labels, Model, Number, RequestId, Timestamp
from schemas.payload import ChatResponse, ImageResponse, ResponsesEvent, SpeechResponse, TranscriptionResponse

SCHEMA_VERSION: Final = 1
NO_ATTEMPT: Final = -1
"""`attempt` of a chunk that does not carry the field: attempt 0, but a bare marker then belongs to the highest one."""


class StreamType(StrEnum):
    """The six kinds of stream (the seed's StreamType)."""

    TEXT = "text.completion"
    CHAT = "chat.completion"
    AUDIO = "audio.speech"
    IMAGE = "image.generation"
    TRANSCRIPTION = "audio.transcription"
    RESPONSES = "responses"


class StreamChunk(Model):
    """Fields of every chunk; a wrong one sends the chunk to the dead letters as `invalid`."""

    schema_version: Annotated[int, Field(ge=1, le=SCHEMA_VERSION)] = SCHEMA_VERSION
    request_id: RequestId
    """Equals the Kafka key; never reused.  512 UTF-8 bytes at most."""
    chunk_index: Count
    """Position in the stream; gaps, repeats and any order are legal."""
    timestamp: Timestamp
    """When the gateway saw the chunk; digits beyond microseconds are cut off."""
    start_timestamp: Timestamp | None = None
    """When the request was sent upstream; the earliest counts."""
    provider: str | None = None
    model: str | None = None
    is_final: bool = False
    """The gateway's word that nothing more follows, over all attempts."""
    image_index: Count | None = None
    """Which image of the request; images only."""
    attempt: Annotated[Count, Field(json_schema_extra={"default": 0})] = NO_ATTEMPT
    """Number of the fallback or retry inside the request."""
    cost: Number | None = None
    """USD, as the gateway priced it."""
    labels: Labels = Field(default_factory=dict)
    """Who pays: tenant, key, team, user; per key the earliest value counts."""
    error: JsonObject | None = None
    """A BifrostError; it wins over a response beside it."""
    raw_request: Json = None
    """What was sent upstream; kept once."""

    _anomalies: int = PrivateAttr(default=0)
    _original: bytes | None = PrivateAttr(default=None)
    _said: int | None = PrivateAttr(default=None)

    @property
    def anomalies(self) -> int:
        """Payload leaves of unexpected shape that were ignored."""
        return self._anomalies

    @property
    def original(self) -> bytes | None:
        """The value as it came, for a chunk that the compiled decoder refused and the strict one read."""
        return self._original

    @property
    def said(self) -> int | None:
        """How many characters its content had before it was left out; None for a whole chunk, or one without any."""
        return self._said


class ChatStreamChunk(StreamChunk):
    """A chunk of a chat completion."""

    stream_type: Literal["chat.completion"]
    response: ChatResponse | None = None


class TextStreamChunk(StreamChunk):
    """A chunk of a text completion; it takes the chat path (S-TEXT-1)."""

    stream_type: Literal["text.completion"]
    response: ChatResponse | None = None


class AudioStreamChunk(StreamChunk):
    """A chunk of speech."""

    stream_type: Literal["audio.speech"]
    response: SpeechResponse | None = None


class ImageStreamChunk(StreamChunk):
    """A chunk of an image generation or edit."""

    stream_type: Literal["image.generation"]
    response: ImageResponse | None = None


class TranscriptionStreamChunk(StreamChunk):
    """A chunk of a transcription."""

    stream_type: Literal["audio.transcription"]
    response: TranscriptionResponse | None = None


class ResponsesStreamChunk(StreamChunk):
    """A chunk of a Responses API stream."""

    stream_type: Literal["responses"]
    response: ResponsesEvent | None = None


Chunk = (
    ChatStreamChunk
    | TextStreamChunk
    | AudioStreamChunk
    | ImageStreamChunk
    | TranscriptionStreamChunk
    | ResponsesStreamChunk
)

CHUNKS: Final[dict[str, type[Chunk]]] = {
    StreamType.CHAT: ChatStreamChunk,
    StreamType.TEXT: TextStreamChunk,
    StreamType.AUDIO: AudioStreamChunk,
    StreamType.IMAGE: ImageStreamChunk,
    StreamType.TRANSCRIPTION: TranscriptionStreamChunk,
    StreamType.RESPONSES: ResponsesStreamChunk,
}
"""Chunk class by stream type."""
