"""Single chunks: documents of CONTRACT §1 with short defaults, and their bytes.

For what the builders of whole streams never make: odd indexes, wrong fields, errors in the wrong place. Any field of
the envelope can be given by name, also a wrong one. A chunk's payload time is 100 ms times its index after the request
was sent (at most 100 hours), unless `sent` says otherwise (ms). Imports the standard library only.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Document = dict[str, Any]

SENT: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When the requests of tests were sent: `start_timestamp` of chunks that have one."""

USAGE: Final = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
HOUR: Final = 3_600_000
"""Of append or payload time, in ms."""
CHAT: Final = "chat.completion"
TEXT: Final = "text.completion"
AUDIO: Final = "audio.speech"
IMAGE: Final = "image.generation"
TRANSCRIPTION: Final = "audio.transcription"
RESPONSES: Final = "responses"


def moment(milliseconds: float) -> str:
    """RFC 3339 time, milliseconds after SENT."""
    return (SENT + timedelta(milliseconds=milliseconds)).isoformat().replace("+00:00", "Z")


def encoded(document: Mapping[str, Any]) -> bytes:
    """A chunk as it lies on the topic."""
    return json.dumps(document).encode()


def chunk(index: int, response: Any = None, *, sent: float | None = None, **envelope: Any) -> Document:
    """A chat chunk of request r-1 with any payload; without one it is a marker."""
    document = {
        "request_id": "r-1",
        "stream_type": CHAT,
        "chunk_index": index,
        "timestamp": moment(100 * min(index, HOUR) if sent is None else sent),
    }
    if response is not None:
        document["response"] = response
    return document | envelope


def marker(index: int, **envelope: Any) -> Document:
    """A bare marker: neither response nor error, is_final unless told."""
    return chunk(index, **({"is_final": True} | envelope))


def chat(
    index: int,
    text: str | None = None,
    *,
    finish: str | None = None,
    usage: Any = None,
    choice: int = 0,
    **envelope: Any,
) -> Document:
    """A chat delta of one choice."""
    choices = [{"index": choice, "delta": {} if text is None else {"content": text}, "finish_reason": finish}]
    return chunk(index, {"choices": choices} | ({} if usage is None else {"usage": usage}), **envelope)


def usage(index: int, counts: Mapping[str, Any] = USAGE, **envelope: Any) -> Document:
    """A chat chunk with usage alone."""
    return chunk(index, {"choices": [], "usage": dict(counts)}, **envelope)


def error(index: int, message: str = "cut", type_: str | None = None, **envelope: Any) -> Document:
    """An error handed in by the gateway."""
    body = {"message": message} | ({} if type_ is None else {"type": type_})
    return chunk(index, error={"is_bifrost_error": False, "status_code": 503, "error": body}, **envelope)


def cancelled(index: int, **envelope: Any) -> Document:
    """An error by which the caller gave up."""
    return error(index, "gone", "request_cancelled", **envelope)


def text(index: int, content: str | None = None, *, finish: str | None = None, **envelope: Any) -> Document:
    """A text completion delta."""
    choices = [{"index": 0, "text": content, "finish_reason": finish}]
    return chunk(index, {"choices": choices}, **({"stream_type": TEXT} | envelope))


def speech(index: int, audio: bytes | None = None, *, type_: str = "speech.audio.delta", **envelope: Any) -> Document:
    """A piece of speech."""
    fields = {"usage": envelope.pop("usage")} if "usage" in envelope else {}
    encoded_audio = None if audio is None else b64encode(audio).decode()
    return chunk(index, {"type": type_, "audio": encoded_audio} | fields, **({"stream_type": AUDIO} | envelope))


def transcript(
    index: int, delta: str | None = None, *, type_: str = "transcript.text.delta", **envelope: Any
) -> Document:
    """A piece of a transcript; `whole` is the text of the closing event."""
    fields = {
        name: envelope.pop(source) for name, source in (("text", "whole"), ("usage", "usage")) if source in envelope
    }
    return chunk(index, {"type": type_, "delta": delta} | fields, **({"stream_type": TRANSCRIPTION} | envelope))


def image(index: int, picture: int | None, data: str | None = None, *, done: bool = False, **envelope: Any) -> Document:
    """A preview of an image, or its finished form."""
    type_ = "image_generation.completed" if done else "image_generation.partial_image"
    fields: Document = {"type": type_} | ({} if data is None else {"b64_json": data})
    if not done:
        fields["partial_image_index"] = index
    if "usage" in envelope:
        fields["usage"] = envelope.pop("usage")
    return chunk(index, fields, **({"stream_type": IMAGE, "image_index": picture} | envelope))


def event(index: int, type_: str, *, fields: Document | None = None, **envelope: Any) -> Document:
    """A Responses API event."""
    return chunk(index, {"type": type_} | (fields or {}), **({"stream_type": RESPONSES} | envelope))
