"""What a person would check on a record, flat and short: the side of the audit that is compared with hand-written text.

Owns the translation of a record into the words of the expectation files. It reads the record as JSON, by its published
field names; binary results become length and hash. Imports the standard library only, above all nothing of the fold.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any, Final

Json = Mapping[str, Any]

PLAIN: Final = (
    "stream_type",
    "provider",
    "model",
    "labels",
    "status",
    "finish_reason",
    "start_timestamp",
    "time_to_first_token",
    "latency",
    "cost",
    "chunk_count",
    "complete",
    "missing_indexes",
)
"""Fields that are compared as they are."""

TOKENS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
PARTS: Final = {
    "cached_read_tokens": ("prompt_tokens_details", "cached_read_tokens"),
    "cached_write_tokens": ("prompt_tokens_details", "cached_write_tokens"),
    "prompt_audio_tokens": ("prompt_tokens_details", "audio_tokens"),
    "prompt_image_tokens": ("prompt_tokens_details", "image_tokens"),
    "reasoning_tokens": ("completion_tokens_details", "reasoning_tokens"),
}
"""Parts of the sums that a bill may price apart, and where a record has them."""


def view(record: Json) -> dict[str, Any]:
    """The record in the words of the expectation files; what it does not have is left out."""
    message = record["output_message"] or {}
    shown = {
        **{name: record[name] for name in PLAIN},
        **_provenance(record["cost"], record["cost_details"]),
        "content": message.get("content"),
        "refusal": message.get("refusal"),
        "reasoning": message.get("reasoning"),
        "tool_calls": [_call(call) for call in record["tool_calls"] or ()] or None,
        "choices": [_choice(choice) for choice in record["choices"] or ()] or None,
        "items": [_item(item) for item in record["output_messages"] or ()] or None,
        "usage": _usage(record["token_usage"]),
        "audio": _binary((record["audio_output"] or {}).get("audio")),
        "transcript": _transcript(record["transcription_output"]),
        "images": [_image(image) for image in (record["image_generation_output"] or {}).get("data", ())] or None,
        "error": _error(record["error_details"]),
    }
    return _known(shown)


def differing(expected: Json, found: Json, prefix: str = "") -> list[str]:
    """Names of the fields that differ, with dots where objects lie in objects; null and absent are the same.

    Names only: values may be content (G7).
    """
    names: list[str] = []
    for name in sorted({*expected, *found}):
        one, other = expected.get(name), found.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            names += differing(one, other, f"{prefix}{name}.")
        elif one != other or isinstance(one, bool) != isinstance(other, bool):
            names.append(prefix + name)
    return names


def _known(fields: Json) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _call(call: Json) -> Json:
    return {"id": call["id"], "name": call["function"]["name"], "arguments": call["function"]["arguments"]}


def _choice(choice: Json) -> Json:
    message = choice["message"]
    return {"index": choice["index"], "finish_reason": choice["finish_reason"], "content": message["content"]}


def _item(item: Json) -> Json:
    """An item of the Responses API: its type, and its texts part by part, or the arguments of a call."""
    if item["type"] == "function_call":
        return {"type": "function_call", "parts": [item["arguments"]]}
    parts = item["summary"] if item["type"] == "reasoning" else item["content"]
    return {"type": item["type"], "parts": [part["text"] for part in parts]}


def _usage(usage: Json | None) -> Json | None:
    """The counts; parts of nothing are left out, because providers differ in whether they write such zeros."""
    if usage is None:
        return None
    parts = {name: (usage.get(table) or {}).get(leaf) for name, (table, leaf) in PARTS.items()}
    return {name: usage.get(name) for name in TOKENS} | {name: count for name, count in parts.items() if count}


def _provenance(cost: Any, details: Json | None) -> Json:
    """Who says the cost, and what was overruled; the reason of a cost that is null is left to the report."""
    found = {} if cost is None or details is None else details
    return {"cost_source": found.get("source"), "cost_reason": found.get("reason")}


def _binary(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        return {"bytes": None, "sha256": "not base64"}
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _transcript(result: Json | None) -> Json | None:
    if result is None:
        return None
    seconds = (result.get("usage") or {}).get("seconds")
    return _known({"text": result["text"], "seconds": seconds, "segments": len(result.get("segments") or ()) or None})


def _image(image: Json) -> Json:
    shown = {"index": image["index"], "url": image.get("url"), "revised_prompt": image.get("revised_prompt")}
    return _known(shown | (_binary(image.get("b64_json")) or {}))


def _error(error: Json | None) -> Json | None:
    return None if error is None else {name: error["error"].get(name) for name in ("type", "message")}
