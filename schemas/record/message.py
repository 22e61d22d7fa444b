"""Messages of a record (WIRE §5, §10)."""

from __future__ import annotations

from schemas.leaves import Integer, Json, JsonObject
from schemas.record.part import Lenient, Part

ResponsesMessage = JsonObject
"""An item of the Responses API, whole: item types that nobody listed survive with all their fields (S-RESP-3)."""


class ToolCallFunction(Part):
    """Function of a tool call; arguments are the model's text, never parsed (S-TOOL-1)."""

    name: str | None = None
    arguments: str | None = None


class ChatAssistantMessageToolCall(Part):
    """A tool call, its fragments joined (S-TOOL-2 to S-TOOL-5)."""

    index: Integer | None = None
    type: str | None = None
    id: str | None = None
    function: ToolCallFunction
    extra_content: JsonObject | None = None
    """The provider's own beside the call, such as the signature of the thought that led to it."""


class ReasoningDetails(Part):
    """Reasoning, its fragments merged by index (S-CHAT-6)."""

    id: str | None = None
    index: Integer | None = None
    type: str | None = None
    summary: str | None = None
    text: str | None = None
    signature: str | None = None
    data: str | None = None
    format: str | None = None
    """Whose data and signature are, where a gateway says so."""


class ChatAudioMessageAudio(Part):
    """Spoken output; data is base64 of the joined bytes (S-CHAT-12)."""

    id: str | None = None
    data: str | None = None
    expires_at: Integer | None = None
    transcript: str | None = None
    mime_type: str | None = None
    """What the bytes are, where the provider says so."""


class ChatMessage(Part):
    """The accumulated message of one choice (S-CHAT-1 to S-CHAT-12).

    From `images` on a field is there only if the provider sent something for it.
    """

    name: str | None = None
    role: str
    content: str | list[JsonObject] | None = None
    refusal: str | None = None
    audio: ChatAudioMessageAudio | None = None
    reasoning: str | None = None
    reasoning_details: list[ReasoningDetails] | None = None
    annotations: list[JsonObject] | None = None
    tool_calls: list[ChatAssistantMessageToolCall] | None = None
    images: list[JsonObject] | None = None
    """Pictures that the model made, in the form of content parts."""
    provider_items: list[JsonObject] | None = None
    """What the provider ran or added by itself, in order, as it wrote it: calls of its own tools, their results, code,
    files.  Calls that the caller has to run are in tool_calls."""
    extra_content: JsonObject | None = None
    """The provider's own beside the message."""
    stop_details: JsonObject | None = None
    """Why it stopped, in the provider's own words: the stop sequence, the category of a refusal, its own reason."""
    citations: list[Json] | None = None
    """Sources in the order in which the text counts them, as far as they are no annotations."""
    search_results: list[JsonObject] | None = None
    search_images: list[JsonObject] | None = None
    """Pictures that a search found."""
    videos: list[JsonObject] | None = None
    upstream_provider: str | None = None
    """Who served the request, where the provider is itself a gateway."""


class LogProbs(Part):
    """Log-probabilities in index order; text completions bring lists of their own beside these (S-CHAT-11)."""

    content: list[JsonObject] | None = None
    refusal: list[JsonObject] | None = None


class Choice(Part):
    """One of n answers (S-CHAT-7)."""

    index: Integer
    message: ChatMessage
    finish_reason: str | None
    logprobs: Lenient[LogProbs] | None
