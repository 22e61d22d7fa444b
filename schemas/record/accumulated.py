"""AccumulatedData, the record of one request, and ProcessedStreamResponse, its envelope in process (CONTRACT §2)."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.chunk import SCHEMA_VERSION, StreamType
from schemas.leaves import Count, Json, Model, Number, RequestId
from schemas.record.billing import Attempt, CostDetails, RecordDelta, UsageSource
from schemas.record.error import BifrostError
from schemas.record.evidence import InterChunkLatency, RecordOrigin, RecordSource
from schemas.record.media import BifrostImageGenerationResponse, BifrostSpeechResponse, BifrostTranscriptionResponse
from schemas.record.message import ChatAssistantMessageToolCall, ChatMessage, Choice, LogProbs, ResponsesMessage
from schemas.record.part import Instant, Lenient, Sha256, Uuid
from schemas.record.status import ClosedBy, Status
from schemas.record.usage import BifrostCacheDebug, BifrostLLMUsage

IndexRange = Annotated[list[Count], Field(min_length=2, max_length=3)]
"""[first, last], both missing; images: [image_index, first, last]."""


class AccumulatedData(Model):
    """The accumulated data of a stream.

    The order of the fields is the order in which a record is written; every field is always there, null if unknown.
    First come the seed's fields in its order, then those that carry identity, evidence and money.
    """

    request_id: RequestId
    model: str | None
    status: Status = Field(strict=False)
    stream: Literal[True]
    latency: Count
    """Milliseconds from start_timestamp to end_timestamp."""
    time_to_first_token: Count
    """Milliseconds to the earliest chunk of any kind, as the seed counts it."""
    start_timestamp: Instant
    end_timestamp: Instant
    output_message: ChatMessage | None
    output_messages: list[ResponsesMessage] | None
    tool_calls: list[ChatAssistantMessageToolCall] | None
    error_details: BifrostError | None
    token_usage: BifrostLLMUsage | None
    """Null where nobody stated a usage, never zeros."""
    cache_debug: Lenient[BifrostCacheDebug] | None
    cost: Number | None
    """USD; null when unknown, never 0 for unknown."""
    audio_output: BifrostSpeechResponse | None
    transcription_output: BifrostTranscriptionResponse | None
    image_generation_output: BifrostImageGenerationResponse | None
    finish_reason: str | None
    raw_response: str | None
    raw_request: Json
    provider: str | None
    stream_type: StreamType = Field(strict=False)

    schema_version: Annotated[int, Field(ge=1, le=SCHEMA_VERSION)]
    record_id: Uuid
    """UUIDv5 of ledger, request_id and revision (schemas.identity)."""
    revision: Count
    supersedes: Uuid | None
    """record_id of the record that this revision replaces."""
    delta: RecordDelta | None
    labels: dict[str, str]
    service_tier: str | None
    origin: RecordOrigin | None
    """Null where no chunk says anything of it."""
    closed_by: ClosedBy = Field(strict=False)
    complete: bool
    """The end was seen and no index is missing."""
    missing_indexes: list[IndexRange]
    truncated: bool
    """Content was cut by max_bytes or max_chunks."""
    content_omitted: str | None
    """Why content was left out: the record's size or the capture setting."""
    chunk_count: Count
    duplicate_count: Count
    conflict_count: Count
    payload_anomalies: Count
    choices: list[Choice] | None
    """Every choice when there are several; output_message is choice 0."""
    logprobs: Lenient[LogProbs] | None
    usage_source: UsageSource | None = Field(strict=False)
    cost_details: CostDetails | None
    attempts: list[Attempt] | None
    """Null when there was one attempt."""
    time_to_first_content: Count | None
    """Milliseconds to the first chunk with content."""
    inter_chunk_latency: InterChunkLatency | None
    source: RecordSource
    config_digest: str
    digest: Sha256
    """SHA-256 of the canonical record."""


RECORD_FIELDS: Final = tuple(AccumulatedData.model_fields)
"""Names of a record's fields in the order in which they are written."""

NOT_CANONICAL: Final = frozenset({"source", "duplicate_count", "conflict_count", "closed_by", "digest"})
"""Fields that the canonical record, and so the digest, leaves out (CONTRACT §2)."""


class ProcessedStreamResponse(Model):
    """What the Accumulator answers to a chunk; data is None until the stream ended."""

    request_id: RequestId
    stream_type: StreamType = Field(strict=False)
    provider: str | None = None
    model: str | None = None
    data: AccumulatedData | None = None
    raw_request: Json = None
