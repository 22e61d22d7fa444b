"""The source records of a request in order of arrival: what each brought, what became of it, and what it decided.

Owns the marks. Imports the core and its siblings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from pipeline.core.closing import missing
from pipeline.core.repeats import identity_of
from pipeline.core.timing import rfc3339
from pipeline.ops.explain import watch
from pipeline.ops.explain.contribution import contribution, kind_of
from pipeline.ops.explain.ending import append_time
from pipeline.ops.explain.origins import Json, Origins, Place
from pipeline.ops.explain.watch import Closing, Entry
from schemas.chunk import Chunk, StreamType

MARKED: Final = {
    "start_timestamp": "start",
    "end_timestamp": "end",
    "cost": "cost",
    "finish_reason": "finish",
    "error_details": "error",
}
"""Fields whose first chunk is marked, and the mark."""

_MS: Final = timedelta(milliseconds=1)
_OUTCOMES: Final = {
    watch.DUPLICATE: "duplicate",
    watch.CONFLICT: "conflict",
    watch.LATE_DUPLICATE: "late duplicate",
    watch.LATE_EMPTY: "late, adds nothing",
}


def timeline(
    entries: Sequence[Entry], start: datetime | None, marks: dict[int, list[str]], *, clocked: bool, content: bool
) -> list[Json]:
    """One row for each source record.

    Args:
        entries: in order of arrival.
        start: of the request, from which payload times are counted; None when nothing was admitted.
        marks: by offset.
        clocked: the records have append times.
        content: show texts.
    """
    firsts: dict[object, int] = {}
    rows = []
    for entry in entries:
        row: Json = {
            "offset": entry.offset,
            "append_time": append_time(entry.time) if clocked else None,
            "outcome": entry.outcome,
            "reason": entry.reason,
            "detail": entry.detail,
            "revision": entry.revision,
            "repeats": None,
            **_identity(entry.chunk, start, content=content),
            "marks": [*_told(entry), *marks.get(entry.offset, [])],
        }
        if entry.chunk is not None:
            first = firsts.setdefault(identity_of(entry.chunk), entry.offset)
            if entry.outcome in _OUTCOMES and first != entry.offset:
                row["repeats"] = first
        rows.append(row)
    return rows


def marks_of(origins: Origins, places: Iterable[tuple[str, Place]], closing: Closing) -> dict[int, list[str]]:
    """Marks by offset: the chunks that gave a value, and those before which indexes are missing.

    Args:
        origins: of the closing.
        places: (field, the chunk that gave it).
        closing: whose head knows the gaps.
    """
    marks: dict[int, list[str]] = defaultdict(list)
    for field, place in places:
        name = "usage" if field.startswith("token_usage.") else MARKED.get(field)
        if name is not None and name not in marks[place.offset]:
            marks[place.offset].append(name)
    marks[origins.place(origins.first()).offset].insert(0, "first token")
    for chunk in origins.content[:1]:
        marks[origins.place(chunk).offset].append("first content")
    for gap in gaps(closing, origins):
        if gap["before"] is not None:
            first, last = gap["first"], gap["last"]
            where = str(first) if first == last else f"{first}–{last}"
            marks[gap["before"]].append(f"gap before: {where} missing")
    return marks


def gaps(closing: Closing, origins: Origins) -> list[Json]:
    """Missing indexes of the attempt shown, each with the offset of the chunk that follows it."""
    images = closing.head.stream_type == StreamType.IMAGE
    after: dict[tuple[int, int], int] = {}
    for chunk in origins.shown.chunks:
        place = origins.place(chunk)
        key = (place.image_index or 0) if images else 0, place.chunk_index
        after[key] = min(place.offset, after.get(key, place.offset))
    found = []
    for gap in missing(closing.head, origins.shown.number):
        first, last = gap[-2:]
        image = gap[0] if images else None
        found.append(
            {
                "attempt": origins.shown.number,
                "image_index": image,
                "first": first,
                "last": last,
                "before": after.get((image or 0, last + 1)),
            }
        )
    return found


def _told(entry: Entry) -> list[str]:
    """What became of a record, unless it is just a chunk."""
    if entry.outcome == watch.REFUSED:
        return [f"refused: {entry.reason}"]
    told = [_OUTCOMES[entry.outcome]] if entry.outcome in _OUTCOMES else []
    return told + ([f"revision {entry.revision}"] if entry.outcome == watch.NEW and entry.revision else [])


def _identity(chunk: Chunk | None, start: datetime | None, *, content: bool) -> Json:
    """Identity, payload time and contents of a chunk; nulls for what is none."""
    if chunk is None:
        return dict.fromkeys(("timestamp", "ms", "attempt", "chunk_index", "image_index", "kind", "brings"))
    return {
        "timestamp": rfc3339(chunk.timestamp),
        "ms": None if start is None else (chunk.timestamp - start) // _MS,
        "attempt": max(chunk.attempt, 0),
        "chunk_index": chunk.chunk_index,
        "image_index": chunk.image_index,
        "kind": kind_of(chunk),
        "brings": contribution(chunk, content=content),
    }
