"""Events → JSON payloads, with what could not be read reported as faults.

Owns the sentinel [DONE], the difference between a recording that is cut at its end and one that is broken inside, and
the repair of recordings that lost the blank lines between their events. Imports this room's framing only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from pipeline.ingest.event import Event, Line
from pipeline.ingest.leaf import Payload, load
from pipeline.ingest.sse import events

_DONE: Final = "[DONE]"


class Message(NamedTuple):
    """One payload of the stream; None is the sentinel [DONE], after which a provider sends nothing more."""

    name: str | None
    payload: Payload | None


class Fault(NamedTuple):
    """An event that could not be read.

    Attributes:
        line: Number of the line in the recording, from 1.
        reason: What is wrong with it; never a piece of it (G7).
        cut: It is the last of the recording, so the recording ends in its middle.
    """

    line: int
    reason: str
    cut: bool


def messages(lines: Iterable[str | bytes] | str | bytes) -> Iterator[Message | Fault]:
    """Read a recording up to its [DONE] or its end; an event without data is none."""
    held: Fault | None = None
    for event in events(lines):
        for item in read(event):
            if held is not None:
                yield held
                held = None
            if isinstance(item, Fault):
                held = item  # only what comes next tells whether the recording goes on behind it
                continue
            yield item
            if item.payload is None:
                return
    if held is not None:
        yield held._replace(cut=True)


def read(event: Event) -> Iterator[Message | Fault]:
    """What one event holds; nothing if it has no data."""
    whole = "\n".join(line.text for line in event.data)
    if not whole.strip():
        return
    item = _decode(event.name, event.data[0].number, whole)
    if isinstance(item, Fault) and isinstance(_alone(event, event.data[0]), Message):
        yield from (_alone(event, line) for line in event.data if line.text.strip())
    else:
        yield item


def _alone(event: Event, line: Line) -> Message | Fault:
    return _decode(event.name, line.number, line.text)


def _decode(name: str | None, line: int, text: str) -> Message | Fault:
    if text.strip() == _DONE:
        return Message(name, None)
    try:
        payload = load(text)
    except json.JSONDecodeError as error:
        return Fault(line, f"not JSON: {error.msg} at character {error.pos}", cut=False)
    except (ValueError, RecursionError):
        return Fault(line, "not JSON that can be read: nested too deeply, or a number of absurd length", cut=False)
    return Message(name, payload) if isinstance(payload, dict) else Fault(line, "not a JSON object", cut=False)
