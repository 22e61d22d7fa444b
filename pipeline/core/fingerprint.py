"""Content of a record in the place of which stands its digest: `capture` hash (CONTRACT §5 G7).

Equal answers have equal digests, so that they can be recognised without being known.  The shape of the record stays:

    a text          "sha256:" and 64 hex digits over its UTF-8; null and "" stay
    audio, images   the same over their decoded bytes, so that it is the digest of the file; over the text of what is no
                    base64
    raw request     the same over its JSON with sorted keys
    item, part      type, id, status, role and call_id stay, content and summary keep their parts, every other field is
                    the digest of its text or of its JSON
    anything else   of a message, a transcript or an image is left out: annotations, log-probs, segments and words are
                    lists of short texts, of which a digest would give each away

What is guessed can be confirmed: a digest protects no answer that somebody can write down.  Numbers that are no content
(indexes, usage, times) stay.
Errors quote nothing: see pipeline.core.error.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final

from pipeline.core.error import without_content
from pipeline.core.output import Json
from pipeline.core.text import mend_json

_KEPT: Final = frozenset({"id", "type", "status", "role", "call_id", "index"})
"""Fields of items and parts that say what they are."""

_OF_TRANSCRIPTS: Final = frozenset({"duration", "language", "task", "usage"})
_OF_IMAGES: Final = frozenset({"id", "created", "model", "background", "output_format", "quality", "size", "usage"})


def fingerprint(record: Json) -> None:
    """Replace the content of a record, in place."""
    message, choices = record["output_message"], record["choices"]
    record["output_message"] = _message(message)
    record["choices"] = None if choices is None else [_choice(choice) for choice in choices]
    record["tool_calls"] = None if record["tool_calls"] is None else [_call(call) for call in record["tool_calls"]]
    items = record["output_messages"]
    record["output_messages"] = None if items is None else [_item(item) for item in items]
    record["audio_output"] = _fields(record["audio_output"], {"audio": _media}, frozenset({"usage"}))
    record["transcription_output"] = _fields(record["transcription_output"], {"text": _value}, _OF_TRANSCRIPTS)
    record["image_generation_output"] = _fields(record["image_generation_output"], {"data": _pictures}, _OF_IMAGES)
    record["raw_request"], record["raw_response"] = _value(record["raw_request"]), _value(record["raw_response"])
    record["logprobs"] = None
    record["error_details"] = without_content(record["error_details"])


def _digest(value: bytes) -> str:
    return f"sha256:{sha256(value).hexdigest()}"


def _value(value: Any) -> str | None:
    """The digest of a text or of any other JSON; of nothing there is none."""
    if value is None or value == "":
        return None if value is None else ""
    whole = mend_json(value)
    if not isinstance(whole, str):
        whole = json.dumps(whole, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return _digest(whole.encode())


def _media(value: Any) -> str | None:
    try:
        return _digest(b64decode(value, validate=True)) if isinstance(value, str) and value else _value(value)
    except (binascii.Error, ValueError):
        return _value(value)


def _fields(table: Json | None, content: Mapping[str, Callable[[Any], Any]], kept: frozenset[str]) -> Json | None:
    """A copy of an object with content replaced; beside it only what is kept."""
    if table is None:
        return None
    return {
        name: content[name](value) if name in content else value
        for name, value in table.items()
        if name in content or name in kept
    }


def _message(message: Json | None) -> Json | None:
    content: Mapping[str, Callable[[Any], Any]] = {
        "content": _value,
        "refusal": _value,
        "reasoning": _value,
        "reasoning_details": lambda details: [_rest(detail) for detail in details],
        "tool_calls": lambda calls: [_call(call) for call in calls],
        "audio": _sound,
    }
    return _fields(message, content, frozenset({"role"}))


def _sound(audio: Json) -> Json | None:
    return _fields(audio, {"data": _media, "transcript": _value}, frozenset({"id", "expires_at"}))


def _choice(choice: Json) -> Json:
    kept = {"index": choice["index"], "finish_reason": choice["finish_reason"]}
    return {**kept, "message": _message(choice["message"]), "logprobs": None}


def _call(call: Json) -> Json:
    kept = {name: call.get(name) for name in ("index", "type", "id")}
    return {**kept, "function": {name: _value(call["function"].get(name)) for name in ("name", "arguments")}}


def _pictures(pictures: list[Json]) -> list[Json | None]:
    content = {"b64_json": _media, "url": _value, "revised_prompt": _value}
    return [_fields(each, content, frozenset({"index"})) for each in pictures]


def _item(item: Json) -> Json:
    """An item of the Responses API; unknown fields may hold anything, so they are content."""
    return {
        name: _parts(value) if name in ("content", "summary") else _leaf(name, value) for name, value in item.items()
    }


def _parts(value: Any) -> Any:
    if not isinstance(value, list):
        return _value(value)
    return [_rest(part) if isinstance(part, dict) else _value(part) for part in value]


def _rest(part: Json) -> Json:
    return {name: _leaf(name, value) for name, value in part.items() if name not in ("annotations", "logprobs")}


def _leaf(name: str, value: Any) -> Any:
    """What says which part this is stays; anything else is content."""
    if name in _KEPT and (isinstance(value, str | int) or value is None):
        return value
    return _value(value)
