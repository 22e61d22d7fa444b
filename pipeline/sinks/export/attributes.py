"""The one table of names under which a record stands in OpenTelemetry's logs (ECOSYSTEM §4).

The GenAI names still move, so they are written here and nowhere else, and no library's constants are used; what has no
name there is `streamledger.*`. Owns names and values. Imports entries and the core's cost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pipeline.core.cost import plain
from pipeline.sinks.export.entry import Entry
from schemas.chunk import StreamType

EVENT: Final = "gen_ai.client.inference.operation.details"
"""Name of the event that a record is."""

MESSAGES: Final = "gen_ai.output.messages"
"""What was answered; only where content is asked for."""

PROVIDERS: Final = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""Our names of providers and the well-known ones, where they differ."""

_OPERATIONS: Final = {
    StreamType.TEXT: "text_completion",
    StreamType.CHAT: "chat",
    StreamType.RESPONSES: "chat",
    StreamType.AUDIO: "generate_content",
    StreamType.TRANSCRIPTION: "generate_content",
    StreamType.IMAGE: "generate_content",
}
_OUTPUTS: Final = {StreamType.AUDIO: "speech", StreamType.TRANSCRIPTION: "text", StreamType.IMAGE: "image"}
_OTHER: Final = "_OTHER"

Take = Callable[[Entry], Any]


class Attribute(NamedTuple):
    """One attribute: its name, and its value out of an entry; None is left out."""

    name: str
    take: Take


def attributes_of(entry: Entry) -> dict[str, Any]:
    """The attributes of a record by name; counts and costs of an amendment are the change that it makes."""
    found = {attribute.name: attribute.take(entry) for attribute in TABLE}
    return {name: value for name, value in found.items() if value is not None}


def finish_reasons(entry: Entry) -> list[str] | None:
    """One for each choice; `error` where a stream ended before its end."""
    choices = entry.record.get("choices") or [{"finish_reason": entry.record.get("finish_reason")}]
    early = None if entry.record["status"] == "success" else "error"
    reasons = [choice.get("finish_reason") or early for choice in choices if isinstance(choice, dict)]
    return [reason for reason in reasons if reason is not None] or None


def _record(*path: str) -> Take:
    return lambda entry: entry.inside(*path)


def _count(name: str) -> Take:
    return lambda entry: entry.tokens.get(name)


def _seconds(name: str) -> Take:
    def take(entry: Entry) -> float | None:
        milliseconds = entry.record.get(name)
        return None if milliseconds is None else milliseconds / 1_000

    return take


def _provider(entry: Entry) -> str | None:
    provider = entry.record.get("provider")
    return None if provider is None else PROVIDERS.get(provider, provider)


def _error(entry: Entry) -> str | None:
    if entry.record.get("error_details") is None:
        return None
    return entry.inside("error_details", "error", "type") or entry.inside("error_details", "type") or _OTHER


def _cost(entry: Entry) -> str | None:
    return None if entry.cost is None else plain(entry.cost)


def _labels(entry: Entry) -> dict[str, Any] | None:
    return entry.record["labels"] or None


def _part(name: str) -> Take:
    """A part of a whole's cost; the parts of a change are not known."""
    return lambda entry: None if entry.amendment else entry.inside("cost_details", name)


TABLE: Final = (
    Attribute("gen_ai.operation.name", lambda entry: _OPERATIONS.get(entry.record["stream_type"])),
    Attribute("gen_ai.output.type", lambda entry: _OUTPUTS.get(entry.record["stream_type"])),
    Attribute("gen_ai.provider.name", _provider),
    Attribute("gen_ai.request.model", _record("model")),
    Attribute("gen_ai.response.id", _record("origin", "response_id")),
    Attribute("gen_ai.request.stream", _record("stream")),
    Attribute("gen_ai.response.finish_reasons", finish_reasons),
    Attribute("gen_ai.response.time_to_first_chunk", _seconds("time_to_first_token")),
    Attribute("gen_ai.client.operation.duration", _seconds("latency")),
    Attribute("gen_ai.usage.input_tokens", _count("input")),
    Attribute("gen_ai.usage.output_tokens", _count("output")),
    Attribute("gen_ai.usage.cache_read.input_tokens", _count("cache_read")),
    Attribute("gen_ai.usage.cache_write.input_tokens", _count("cache_write")),
    Attribute("gen_ai.usage.reasoning.output_tokens", _count("reasoning")),
    Attribute("gen_ai.usage.text.input_tokens", _count("text_input")),
    Attribute("gen_ai.usage.audio.input_tokens", _count("audio_input")),
    Attribute("gen_ai.usage.image.input_tokens", _count("image_input")),
    Attribute("gen_ai.usage.text.output_tokens", _count("text_output")),
    Attribute("gen_ai.usage.audio.output_tokens", _count("audio_output")),
    Attribute("gen_ai.usage.image.output_tokens", _count("image_output")),
    Attribute("gen_ai.usage.cost", lambda entry: None if entry.cost is None else float(entry.cost)),
    Attribute("error.type", _error),
    Attribute("streamledger.event.id", lambda entry: entry.id),
    Attribute("streamledger.request.id", _record("request_id")),
    Attribute("streamledger.record.id", _record("record_id")),
    Attribute("streamledger.revision", _record("revision")),
    Attribute("streamledger.supersedes", _record("supersedes")),
    Attribute("streamledger.delta", lambda entry: entry.amendment),
    Attribute("streamledger.stream_type", _record("stream_type")),
    Attribute("streamledger.status", _record("status")),
    Attribute("streamledger.service_tier", _record("service_tier")),
    Attribute("streamledger.usage.total_tokens", _count("total")),
    Attribute("streamledger.usage.source", _record("usage_source")),
    Attribute("streamledger.cost.total", _cost),
    Attribute("streamledger.cost.input", _part("input")),
    Attribute("streamledger.cost.output", _part("output")),
    Attribute("streamledger.cost.source", _record("cost_details", "source")),
    Attribute("streamledger.cost.reason", _record("cost_details", "reason")),
    Attribute("streamledger.cost.price_id", _record("cost_details", "price_id")),
    Attribute("streamledger.cost.price_version", _record("cost_details", "price_version")),
    Attribute("streamledger.cache.hit", _record("cache_debug", "cache_hit")),
    Attribute("streamledger.labels", _labels),
    Attribute("streamledger.closed_by", _record("closed_by")),
    Attribute("streamledger.complete", _record("complete")),
    Attribute("streamledger.chunk_count", _record("chunk_count")),
    Attribute("streamledger.duplicate_count", _record("duplicate_count")),
    Attribute("streamledger.digest", _record("digest")),
    Attribute("streamledger.source.topic", _record("source", "topic")),
    Attribute("streamledger.source.partition", _record("source", "partition")),
    Attribute("streamledger.source.first_offset", _record("source", "first_offset")),
    Attribute("streamledger.source.last_offset", _record("source", "last_offset")),
)
"""In the order in which they are written."""
