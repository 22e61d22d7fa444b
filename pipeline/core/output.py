"""What a stream type's fold gives for the chunks of one attempt."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Output:
    """The accumulated output of one attempt; null fields were not part of the stream.

    Attributes:
        output_message: choice 0 as a ChatMessage (chat, text completion).
        output_messages: items of the Responses API, in output order.
        tool_calls: those of output_message, or function calls of the Responses API in the same shape.
        choices: every choice when there is more than one.
        logprobs: content and refusal lists in index order.
        finish_reason: the provider's word, unchanged.
        error: an in-band error in the shape of a BifrostError (S-ERR-5).
        incomplete: the provider itself says that it was cut or cancelled.
        terminal: the terminal event of the stream type was seen (text and chat: a finish_reason).
        content_times: timestamps of the chunks with content, in fold order.
        anomalies: odd leaves found while folding.
        hidden: characters of content that was not stored (limits, capture).
    """

    output_message: Json | None = None
    output_messages: list[Json] | None = None
    tool_calls: list[Json] | None = None
    audio_output: Json | None = None
    transcription_output: Json | None = None
    image_generation_output: Json | None = None
    choices: list[Json] | None = None
    logprobs: Json | None = None
    finish_reason: str | None = None
    error: Json | None = None
    incomplete: bool = False
    terminal: bool = False
    content_times: list[datetime] = field(default_factory=list)
    anomalies: int = 0
    hidden: int = 0
