"""One dead letter as a document: what it says of itself, what it means, what can be done; content only if asked for.

Imports its siblings.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

from pipeline.ops.dead.advice import advice
from pipeline.ops.dead.letter import Letter, Receipt
from pipeline.ops.explain.ending import append_time

Json = dict[str, Any]

TRACE: Final = "traceparent"
"""The one header of a producer whose value is no content."""


def line(letter: Letter, sent: str | None) -> Json:
    """A letter as one line of `dead ls --list`; `sent`: the way it went back."""
    return {
        "place": str(letter.place),
        "reason": letter.reason,
        "detail": letter.detail,
        "request_id": letter.keyed,
        "bytes": None if letter.value is None else len(letter.value),
        "at": append_time(letter.at),
        "redriven": sent,
        "returned_from": letter.returned,
    }


def document(letter: Letter, receipt: Receipt | None, *, content: bool) -> Json:
    """All that `dead show` tells of a letter."""
    told, source = advice(letter.reason), letter.source
    return {
        **line(letter, None if receipt is None else receipt.way.value),
        "redriven_at": None if receipt is None else append_time(receipt.at),
        "named_request_id": letter.named,
        "source": {
            "topic": source.topic,
            "partition": source.partition,
            "offset": source.offset,
            "append_time": append_time(source.timestamp) if source.timestamp else None,
        },
        "headers": [_header(name, value, content=content) for name, value in letter.headers],
        "meaning": told.meaning,
        "remedy": told.remedy,
        "again": told.again.value,
        **(_content(letter.value) if content else {}),
    }


def _header(name: str, value: bytes | None, *, content: bool) -> Json:
    """A header of the producer's; its value may be anything."""
    told: Json = {"name": name, "bytes": len(value or b"")}
    if content or name == TRACE:
        told["value"] = None if value is None else value.decode(errors="backslashreplace")
    return told


def _content(value: bytes | None) -> Json:
    """The value: as text, or in base64 where it is none."""
    if value is None:
        return {"value": None}
    try:
        return {"value": value.decode()}
    except UnicodeDecodeError:
        return {"value": None, "value_base64": b64encode(value).decode()}
