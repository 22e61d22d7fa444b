"""JSON objects that span lines → events: the array that Gemini streams without SSE, and pretty-printed recordings.

Owns where one object ends and the next begins; nothing is parsed, so an object that is cut off or broken is given out
as it is. Imports this room's events only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from pipeline.ingest.event import Event, Line

_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{}\[\]]')
"""A string, which may lack its end, or a bracket."""

_BETWEEN: Final = " \t,[]"
"""What stands between the objects of an array, and around them."""


def spanning_objects(lines: Iterable[Line]) -> Iterator[Event]:
    """Split text into its outermost objects; text outside of them is given out too, so that it is noticed."""
    depth = 0
    held: list[Line] = []
    for line in lines:
        begin = 0
        for token in _TOKEN.finditer(line.text):
            bracket = token.group()
            if bracket == "{" or (bracket == "[" and depth):
                if not depth:
                    yield from _outside(line, begin, token.start())
                    begin = token.start()
                depth += 1
            elif bracket in ("}", "]") and depth:
                depth -= 1
                if not depth:
                    held.append(Line(line.number, line.text[begin : token.end()]))
                    yield Event(None, held)
                    held, begin = [], token.end()
        if depth:
            held.append(Line(line.number, line.text[begin:]))
        else:
            yield from _outside(line, begin, len(line.text))
    if held:
        yield Event(None, held)


def _outside(line: Line, begin: int, end: int) -> Iterator[Event]:
    if text := line.text[begin:end].strip(_BETWEEN):
        yield Event(None, [Line(line.number, text)])
