"""The contract as code and data: chunks, payloads, records, topics, generated schemas (CONTRACT §1-§3).

Imports nothing of `pipeline`.  The models are listed here by name and loaded when asked for, so that whoever needs the
topics only does not wait for them; decoders are in schemas.decode, topics in schemas.topics.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from schemas.chunk import (
        CHUNKS,
        SCHEMA_VERSION,
        AudioStreamChunk,
        ChatStreamChunk,
        Chunk,
        ImageStreamChunk,
        ResponsesStreamChunk,
        StreamType,
        TextStreamChunk,
        TranscriptionStreamChunk,
    )
    from schemas.deadletter import DeadLetter, DeadLetterReason
    from schemas.identity import record_id
    from schemas.record import (
        RECORD_FIELDS,
        AccumulatedData,
        BifrostCacheDebug,
        BifrostError,
        BifrostLLMUsage,
        ChatMessage,
        ProcessedStreamResponse,
    )

__all__ = [
    "CHUNKS",
    "RECORD_FIELDS",
    "SCHEMA_VERSION",
    "AccumulatedData",
    "AudioStreamChunk",
    "BifrostCacheDebug",
    "BifrostError",
    "BifrostLLMUsage",
    "ChatMessage",
    "ChatStreamChunk",
    "Chunk",
    "DeadLetter",
    "DeadLetterReason",
    "ImageStreamChunk",
    "ProcessedStreamResponse",
    "ResponsesStreamChunk",
    "StreamType",
    "TextStreamChunk",
    "TranscriptionStreamChunk",
    "record_id",
]

_HOMES: Final = ("schemas.chunk", "schemas.deadletter", "schemas.identity", "schemas.record")


def __getattr__(name: str) -> Any:
    """A public name from the module that defines it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return next(getattr(home, name) for home in map(importlib.import_module, _HOMES) if hasattr(home, name))
