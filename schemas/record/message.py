"""Messages of a record (WIRE §5, §10)."""

from __future__ import annotations

from schemas.leaves import Integer, JsonObject
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


class ReasoningDetails(Part):
    """Reasoning, its fragments merged by index (S-CHAT-6)."""

    id: str | None = None
    index: Integer | None = None
    type: str | None = None
    summary: str | None = None
    text: str | None = None
    signature: str | None = None
    data: str | None = None


class ChatAudioMessageAudio(Part):
    """Spoken output; data is base64 of the joined bytes (S-CHAT-12)."""

    id: str | None = None
    data: str | None = None
    expires_at: Integer | None = None
    transcript: str | None = None


class ChatMessage(Part):
    """The accumulated message of one choice (S-CHAT-1 to S-CHAT-12)."""

    name: str | None = None
    role: str
    content: str | list[JsonObject] | None = None
    refusal: str | None = None
    audio: ChatAudioMessageAudio | None = None
    reasoning: str | None = None
    reasoning_details: list[ReasoningDetails] | None = None
    annotations: list[JsonObject] | None = None
    tool_calls: list[ChatAssistantMessageToolCall] | None = None


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
