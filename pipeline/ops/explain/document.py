"""The whole explanation as one JSON document with stable names; the table is printed from it.

Owns the names. Imports its siblings.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.core.closing import rule_of
from pipeline.core.record import status_of
from pipeline.ops.explain import watch as seen
from pipeline.ops.explain.comparison import PROBLEMS, Found, compare
from pipeline.ops.explain.contribution import error_of, word
from pipeline.ops.explain.ending import ending, outlook
from pipeline.ops.explain.numbers import Number, as_sent, numbers
from pipeline.ops.explain.origins import Json, Origins, Place
from pipeline.ops.explain.prices import price_lines
from pipeline.ops.explain.timeline import gaps, marks_of, timeline
from pipeline.ops.explain.watch import Closing, Entry, Watch
from schemas.leaves import parse_timestamp

OPEN: Final = "open"
GATHERING: Final = "gathering"
CLOSED: Final = "closed"
REFUSED: Final = "refused"
"""Nothing of the request was admitted."""

_SUMMARY: Final = (
    *("revision", "status", "closed_by", "complete", "stream_type", "provider", "model", "service_tier", "labels"),
    *("truncated", "content_omitted"),
)


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """All that was found of a request.

    Attributes:
        watch: its fold.
        clocked: the chunks have append times.
        where: what was read.
        records: the records that were found, in the order in which they were written; None if nobody looked for any.
        whole: no newer record exists than those found.
        notes: what could not be seen.
    """

    watch: Watch
    clocked: bool
    where: Json
    records: Sequence[Found] | None = None
    whole: bool = False
    notes: Sequence[str] = ()


def explanation(gathered: Gathered, *, content: bool) -> Json:
    """Explain a request of which at least one source record was found.

    Args:
        gathered: what was found.
        content: show texts.
    """
    watch, clocked = gathered.watch, gathered.clocked
    closing = watch.last
    told: Json = {
        "request_id": watch.request_id,
        "state": _state(watch),
        "position": "offset" if clocked else "line",
        "summary": None if closing is None else _summary(closing),
        "timeline": [],
        "numbers": [],
        "usage_as_sent": [],
        "attempts": None,
        "closings": [ending(each, watch.policy, clocked=clocked) for each in watch.closings],
        "outlook": _outlook(watch, clocked=clocked),
        "gaps": [],
        **_troubles(watch.entries),
        "cost": None if closing is None else price_lines(closing.record, closing.calls, watch.listener),
        "evidence": _evidence(gathered, closing),
        "comparison": _comparison(gathered),
        "notes": list(gathered.notes),
    }
    marks: dict[int, list[str]] = {}
    if closing is not None and closing.head.poisoned:
        told["notes"].append("folding it raised an exception: its chunks are dead letters, no number was made of them")
    elif closing is not None:
        marks = _explain(told, closing, watch, content=content)
    start = None if closing is None else parse_timestamp(closing.record["start_timestamp"])
    told["timeline"] = timeline(watch.entries, start, marks, clocked=clocked, content=content)
    return told


def problem(told: Json) -> bool:
    """Whether a record is missing, differs from its chunks, or can't be made of them."""
    return any(verdict["result"] in PROBLEMS for verdict in told["comparison"] or ())


def _explain(told: Json, closing: Closing, watch: Watch, *, content: bool) -> dict[int, list[str]]:
    """Fill in what needs the chunks behind the record; marks by offset."""
    origins, head = Origins(closing), closing.head
    dropped = {
        name: [_at(entry) for entry in watch.entries if entry.outcome == outcome]
        for name, outcome in (("duplicate_count", seen.DUPLICATE), ("conflict_count", seen.CONFLICT))
    }
    listed = numbers(closing.record, origins, dropped)
    told["numbers"] = [_number(number) for number in listed]
    told["usage_as_sent"] = [{**_place(place), "usage": usage} for place, usage in as_sent(origins)]
    told["attempts"] = _attempts(closing.record, origins)
    told["gaps"] = gaps(closing, origins)
    told["summary"]["because"] = status_of(head, origins.shown, rule_of(head, watch.policy).cause)[1]
    if origins.shown.error is not None:
        told["summary"]["error"] = error_of(origins.shown.error, content=content)
    known = (number for number in listed if number.value is not None)
    return marks_of(origins, [(number.field, place) for number in known for place in number.chunks], closing)


def _state(watch: Watch) -> str:
    if watch.open_head is not None:
        return GATHERING if watch.closings else OPEN
    return CLOSED if watch.closings else REFUSED


def _summary(closing: Closing) -> Json:
    record = closing.record
    told = {name: record[name] for name in _SUMMARY}
    return {**told, "finish_reason": word(record["finish_reason"]), "because": None, "error": None}


def _number(number: Number) -> Json:
    return {**number._asdict(), "chunks": [_place(place) for place in number.chunks]}


def _at(entry: Entry) -> Place:
    """The place of a record that did not become a part of the request."""
    chunk = entry.chunk
    if chunk is None:
        return Place(entry.offset, 0, 0)
    return Place(entry.offset, max(chunk.attempt, 0), chunk.chunk_index, chunk.image_index)


def _place(place: Place) -> Json:
    return {name: value for name, value in place._asdict().items() if value is not None}


def _attempts(record: Json, origins: Origins) -> list[Json] | None:
    """The attempts of the record with the offsets of their chunks; None when there was one."""
    if record["attempts"] is None:
        return None
    offsets = {a.number: [origins.place(chunk).offset for chunk in a.chunks] for a in origins.attempts}
    return [
        {
            **attempt,
            "finish_reason": word(attempt["finish_reason"]),
            "shown": attempt["number"] == origins.shown.number,
            "chunks": len(offsets[attempt["number"]]),
            "first_offset": min(offsets[attempt["number"]]),
            "last_offset": max(offsets[attempt["number"]]),
        }
        for attempt in record["attempts"]
    ]


def _outlook(watch: Watch, *, clocked: bool) -> Json | None:
    opened = watch.preview()
    return None if opened is None else outlook(opened, watch.policy, watch.clock, clocked=clocked)


def _troubles(entries: Sequence[Entry]) -> Json:
    """What came of the request and is not in its record, by what became of it."""
    late = (seen.LATE_DUPLICATE, seen.LATE_EMPTY)
    return {
        "duplicates": [entry.offset for entry in entries if entry.outcome == seen.DUPLICATE],
        "conflicts": [entry.offset for entry in entries if entry.outcome == seen.CONFLICT],
        "late": [{"offset": entry.offset, "outcome": entry.outcome} for entry in entries if entry.outcome in late],
        "dead_letters": [
            {"offset": entry.offset, "reason": entry.reason, "detail": entry.detail}
            for entry in entries
            if entry.reason is not None
        ],
    }


def _evidence(gathered: Gathered, closing: Closing | None) -> Json:
    """Where the record can be made again from."""
    watch = gathered.watch
    record: Any = {} if closing is None else closing.record
    told = {name: record.get(name) for name in ("record_id", "digest", "config_digest", "source")}
    name = shlex.quote(watch.request_id)
    source = told["source"] or {}
    if gathered.where.get("topic") is not None and source.get("topic") is not None:
        again = f"streamledger explain {name} --partition {source['partition']} --from {source['first_offset']}"
    else:
        again = f"streamledger explain {name} FILE"
    return {**told, "read": {**gathered.where, "source_records": watch.source_records}, "again": again}


def _comparison(gathered: Gathered) -> list[Json] | None:
    if gathered.records is None:
        return None
    verdicts = compare(gathered.records, gathered.watch.closings, whole=gathered.whole)
    return verdicts or None
