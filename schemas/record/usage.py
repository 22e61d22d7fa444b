"""Token usage and cache facts of a record (WIRE §2, §4), every count exact."""

from __future__ import annotations

from schemas.leaves import Count, JsonObject, Number
from schemas.record.part import Part


class CachedWriteTokenDetails(Part):
    """Cache writes by the time that they are kept."""

    cached_write_tokens_5m: Count | None = None
    cached_write_tokens_1h: Count | None = None


class PromptTokensDetails(Part):
    """What prompt_tokens consist of; cached tokens are included in prompt_tokens."""

    text_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None
    cached_read_tokens: Count | None = None
    cached_write_tokens: Count | None = None
    cached_write_token_details: CachedWriteTokenDetails | None = None


class CompletionTokensDetails(Part):
    """What completion_tokens consist of; reasoning tokens are included in completion_tokens."""

    text_tokens: Count | None = None
    accepted_prediction_tokens: Count | None = None
    audio_tokens: Count | None = None
    citation_tokens: Count | None = None
    num_search_queries: Count | None = None
    reasoning_tokens: Count | None = None
    image_tokens: Count | None = None
    rejected_prediction_tokens: Count | None = None


class BifrostCost(Part):
    """Cost in USD as the provider or gateway stated it inside the usage; a bare number is read as total_cost."""

    input_cost: Number | None = None
    input_cost_details: JsonObject | None = None
    output_cost: Number | None = None
    output_cost_details: JsonObject | None = None
    additional_cost: Number | None = None
    additional_cost_details: JsonObject | None = None
    total_cost: Number | None = None


class SampledUsage(Part):
    """What a provider sampled beside an answer."""

    prompt_tokens: Count | None = None
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens: Count | None = None
    completion_tokens_details: CompletionTokensDetails | None = None
    total_tokens: Count | None = None


class BifrostLLMUsage(Part):
    """Usage of any stream type, mapped to these names; null where nobody said (never zeros).

    What was sampled beside the answer is billed too, and is not in the counts at the top, which are the provider's.
    """

    prompt_tokens: Count | None = None
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens: Count | None = None
    completion_tokens_details: CompletionTokensDetails | None = None
    total_tokens: Count | None = None
    cost: BifrostCost | None = None
    inference_geo: str | None = None
    """Where the answer had to be computed, if that was asked for."""
    compaction: SampledUsage | None = None
    """Summaries that the provider made of the conversation so far."""
    advisors: dict[str, SampledUsage] | None = None
    """What the answering model asked others, by their names."""


class SpeechUsage(Part):
    """Usage as speech providers state it."""

    input_tokens: Count | None = None
    input_token_details: JsonObject | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    input_chars: Count | None = None
    audio_seconds: Number | None = None


class TranscriptionUsage(Part):
    """Usage as transcription providers state it, by tokens or by duration (S-TR-5)."""

    type: str | None = None
    input_tokens: Count | None = None
    input_token_details: JsonObject | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    seconds: Number | None = None


class ImageUsage(Part):
    """Usage as image providers state it (S-IMG-7)."""

    input_tokens: Count | None = None
    input_tokens_details: JsonObject | None = None
    output_tokens: Count | None = None
    output_tokens_details: JsonObject | None = None
    total_tokens: Count | None = None


class BifrostCacheDebug(Part):
    """What the gateway's semantic cache did; not the provider's prompt cache."""

    cache_hit: bool | None = None
    cache_id: str | None = None
    hit_type: str | None = None
    requested_provider: str | None = None
    requested_model: str | None = None
    provider_used: str | None = None
    model_used: str | None = None
    input_tokens: Count | None = None
    threshold: Number | None = None
    similarity: Number | None = None
    cache_hit_latency: Number | None = None
