"""One frame of a stream → its payloads: at once where it is plain, else by the reader of recordings.

Owns the short way, which may refuse what the long way takes but never reads it differently. Imports this room only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from pipeline.ingest.leaf import Payload
from pipeline.ingest.messages import Fault, Message, read
from pipeline.ingest.sse import events

_DATA: Final = b"data: {"
_PLAIN: Final = re.compile(rb"event: ?([^\r\n]*)\r?\ndata: ?(\{[^\r\n]*\})[\r\n]*\Z")
"""The two forms that nearly all events have."""
_decode: Final = msgspec.json.Decoder(Payload).decode


def payloads(frame: bytes) -> Iterable[Message | Fault]:
    """What a frame holds: a payload, [DONE], something that can't be read, or nothing (a comment)."""
    try:
        if frame.startswith(_DATA) and frame.find(b"\n") == len(frame) - 2 and b"\r" not in frame:
            return (Message(None, _decode(frame[len(_DATA) - 1 :])),)
        plain = _PLAIN.match(frame)
        if plain is not None:
            return (Message(plain[1].decode(), _decode(plain[2])),)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # half a character, NaN, absurd numbers: the reader of recordings decides
    return [item for event in events(frame) for item in read(event)]
