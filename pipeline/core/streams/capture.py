"""What stays of a payload when its content may not be kept: `capture` and the limits of a request (CONTRACT §4, §5 G7).

Usage, finish_reason, choice and item indexes, types, ids, errors, service tier and cache_debug stay.
Imports the contract and the standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, Final

from pipeline.core.output import Json
from schemas.chunk import StreamType
from schemas.payload import (
    ChatChoice,
    ChatDelta,
    ChatResponse,
    ExtraFields,
    ImageResponse,
    ResponsesEvent,
    SpeechResponse,
    TranscriptionResponse,
)

DELTA: Final = (
    *("content", "refusal", "reasoning", "reasoning_content", "reasoning_details"),
    *("tool_calls", "annotations", "audio", "images", "provider_items", "extra_content"),
)
"""Fields of a delta that are content."""

_BESIDE: Final = ("citations", "search_results", "images", "videos")
_GROQ_KEPT: Final = ("id", "usage", "error")
_EVENT: Final = (
    *("delta", "text", "refusal", "arguments", "input", "command", "diff", "output", "name"),
    *("signature", "annotation", "logprobs", "partial_image_b64", "citations", "search_results", "videos"),
)
_ITEM_KEPT: Final = ("id", "type", "status", "role")
_RESPONSE_KEPT: Final = (
    *("id", "object", "created_at", "completed_at", "model", "status", "usage", "error"),
    *("incomplete_details", "service_tier", "speed", "stop_reason"),
)


def _bare_chat(response: ChatResponse) -> ChatResponse:
    bare = copy(response)
    if response.choices is not None:
        bare.choices = [_bare_choice(choice) for choice in response.choices]
    _clear(bare, _BESIDE)
    bare.x_groq = _only(response.x_groq, _GROQ_KEPT)
    bare.extra_fields = _bare_extra(response.extra_fields)
    return bare


def _bare_choice(choice: ChatChoice) -> ChatChoice:
    bare = copy(choice)
    bare.text = bare.logprobs = bare.stop_details = None
    if choice.delta is not None:
        delta: ChatDelta = copy(choice.delta)
        _clear(delta, DELTA)
        bare.delta = delta
    return bare


def _bare_speech(response: SpeechResponse) -> SpeechResponse:
    bare = copy(response)
    bare.audio = None
    bare.extra_fields = _bare_extra(response.extra_fields)
    return bare


def _bare_transcription(response: TranscriptionResponse) -> TranscriptionResponse:
    bare = copy(response)
    _clear(bare, ("delta", "text", "logprobs", "segments", "words", "speaker"))
    bare.extra_fields = _bare_extra(response.extra_fields)
    return bare


def _bare_image(response: ImageResponse) -> ImageResponse:
    bare = copy(response)
    _clear(bare, ("b64_json", "url", "revised_prompt"))
    bare.extra_fields = _bare_extra(response.extra_fields)
    return bare


def _bare_responses(event: ResponsesEvent) -> ResponsesEvent:
    bare = copy(event)
    _clear(bare, _EVENT)
    if event.type != "error":
        _clear(bare, ("code", "message", "param"))
    bare.item = _bare_item(event.item)
    bare.part = _only(event.part, ("type",))
    bare.response = _only(event.response, _RESPONSE_KEPT)
    bare.extra_fields = _bare_extra(event.extra_fields)
    return bare


def _bare_item(item: Json | None) -> Json | None:
    """What an action was stays, because a search is billed and the opening of a page is not; what it was about goes."""
    bare = _only(item, _ITEM_KEPT)
    if bare is not None and item is not None and isinstance(item.get("action"), dict):
        bare["action"] = _only(item["action"], ("type",))
    return bare


def _bare_extra(extra: ExtraFields | None) -> ExtraFields | None:
    """Raw requests and responses are content too."""
    if extra is None:
        return None
    bare = copy(extra)
    bare.raw_request = bare.raw_response = None
    return bare


def _clear(payload: Any, names: tuple[str, ...]) -> None:
    for name in names:
        setattr(payload, name, None)


def _only(value: Json | None, names: tuple[str, ...]) -> Json | None:
    return None if value is None else {name: value[name] for name in names if name in value}


STRIP: Final[dict[str, Callable[[Any], Any]]] = {
    StreamType.TEXT: _bare_chat,
    StreamType.CHAT: _bare_chat,
    StreamType.AUDIO: _bare_speech,
    StreamType.IMAGE: _bare_image,
    StreamType.TRANSCRIPTION: _bare_transcription,
    StreamType.RESPONSES: _bare_responses,
}
"""A copy of a payload without its content, by stream type; folding it raises nothing and erases nothing."""
