"""Chat and text completion payloads (WIRE §5, §6)."""

from __future__ import annotations

from schemas.leaves import Base64, Integer, Json, JsonObject, Model
from schemas.payload.extra import ExtraFields


class FunctionDelta(Model):
    """A fragment of a tool call's function; arguments are text, never parsed (S-TOOL-1)."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(Model):
    """A fragment of a tool call (S-TOOL-2, S-TOOL-3)."""

    index: Integer | None = None
    type: str | None = None
    id: str | None = None
    function: FunctionDelta | None = None
    extra_content: JsonObject | None = None
    """The provider's own beside the call, such as the signature of the thought that led to it."""


class ReasoningDetail(Model):
    """A fragment of reasoning (S-CHAT-6)."""

    index: Integer | None = None
    type: str | None = None
    id: str | None = None
    text: str | None = None
    summary: str | None = None
    signature: str | None = None
    data: str | None = None
    format: str | None = None
    """Whose data and signature are, where a gateway says so: they can be sent back only there."""


class AudioDelta(Model):
    """A fragment of spoken output; data is bytes, each fragment padded on its own (S-CHAT-12)."""

    id: str | None = None
    data: Base64 | None = None
    expires_at: Integer | None = None
    transcript: str | None = None
    mime_type: str | None = None
    """What the bytes are where the caller could not choose it, such as audio/L16;rate=24000."""


class ChatDelta(Model):
    """What one chunk adds to a choice; reasoning_content is an alias of reasoning (S-CHAT-5)."""

    role: str | None = None
    content: str | list[JsonObject] | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    tool_calls: list[ToolCallDelta] | None = None
    annotations: list[JsonObject] | None = None
    audio: AudioDelta | None = None
    images: list[JsonObject] | None = None
    """Pictures, each whole, in the form of content parts: {type: image_url, image_url: {url}}."""
    provider_items: list[JsonObject] | None = None
    """What the provider ran or added by itself, as it wrote it: calls of its own tools, their results, code, files."""
    extra_content: JsonObject | None = None
    """The provider's own beside the message."""


class ChatChoice(Model):
    """One of n answers; `text` is the content of text completions only (S-CHAT-2, S-TEXT-1)."""

    index: Integer | None = None
    delta: ChatDelta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: JsonObject | None = None
    stop_details: JsonObject | None = None
    """Why it stopped, in the provider's own words; read beside a finish_reason."""


class ChatResponse(Model):
    """chat.completion.chunk or text_completion."""

    id: str | None = None
    created: Integer | None = None
    model: str | None = None
    service_tier: str | None = None
    speed: str | None = None
    """Anthropic's: a fast answer has prices of its own."""
    inference_geo: str | None = None
    """Anthropic's: an answer that was kept in a country costs more."""
    system_fingerprint: str | None = None
    choices: list[ChatChoice] | None = None
    usage: JsonObject | None = None
    error: Json = None
    extra_fields: ExtraFields | None = None
    provider: str | None = None
    """Who served the request behind a gateway of gateways."""
    citations: list[Json] | None = None
    search_results: list[JsonObject] | None = None
    images: list[JsonObject] | None = None
    videos: list[JsonObject] | None = None
    x_groq: JsonObject | None = None
    """Where Groq writes usage and errors of a stream."""
