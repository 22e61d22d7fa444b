"""What one chunk brings: lengths of its content, and everything else by value.

What counts as usage, finish, cost or error is the fold's own word on the chunk alone. Content is told by its length
(CONTRACT G7) and shown only where it was asked for. Imports the core.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from pipeline.core.facts import Attempt, attempt_of
from pipeline.core.signs import KINDS, SIGNS
from pipeline.core.timing import rfc3339
from schemas.chunk import Chunk, StreamType

Json = dict[str, Any]
Piece = tuple[str, str | bytes]

_WORD: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}", re.ASCII)
_EVENT_TEXTS: Final = ("delta", "text", "refusal", "arguments", "input", "command", "diff", "signature")
_EVENT_OBJECTS: Final = ("item", "part", "annotation", "output")


def word(text: object) -> str | None:
    """A name as it is when it looks like one: model output can stand where a name should, and is told by its length."""
    if text is None:
        return None
    if isinstance(text, str) and _WORD.fullmatch(text):
        return text
    return f"<{len(text)} characters>" if isinstance(text, str) else f"<{type(text).__name__}>"


def alone(chunk: Chunk) -> Attempt:
    """The fold of one chunk by itself."""
    return attempt_of(max(chunk.attempt, 0), [chunk], chunk.stream_type)


def kind_of(chunk: Chunk) -> str:
    """data, usage, error or marker (CONTRACT §1)."""
    return KINDS[SIGNS[chunk.stream_type](chunk).kind]


def contribution(chunk: Chunk, *, content: bool) -> Json:
    """What a chunk brings, without what it does not have.

    Args:
        chunk: as it lay on the topic.
        content: show texts, not only their lengths.
    """
    folded = alone(chunk)
    pieces = list(_pieces(chunk))
    error = folded.error
    envelope: Any = chunk
    brought: Json = {
        "event": word(getattr(chunk.response, "type", None)),
        "role": word(next(_roles(chunk), None)),
        "choices": _choices(chunk),
        "characters": _lengths(pieces, str),
        "bytes": _lengths(pieces, bytes),
        "tool_calls": [_call(call) for call in folded.output.tool_calls or ()],
        "usage": folded.token_usage,
        "finish_reason": word(None if chunk.error is not None else folded.output.finish_reason),
        "terminal": SIGNS[chunk.stream_type](chunk).terminal,
        "error": None if error is None else error_of(error, content=content),
        "final": chunk.is_final,
        "provider": chunk.provider,
        "model": folded.model,
        "service_tier": word(folded.service_tier),
        "cache_debug": folded.cache_debug is not None,
        "labels": dict(chunk.labels),
        "start_timestamp": None if chunk.start_timestamp is None else rfc3339(chunk.start_timestamp),
        "raw_request": chunk.raw_request is not None,
        "anomalies": envelope.anomalies + folded.anomalies,
    }
    known = {name: value for name, value in brought.items() if value not in (None, False, 0, [], {})}
    if chunk.cost is not None:
        known["cost"] = chunk.cost  # a cost of 0 is a statement
    if content and pieces:
        known["content"] = {name: text if isinstance(text, str) else f"<{len(text)} bytes>" for name, text in pieces}
    return known


def error_of(error: Json, *, content: bool) -> Json:
    """An error in normal form by its codes; its message may quote content."""
    body = error["error"]
    message = body.get("message") or ""
    told = {
        "type": word(body.get("type") or error.get("type")),
        "code": word(body.get("code")),
        "status_code": error.get("status_code"),
        "message_characters": len(message),
    }
    if content:
        told["message"] = message
    return {name: value for name, value in told.items() if value is not None}


def _call(call: Json) -> Json:
    function = call["function"]
    return {
        "index": call["index"],
        "name": word(function.get("name")),
        "characters": len(function.get("arguments") or ""),
    }


def _lengths(pieces: list[Piece], kind: type) -> dict[str, int]:
    """Lengths by name of the pieces of one kind; pieces of one name count together."""
    found: dict[str, int] = {}
    for name, piece in pieces:
        if isinstance(piece, kind):
            found[name] = found.get(name, 0) + len(piece)
    return found


def _roles(chunk: Any) -> Iterator[str]:
    if chunk.stream_type in (StreamType.CHAT, StreamType.TEXT) and chunk.response is not None:
        for choice in chunk.response.choices or ():
            if choice.delta is not None and choice.delta.role:
                yield choice.delta.role


def _choices(chunk: Any) -> list[int]:
    """Choices other than 0 alone that a chunk speaks of."""
    listed = getattr(chunk.response, "choices", None) or ()
    indexes = sorted({choice.index or 0 for choice in listed})
    return [] if indexes == [0] else indexes


def _pieces(chunk: Any) -> Iterator[Piece]:
    """The content of a chunk, piece by piece, under the names of its payload."""
    if chunk.response is not None:
        yield from _PIECES[chunk.stream_type](chunk.response)


def _chat_pieces(response: Any) -> Iterator[Piece]:
    for choice in response.choices or ():
        where = f"choice {choice.index} " if choice.index else ""
        if choice.text:
            yield f"{where}text", choice.text
        if choice.delta is not None:
            for name, piece in _delta_pieces(choice.delta):
                yield f"{where}{name}", piece


def _delta_pieces(delta: Any) -> Iterator[Piece]:
    texts = {
        "text": delta.content,
        "refusal": delta.refusal,
        "reasoning": delta.reasoning or delta.reasoning_content,
        "reasoning_details": [msgspec.to_builtins(detail) for detail in delta.reasoning_details or ()],
        "annotations": delta.annotations,
        "arguments": "".join(
            call.function.arguments or "" for call in delta.tool_calls or () if call.function is not None
        ),
    }
    for name, text in texts.items():
        if text:
            yield name, text if isinstance(text, str) else _json(text)
    if delta.audio is not None and delta.audio.data:
        yield "audio", delta.audio.data
    if delta.audio is not None and delta.audio.transcript:
        yield "transcript", delta.audio.transcript


def _speech_pieces(response: Any) -> Iterator[Piece]:
    if response.audio:
        yield "audio", response.audio


def _transcription_pieces(response: Any) -> Iterator[Piece]:
    for name in ("delta", "text"):
        if getattr(response, name):
            yield "transcript", getattr(response, name)


def _image_pieces(response: Any) -> Iterator[Piece]:
    if response.b64_json:
        yield "image_base64", response.b64_json.encode(errors="replace")
    for name in ("url", "revised_prompt"):
        if getattr(response, name):
            yield name, getattr(response, name)


def _responses_pieces(event: Any) -> Iterator[Piece]:
    for name in _EVENT_TEXTS:
        value = getattr(event, name)
        if value:
            yield "text" if name == "delta" else name, value if isinstance(value, str) else _json(value)
    for name in _EVENT_OBJECTS:
        if getattr(event, name):
            yield name, _json(getattr(event, name))


def _json(value: object) -> str:
    """An object as JSON text; half a character in it is replaced."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return repr(value)


_PIECES: Final[dict[str, Callable[[Any], Iterator[Piece]]]] = {
    StreamType.TEXT: _chat_pieces,
    StreamType.CHAT: _chat_pieces,
    StreamType.AUDIO: _speech_pieces,
    StreamType.TRANSCRIPTION: _transcription_pieces,
    StreamType.IMAGE: _image_pieces,
    StreamType.RESPONSES: _responses_pieces,
}
