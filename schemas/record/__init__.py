"""The record that comes out (CONTRACT §2) and its parts, under the seed's names.

Two strictnesses: what is billed (tokens, cost, counts, indexes, times) is exact or refused; what a provider said
(messages, items, errors, log-probs) may carry more fields than are listed.  Imports schemas.leaves and schemas.payload.
"""

from schemas.record.accumulated import (
    NOT_CANONICAL,
    RECORD_FIELDS,
    AccumulatedData,
    ProcessedStreamResponse,
)
from schemas.record.billing import Attempt, CostDetails, CostSource, RecordDelta, UsageDelta, UsageSource
from schemas.record.error import BifrostError, ErrorField
from schemas.record.evidence import InterChunkLatency, RecordOrigin, RecordSource
from schemas.record.media import (
    BifrostImageGenerationResponse,
    BifrostSpeechResponse,
    BifrostTranscriptionResponse,
    ImageData,
)
from schemas.record.message import (
    ChatAssistantMessageToolCall,
    ChatAudioMessageAudio,
    ChatMessage,
    Choice,
    LogProbs,
    ReasoningDetails,
    ResponsesMessage,
    ToolCallFunction,
)
from schemas.record.status import ClosedBy, Status
from schemas.record.usage import (
    BifrostCacheDebug,
    BifrostCost,
    BifrostLLMUsage,
    CompletionTokensDetails,
    ImageUsage,
    PromptTokensDetails,
    SpeechUsage,
    TranscriptionUsage,
)

__all__ = [
    "NOT_CANONICAL",
    "RECORD_FIELDS",
    "AccumulatedData",
    "Attempt",
    "BifrostCacheDebug",
    "BifrostCost",
    "BifrostError",
    "BifrostImageGenerationResponse",
    "BifrostLLMUsage",
    "BifrostSpeechResponse",
    "BifrostTranscriptionResponse",
    "ChatAssistantMessageToolCall",
    "ChatAudioMessageAudio",
    "ChatMessage",
    "Choice",
    "ClosedBy",
    "CompletionTokensDetails",
    "CostDetails",
    "CostSource",
    "ErrorField",
    "ImageData",
    "ImageUsage",
    "InterChunkLatency",
    "LogProbs",
    "ProcessedStreamResponse",
    "PromptTokensDetails",
    "ReasoningDetails",
    "RecordDelta",
    "RecordOrigin",
    "RecordSource",
    "ResponsesMessage",
    "SpeechUsage",
    "Status",
    "ToolCallFunction",
    "TranscriptionUsage",
    "UsageDelta",
    "UsageSource",
]
