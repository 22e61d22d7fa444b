"""A record turned back into the response that the provider would have given without streaming (WIRE §11).

Works on the record as it is written, a JSON object; imports the contract and the standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from pipeline.core.error import is_cancelled
from pipeline.core.output import Json
from schemas.chunk import StreamType
from schemas.leaves import parse_timestamp

_REQUEST_TYPES: Final = {
    StreamType.TEXT: "text_completion",
    StreamType.CHAT: "chat_completion",
    StreamType.AUDIO: "speech",
    StreamType.IMAGE: "image_generation",
    StreamType.TRANSCRIPTION: "transcription",
    StreamType.RESPONSES: "responses",
}
_SOURCES: Final = ("search_results", "videos", "citations")
"""Fields that a response has beside its choices (WIRE §5), a record in its message."""

_EXTRA: Final = ("raw_request", "raw_response", "cache_debug")
_RESPONSES_NAMES: Final = {
    "prompt_tokens": "input_tokens",
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens": "output_tokens",
    "completion_tokens_details": "output_tokens_details",
    "total_tokens": "total_tokens",
}
_STATUSES: Final = {"success": "completed", "error": "failed", "incomplete": "incomplete"}


def to_response(record: Json) -> Json:
    """The response of a record: the seed's ToBifrostResponse.

    Args:
        record: AccumulatedData as a JSON object.

    Returns:
        A chat or text completion with all its choices, a speech, transcription or image result, or a Responses API
        response; with `extra_fields` of the names that non-streaming responses have.
    """
    stream_type = StreamType(record["stream_type"])
    return {**_BUILDERS[stream_type](record), "extra_fields": _extra(record, _REQUEST_TYPES[stream_type])}


def _extra(record: Json, request_type: str) -> Json:
    fields = {
        "request_type": request_type,
        "provider": record.get("provider"),
        "model_requested": record.get("model"),
        "latency": record.get("latency"),
    }
    return fields | {name: record[name] for name in _EXTRA if record.get(name) is not None}


def _seconds(moment: str | datetime) -> int:
    """Whole seconds since the epoch."""
    return int((parse_timestamp(moment) if isinstance(moment, str) else moment).timestamp() // 1)


def _choices(record: Json) -> list[Json]:
    """Every choice of the record, also when there was only one and the record lists none."""
    if record.get("choices"):
        listed: list[Json] = record["choices"]
        return listed
    if record.get("output_message") is None:
        return []
    alone = {name: record.get(name) for name in ("finish_reason", "logprobs")}
    return [{"index": 0, **alone, "message": record["output_message"]}]


def _completion(record: Json, object_: str, choices: list[Json]) -> Json:
    response = {
        "id": record["request_id"],
        "choices": choices,
        "created": _seconds(record["start_timestamp"]),
        "model": record.get("model"),
        "object": object_,
    }
    if record.get("service_tier") is not None:
        response["service_tier"] = record["service_tier"]
    return {**response, "usage": _chat_usage(record.get("token_usage"))}


def _chat(record: Json) -> Json:
    choices = [
        {name: choice.get(name) for name in ("index", "finish_reason", "logprobs", "message")}
        for choice in _choices(record)
    ]
    message = record.get("output_message") or {}
    sources = {name: message[name] for name in _SOURCES if message.get(name)}
    return _completion(record, "chat.completion", choices) | sources


def _text(record: Json) -> Json:
    choices = [
        {name: choice.get(name) for name in ("index", "finish_reason", "logprobs")}
        | {"text": choice["message"].get("content") or ""}
        for choice in _choices(record)
    ]
    return _completion(record, "text_completion", choices)


def _chat_usage(usage: Json | None) -> Json | None:
    """Usage under the names of chat completions; cached tokens also under the name that OpenAI clients read."""
    if usage is None or not isinstance(usage.get("prompt_tokens_details"), dict):
        return usage
    return {**usage, "prompt_tokens_details": _cached(usage["prompt_tokens_details"])}


def _cached(details: Json) -> Json:
    read = details.get("cached_read_tokens")
    return details if read is None else {**details, "cached_tokens": read}


def _speech(record: Json) -> Json:
    return {"audio": None, "usage": None, **(record.get("audio_output") or {})}


def _transcription(record: Json) -> Json:
    return {"text": "", **(record.get("transcription_output") or {})}


def _image(record: Json) -> Json:
    output = record.get("image_generation_output") or {}
    named = {"id": record["request_id"], "created": _seconds(record["start_timestamp"]), "model": record.get("model")}
    return {**named, **output, "data": output.get("data") or []}


def _responses(record: Json) -> Json:
    error = record.get("error_details")
    status = _STATUSES[record["status"]]
    if error is not None and is_cancelled(error):
        status = "cancelled"
    cut = status == "incomplete" and record.get("finish_reason")
    body = (error or {}).get("error", {})
    response = {
        "id": record["request_id"],
        "object": "response",
        "created_at": _seconds(record["start_timestamp"]),
        "model": record.get("model"),
        "status": status,
        "output": record.get("output_messages") or [],
        "usage": _responses_usage(record.get("token_usage")),
        "error": None if error is None else {"code": body.get("code"), "message": body.get("message")},
        "incomplete_details": {"reason": cut} if cut else None,
    }
    if record.get("service_tier") is not None:
        response["service_tier"] = record["service_tier"]
    return response


def _responses_usage(usage: Json | None) -> Json | None:
    """Usage under the names of the Responses API."""
    if usage is None:
        return None
    renamed: Json = {_RESPONSES_NAMES.get(name, name): value for name, value in usage.items()}
    renamed = {name: renamed.get(name) for name in _RESPONSES_NAMES.values()} | renamed
    if isinstance(renamed["input_tokens_details"], dict):
        renamed["input_tokens_details"] = _cached(renamed["input_tokens_details"])
    return renamed


_BUILDERS: Final[dict[StreamType, Callable[[Json], Json]]] = {
    StreamType.TEXT: _text,
    StreamType.CHAT: _chat,
    StreamType.AUDIO: _speech,
    StreamType.IMAGE: _image,
    StreamType.TRANSCRIPTION: _transcription,
    StreamType.RESPONSES: _responses,
}
