"""Parts of an explanation as short texts for a person: what a chunk brings, where a value came from, how it closed.

What came from outside is made harmless for a terminal. Imports settings' units only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from pipeline.settings.units import DURATION

Json = dict[str, Any]

MANY: Final = 4
"""Items of a list that are named before the rest is counted."""


def safe(value: object) -> str:
    """A value as text without control characters: a label must not steer the terminal that shows it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in str(value))


def brought(brings: Json | None) -> str:
    """What a chunk brings, in one line."""
    if brings is None:
        return "no chunk"
    return " · ".join(_brought(brings)) or "nothing"


def _brought(brings: Json) -> Iterator[str]:
    """The parts in the order of WORDS; those of the content come after the names."""
    for name, say in WORDS.items():
        if name in brings:
            yield from say(brings[name])


Say = Callable[[Any], Sequence[str]]


def _lengths(unit: str) -> Say:
    """Lengths by name."""
    return lambda found: [f"{safe(name)} {length:,} {unit}" for name, length in found.items()]


def _calls(calls: Sequence[Json]) -> list[str]:
    return [f"call {call['index']}" + (f" {safe(call['name'])}" if call["name"] else "") for call in calls]


def _error(error: Json) -> list[str]:
    return [" ".join(["error", *(safe(error[name]) for name in ("type", "code", "status_code") if name in error)])]


def _usage(usage: Json) -> list[str]:
    """The three counts, those that are known."""
    names = {"in": "prompt_tokens", "out": "completion_tokens", "total": "total_tokens"}
    told = [f"{word} {usage[name]:,}" for word, name in names.items() if usage.get(name) is not None]
    return [f"usage {' '.join(told) or 'without tokens'}"]


WORDS: Final[Mapping[str, Say]] = {
    "event": lambda event: [safe(event)],
    "role": lambda role: [safe(role)],
    "choices": lambda choices: [f"choices {', '.join(map(str, choices))}"],
    "tool_calls": _calls,
    "characters": _lengths("ch"),
    "bytes": _lengths("bytes"),
    "usage": _usage,
    "finish_reason": lambda reason: [f"finish {safe(reason)}"],
    "terminal": lambda _: ["terminal event"],
    "error": _error,
    "cost": lambda cost: [f"cost {cost}"],
    "service_tier": lambda tier: [f"tier {safe(tier)}"],
    "anomalies": lambda count: [f"{count} odd leaves"],
    "cache_debug": lambda _: ["cache_debug"],
    "raw_request": lambda _: ["raw_request"],
    "start_timestamp": lambda _: ["start"],
    "labels": lambda labels: [f"labels {', '.join(map(safe, labels))}"],
    "final": lambda _: ["is_final"],
}
"""How each thing that a chunk brings is told, in this order."""


def places(chunks: Sequence[Json], *, several: bool) -> str:
    """Chunks by offset and index; `several`: there is more than one attempt."""
    return some([_place(chunk, several=several) for chunk in chunks])


def _place(chunk: Json, *, several: bool) -> str:
    attempt = f"attempt {chunk['attempt']} " if several else ""
    image = f"image {chunk['image_index']} " if "image_index" in chunk else ""
    return f"{chunk['offset']} ({attempt}{image}index {chunk['chunk_index']})"


def some(listed: Sequence[str]) -> str:
    """The first of a list, and how many more there are."""
    more = len(listed) - MANY
    return ", ".join(listed[:MANY]) + (f" and {more:,} more" if more > 0 else "")


def closed(ending: Json, position: str) -> str:
    """How a revision closed: rule, and what the deadline was made of."""
    told = f"closed by {ending['closed_by']} ({ending['rule']})"
    last = ending["last_new_chunk"]
    if ending["setting"] is None:
        return f"{told}: at once, with {position} {last['offset']}{_at(last)}"
    told += f": {_sum(ending, position)}"
    if ending["deadline"] is None:
        return f"{told}; no append times, closed at the end of the input"
    seen = ending["seen_at"]
    if seen is None:
        return f"{told} = {ending['deadline']}; no later append time was read, so the wall clock closed it"
    return f"{told} = {ending['deadline']}; passed by {position} {seen['offset']}{_at(seen)}"


def opened(outlook: Json, position: str) -> str:
    """When an open request will close."""
    told = f"open: closes by {outlook['closes_by']} ({outlook['rule']}): {_sum(outlook, position)}"
    if outlook["deadline"] is None:
        return f"{told}; there are no append times to tell when"
    left = outlook["remaining_ms"]
    now = f"the partition is at {outlook['partition_time']}: {DURATION.show(left)} to go"
    return f"{told} = {outlook['deadline']} if nothing more comes; {now}"


def _sum(ending: Json, position: str) -> str:
    """What a deadline counts from, and the setting added to it."""
    wait = f"{ending['setting']} {DURATION.show(ending['wait_ms'])}"
    if ending["setting"] == "max_request_age":
        first = ending.get("first_append_time")
        return f"first chunk{f' {first}' if first else ''} + {wait}"
    last = ending["last_new_chunk"]
    return f"last new chunk, {position} {last['offset']}{_at(last)} + {wait}"


def _at(moment: Mapping[str, Any]) -> str:
    return "" if moment["append_time"] is None else f" at {moment['append_time']}"
