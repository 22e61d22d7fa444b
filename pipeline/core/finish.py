"""A closed request becomes its record, its marker, and what is kept for a revision.

An exception in the fold belongs to the request: its chunks become dead letters `internal` and a record with status
error says so (CONTRACT G4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.core.canonical import seal
from pipeline.core.head import Head
from pipeline.core.late import EPOCH, micros
from pipeline.core.policy import Policy
from pipeline.core.record import Folded, Times, fold
from pipeline.core.rest import wake
from pipeline.core.restore import flat
from pipeline.core.revision import headers, identity
from pipeline.core.rows import DeadLetter, Outgoing
from pipeline.core.segment import Marker, whole_chunks
from pipeline.core.timing import rfc3339
from pipeline.core.valuation import UNVALUED, Valuation
from schemas.chunk import Chunk
from schemas.record import RECORD_FIELDS

INTERNAL: Final = "internal"
REBUILT: Final = "rebuilt"
"""dl.detail of a chunk that was rebuilt from state (CONTRACT §3)."""

_ALWAYS: Final = (-(1 << 62), 1 << 62)
"""Span of a request of which no chunk could be taken: no time is outside."""


class Finished(NamedTuple):
    """What a closed request leaves; `fields` are those of its record."""

    record: Outgoing
    fields: Mapping[str, Any]
    marker: Marker
    dead_letters: list[DeadLetter]
    revisable: bool


def finish(
    head: Head,
    stored: Sequence[tuple[int, Chunk]],
    previous: Marker | None,
    policy: Policy,
    source: tuple[str, int],
    valuation: Valuation = UNVALUED,
) -> Finished:
    """Fold a closed request.

    Args:
        head: closed.
        stored: (offset, chunk) from its segments; the rest is in the head.
        previous: the marker of the revision before.
        policy: limits and late policy.
        source: topic and partition; an empty topic when the chunks came from none.
        valuation: prices and estimates.
    """
    wake(head)  # a checkpoint between close and finalize put it to rest
    stored = [*stored, *zip(head.offsets, whole_chunks(head.held), strict=True)]
    chunks = [chunk for _, chunk in stored]
    origin = _source(head, source)
    dead: list[DeadLetter] = []
    head.flush_run()
    try:
        if head.poisoned:
            raise RuntimeError("an exception on admission")
        folded = fold(head, chunks, previous, policy, valuation)
        value = seal(folded.record, origin, limit=policy.max_record_bytes)
    except Exception as bug:  # noqa: BLE001  CONTRACT G4: it belongs to this request, not to the process
        folded = _quarantined(head, chunks, bug, policy)
        value = seal(folded.record, origin, limit=policy.max_record_bytes)
        dead = [_rebuilt(head.request_id, offset, chunk) for offset, chunk in stored]
        head.poisoned = True
    marker = _marker(head, folded, previous, known=bool(chunks))
    final = marker.closed_by == "final" and marker.complete
    revisable = policy.late_policy == "revise" and not final and not head.poisoned
    outgoing = Outgoing(head.key, value, headers(folded.record, head.traceparent))
    return Finished(outgoing, folded.record, marker, dead, revisable)


def _marker(head: Head, folded: Folded, previous: Marker | None, *, known: bool) -> Marker:
    """What is remembered; `known`: of any chunk at all."""
    record, times = folded.record, folded.times
    return Marker(
        stream_type=head.stream_type,
        closed_by=previous.closed_by if previous else str(head.closed_by),
        complete=previous.complete if previous else bool(record["complete"]),
        closed_at=head.first_closed_at,
        revision=head.revision,
        span=(micros(times.first), micros(times.last)) if known else _ALWAYS,
        seen=flat(head.seen),
        segments=0,
        digest=record["digest"],
        token_usage=record["token_usage"],
        cost=record["cost"],
        reused=previous.reused if previous else False,
    )


def _source(head: Head, source: tuple[str, int]) -> dict[str, Any]:
    topic, partition = source
    head.note_offset()
    if not topic:
        return dict.fromkeys(("topic", "partition", "first_offset", "last_offset"))
    return {
        "topic": topic,
        "partition": partition,
        "first_offset": head.first_offset,
        "last_offset": head.last_offset,
    }


def _rebuilt(request_id: str, offset: int, chunk: Chunk) -> DeadLetter:
    value = chunk.original or msgspec.json.encode(chunk)
    return DeadLetter(INTERNAL, REBUILT, request_id.encode(), value, (), offset, 0)


def _quarantined(head: Head, chunks: Sequence[Chunk], bug: Exception, policy: Policy) -> Folded:
    """The record of a request whose fold raised: identity, times and evidence, no money and no content."""
    moments = [chunk.timestamp for chunk in chunks] or [EPOCH + timedelta(milliseconds=head.first_ms)]
    first, last = min(moments), max(moments)
    times = Times(start=first, end=last, first=first, last=last, first_shown=first)
    error = {"is_bifrost_error": False, "error": {"type": INTERNAL, "message": type(bug).__name__}}
    known = {
        "request_id": head.request_id,
        "status": "error",
        "stream": True,
        "latency": 0,
        "time_to_first_token": 0,
        "start_timestamp": rfc3339(times.start),
        "end_timestamp": rfc3339(times.end),
        "error_details": error,
        "stream_type": head.stream_type,
        "config_digest": policy.digest,
        **identity(policy.ledger, head.request_id, head.revision),
        "labels": {},
        "closed_by": head.closed_by,
        "complete": False,
        "missing_indexes": [],
        "truncated": head.truncated,
        "chunk_count": head.chunk_count,
        "duplicate_count": head.duplicates,
        "conflict_count": head.conflicts,
        "payload_anomalies": head.anomalies,
    }
    return Folded(record={name: known.get(name) for name in RECORD_FIELDS}, times=times)
