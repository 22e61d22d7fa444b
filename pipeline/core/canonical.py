"""Bytes of a record: canonical form, digest, size limit (CONTRACT §2).

UTF-8 JSON in schema order, nulls written.  The canonical record leaves out what depends on delivery: source, counts of
repeats and conflicts, closed_by and the digest itself.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import msgspec

from pipeline.core.text import mend_json
from schemas.record import NOT_CANONICAL

_RAW: Final = ("raw_response", "raw_request")
_CONTENT: Final = (
    "output_message",
    "output_messages",
    "tool_calls",
    "audio_output",
    "transcription_output",
    "image_generation_output",
    "choices",
    "logprobs",
    "error_details",
)

_LINE_ENDS: Final = tuple((c.encode(), f"\\u{ord(c):04x}".encode()) for c in "\x85\u2028\u2029")
"""Characters that many readers of text take for the end of a line, and their escapes."""

_encode: Final = msgspec.json.Encoder().encode

Json = dict[str, Any]


def canonical(record: Json) -> bytes:
    """The canonical record."""
    kept = dict(record)
    for name in NOT_CANONICAL:
        kept.pop(name, None)
    return encode(kept)


def encode(record: Json) -> bytes:
    """A record as one line of JSON; lone surrogates become U+FFFD, split pairs are joined (S-CHAT-9)."""
    try:
        value = _encode(record)
    except UnicodeEncodeError:
        value = _encode(mend_json(record))
    if value.isascii():
        return value
    for character, escape in _LINE_ENDS:
        value = value.replace(character, escape)
    return value


def seal(record: Json, source: Json, *, limit: int) -> bytes:
    """Add source and digest, shed what is too large, encode.

    Args:
        record: changed in place.
        source: topic, partition, first_offset, last_offset.
        limit: bytes; raw payloads go first, then content, never money or evidence.
    """
    record["source"] = source
    record["digest"] = ""
    value = _sealed(record)
    for names, label in ((_RAW, "raw"), (_CONTENT, "content")):
        if len(value) <= limit:
            break
        for name in names:
            record[name] = None
        record["content_omitted"] = label
        value = _sealed(record)
    return value


def _sealed(record: Json) -> bytes:
    record["digest"] = sha256(canonical(record)).hexdigest()
    return encode(record)
