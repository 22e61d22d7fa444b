"""Records on the topic held to the records that the fold of their chunks gives.

Owns what counts as equal, and what may be shown of a difference: figures, never content. Imports the core, and what a
correction is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

from pipeline.core.canonical import canonical
from pipeline.errors import FoundProblem
from pipeline.ops.correction import alike
from pipeline.ops.explain.watch import Closing
from schemas.record import RECORD_FIELDS

Json = dict[str, Any]

IDENTICAL: Final = "identical"
SAME_DIGEST: Final = "same digest"
DIFFERENT: Final = "different"
CORRECTED: Final = "corrected"
"""The revision before with other money, by another price list: chunks do not say by which."""
NOT_REBUILT: Final = "not rebuilt"
NO_RECORD: Final = "no record"
NOT_FOUND: Final = "not found"
"""An older revision than those that were found: past retention, or not in the file given."""
PROBLEMS: Final = frozenset({DIFFERENT, NOT_REBUILT, NO_RECORD})

CONTENT: Final = frozenset(
    {
        *("output_message", "output_messages", "tool_calls", "error_details", "cache_debug", "audio_output"),
        *("transcription_output", "image_generation_output", "raw_response", "raw_request", "choices", "logprobs"),
    }
)
"""Fields whose values are not shown (G7)."""


class Found(NamedTuple):
    """A record of the request as it was found: where, its bytes, and read."""

    where: str
    value: bytes
    record: Json


class Difference(NamedTuple):
    """A field that differs; values are null where they are content."""

    field: str
    record: Any
    rebuilt: Any


def read(value: bytes, where: str) -> Found:
    """A record's bytes as JSON.

    Raises:
        FoundProblem: they are no AccumulatedData.
    """
    try:
        record = json.loads(value)
        source = record["source"]
        known = isinstance(record["request_id"], str) and isinstance(record["revision"], int)
        offsets = source is None or {"topic", "partition", "first_offset", "last_offset"} <= source.keys()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        known = offsets = False
    if not (known and offsets):
        raise FoundProblem(f"{where} is no record", hint="it must be an AccumulatedData JSON object, on one line")
    return Found(where, value, record)


def records_in(lines: Iterable[bytes], request_id: str, name: str) -> list[Found]:
    """The records of a request among AccumulatedData JSON lines, by revision.

    Raises:
        FoundProblem: a line is no record, or none is of the request.
    """
    listed = [read(line.strip(), f"{name} line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    mine = [found for found in listed if found.record["request_id"] == request_id]
    if not mine:
        raise FoundProblem(f"none of the {len(listed):,} records in {name} is of the request", request_id=request_id)
    return sorted(mine, key=lambda found: found.record["revision"])


def compare(found: Sequence[Found], closings: Sequence[Closing], *, whole: bool) -> list[Json]:
    """One verdict for each revision that was found or rebuilt, the oldest first; of equal revisions the last counts.

    Args:
        found: records, in the order in which they were written.
        closings: rebuilt.
        whole: nothing newer than what was found exists.
    """
    records = {each.record["revision"]: each for each in found}
    rebuilt = {closing.head.revision: closing for closing in closings}
    verdicts = [_verdict(number, records.get(number), rebuilt.get(number)) for number in sorted({*records, *rebuilt})]
    for verdict in verdicts:
        number = verdict["revision"]
        if verdict["result"] == NOT_REBUILT and _corrects(records.get(number - 1), records[number]):
            verdict["result"] = CORRECTED
        if verdict["result"] == NO_RECORD and (not whole or verdict["revision"] < max(records, default=0)):
            verdict["result"] = NOT_FOUND
    return verdicts


def _verdict(revision: int, found: Found | None, closing: Closing | None) -> Json:
    verdict: Json = {
        "revision": revision,
        "record": None if found is None else found.where,
        "result": DIFFERENT,
        "record_digest": None if found is None else found.record.get("digest"),
        "rebuilt_digest": None if closing is None else closing.record["digest"],
        "digest_holds": None if found is None else holds(found.record),
        "differences": [],
        "notes": [],
    }
    if found is None or closing is None:
        verdict["result"] = NO_RECORD if found is None else NOT_REBUILT
        return verdict
    differences = list(differing(found.record, closing.record))
    verdict["differences"] = [difference._asdict() for difference in differences]
    if found.value.strip() == closing.value:
        verdict["result"] = IDENTICAL
    elif verdict["record_digest"] == verdict["rebuilt_digest"] and verdict["digest_holds"]:
        verdict["result"] = SAME_DIGEST
    if found.record.get("config_digest") != closing.record["config_digest"]:
        verdict["notes"].append("made under other settings: give those of the worker")
    if not verdict["digest_holds"]:
        verdict["notes"].append("its digest is not that of its content: it was changed after it was made")
    return verdict


def _corrects(before: Found | None, found: Found) -> bool:
    """Whether a record corrects nothing but the money of the one before."""
    if before is None or not (holds(before.record) and holds(found.record)):
        return False
    return bool(found.record["supersedes"] == before.record["record_id"]) and alike(before.record, found.record)


def holds(record: Json) -> bool:
    """Whether a record's digest is that of its canonical form (CONTRACT §2)."""
    try:
        ordered = {name: record[name] for name in RECORD_FIELDS} | record
        return bool(sha256(canonical(ordered)).hexdigest() == record["digest"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return False


def differing(record: Json, rebuilt: Json, prefix: str = "") -> Iterator[Difference]:
    """Fields that differ, with dots where objects lie in objects; null and absent are the same."""
    for name in dict.fromkeys((*rebuilt, *record)):
        one, other = record.get(name), rebuilt.get(name)
        if one == other and isinstance(one, bool) == isinstance(other, bool):
            continue
        if not prefix and name in CONTENT:
            yield Difference(name, None, None)
        elif isinstance(one, dict) and isinstance(other, dict):
            yield from differing(one, other, f"{prefix}{name}.")
        else:
            yield Difference(prefix + name, one, other)
