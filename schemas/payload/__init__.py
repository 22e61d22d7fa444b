"""Provider-normalised payloads, one module per stream type (field names of WIRE §1-§10).

Every field may be absent or null.  Only what the fold reads is listed: unknown fields are ignored by contract.
"""

from schemas.payload.chat import (
    AudioDelta,
    ChatChoice,
    ChatDelta,
    ChatResponse,
    FunctionDelta,
    ReasoningDetail,
    ToolCallDelta,
)
from schemas.payload.extra import ExtraFields
from schemas.payload.image import ImageResponse
from schemas.payload.responses import ResponsesEvent
from schemas.payload.speech import SpeechResponse
from schemas.payload.transcription import TranscriptionResponse

__all__ = [
    "AudioDelta",
    "ChatChoice",
    "ChatDelta",
    "ChatResponse",
    "ExtraFields",
    "FunctionDelta",
    "ImageResponse",
    "ReasoningDetail",
    "ResponsesEvent",
    "SpeechResponse",
    "ToolCallDelta",
    "TranscriptionResponse",
]
