"""Bytes as they come in → whole frames: server-sent events, or lines of JSON.

Owns where a frame ends; what it means is read by the room's readers of recordings. Frames keep every byte, so that
joined they are the stream. Imports nothing of the project.
"""

from __future__ import annotations

import re
from typing import Final

_EVENT: Final = re.compile(rb"(?>\r\n|\n|\r)(?:\r\n|\n|\r)")
"""A line's end and an empty line. Atomic: the two bytes of one CRLF are no two line ends."""

_USUAL: Final = b"\n\n"
_RETURN: Final = ord("\r")
"""As a number it is found in a tenth of the time."""

_LINE: Final = re.compile(rb"\n")
_OVERLAP: Final = 3
"""Bytes of a terminator that may have come before its last."""

_LINES: Final = re.compile(r"[/+](?:x-)?(?:ndjson|jsonl|jsonlines|json-lines|json-seq|stream\+json)\b")
_EVENTS: Final = "text/event-stream"


def framed(content_type: str) -> bool:
    """Whether a body of that type is one of frames."""
    return _EVENTS in content_type.lower() or _LINES.search(content_type.lower()) is not None


class Frames:
    """Cuts one stream."""

    def __init__(self, content_type: str = _EVENTS) -> None:
        """Begin; a type that is neither is taken for events."""
        self._end = _LINE if _LINES.search(content_type.lower()) else _EVENT
        self._pieces: list[bytes] = []
        self._tail = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that end in this piece, each with its terminator; work is linear in the bytes."""
        if data.find(_USUAL) == len(data) - 2 >= 0 and not self._pieces and _RETURN not in data and self._end is _EVENT:
            return [data]  # one event in a piece, as most providers send them
        near = self._tail + data
        if self._end.search(near) is None:
            if data:
                self._pieces.append(data)
                self._tail = near[-_OVERLAP:]
            return []
        begin = max(0, sum(map(len, self._pieces)) - _OVERLAP)
        held = b"".join((*self._pieces, data))
        found: list[bytes] = []
        done = 0
        while match := self._end.search(held, max(begin, done)):
            found.append(held[done : match.end()])
            done = match.end()
        rest = held[done:]
        self._pieces, self._tail = [rest] if rest else [], rest[-_OVERLAP:]
        return found

    def rest(self) -> bytes:
        """What no terminator ended."""
        held = b"".join(self._pieces)
        self._pieces, self._tail = [], b""
        return held
