"""Text of a recording → events: server-sent events (WHATWG HTML §9.2) or JSON, told apart by the first line.

JSON is one object a line, or an array or objects that span lines. Owns framing only: what the data means is the
business of `messages`. Kinder than the standard in one place: an event that the end of the text cuts off before its
blank line is still given out. Imports this room's events only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final

from pipeline.ingest.event import Event, Line
from pipeline.ingest.values import spanning_objects

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
"""Not str.splitlines: that also breaks at U+2028, U+0085 and others, which JSON strings may hold unescaped."""


def events(lines: Iterable[str | bytes] | str | bytes) -> Iterator[Event]:
    """Split a recording into events.

    Args:
        lines: The whole text, or its lines with or without their ends; bytes are UTF-8, with U+FFFD for what is not.
            A line that holds CR or LF is split there.
    """
    numbered = _numbered([lines] if isinstance(lines, str | bytes) else lines)
    for first in numbered:
        if first.text.strip():
            yield from _reader(first.text.strip())(chain([first], numbered))


def _reader(first: str) -> Callable[[Iterable[Line]], Iterator[Event]]:
    """How to read a recording that begins so: line by line if possible, for then a broken line costs only itself."""
    if first.startswith("[") or first == "{":
        return spanning_objects
    return _json_lines if first.startswith("{") else _server_sent


def _numbered(lines: Iterable[str | bytes]) -> Iterator[Line]:
    number = 0
    for piece in lines:
        text = piece.decode(errors="replace") if isinstance(piece, bytes) else piece
        if number == 0:
            text = text.removeprefix("\ufeff")
        parts = _LINE_END.split(text)
        if len(parts) > 1 and not parts[-1]:
            parts.pop()
        for part in parts:
            number += 1
            yield Line(number, part)


def _json_lines(lines: Iterable[Line]) -> Iterator[Event]:
    return (Event(None, [line]) for line in lines)


def _server_sent(lines: Iterable[Line]) -> Iterator[Event]:
    name: str | None = None
    data: list[Line] = []
    for line in lines:
        if not line.text.strip():
            if data:
                yield Event(name, data)
            name, data = None, []
            continue
        field, _, value = line.text.partition(":")  # a comment is a field without a name, ignored like all unknown ones
        value = value.removeprefix(" ")
        if field == "data":
            data.append(Line(line.number, value))
        elif field == "event":
            name = value
    if data:
        yield Event(name, data)
