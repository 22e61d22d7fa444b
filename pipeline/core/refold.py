"""A closed request folded anew from a set of its chunks: what its record would say if all of them had been admitted.

No time passes here and nothing closes on the way, so that the order of the chunks decides nothing: who gives them has
decided which ones belong to the request.  Imports the core only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.core.admission import Verdict, admit, close
from pipeline.core.closing import LATE
from pipeline.core.finish import finish
from pipeline.core.head import Head
from pipeline.core.policy import Policy
from pipeline.core.repeats import settle
from pipeline.core.rows import Incoming
from pipeline.core.valuation import UNVALUED, Valuation
from schemas.chunk import Chunk
from schemas.deadletter import DeadLetterReason
from schemas.decode import ChunkRejected, decode

_NOWHERE: Final = ("", 0)
_OTHER: Final = "other content under an identity seen before"


@dataclass
class Refolded:
    """What came of it.

    Attributes:
        record: AccumulatedData, closed by late, without a source; None if no chunk could be taken, or the fold raised.
        bug: Name of the exception that the fold raised.
        refused: By offset, why a chunk was not taken: reason and detail of a dead letter.
        repeats: Offsets of chunks that repeat one before them.
    """

    record: dict[str, Any] | None = None
    bug: str | None = None
    refused: dict[int, tuple[str, str]] = field(default_factory=dict)
    repeats: set[int] = field(default_factory=set)


def refold(
    request: tuple[str, str],
    chunks: Iterable[Incoming],
    policy: Policy,
    valuation: Valuation = UNVALUED,
) -> Refolded:
    """Fold a request.

    Args:
        request: its id and stream type.
        chunks: of two with one identity the first counts; their offsets differ, and need be no real ones.
        policy: limits and capture; its times do not matter.
        valuation: prices and estimates.
    """
    told = Refolded()
    head: Head | None = None
    try:
        for record in chunks:
            chunk = _chunk(record, request, policy, told)
            if chunk is None:
                continue
            if head is None:
                head = Head(*request, now=0, offset=record.offset)
                head.revision = 1  # gathers as a revision does: nothing closes it but the end
            if admit(head, chunk, 0, record.offset, len(record.value or b""), policy) is Verdict.REPEAT:
                head.repeats.append((record, chunk, head.truncated))
    except Exception as bug:  # noqa: BLE001  CONTRACT G4: it belongs to this request
        told.bug = type(bug).__name__
        return told
    if head is not None:
        _finish(head, told, policy, valuation)
    return told


def _chunk(record: Incoming, request: tuple[str, str], policy: Policy, told: Refolded) -> Chunk | None:
    """A chunk of the request; what is none is noted."""
    request_id, stream_type = request
    value = record.value or b""
    if len(value) > policy.max_chunk_bytes:
        told.refused[record.offset] = DeadLetterReason.OVERSIZE.value, "larger than max_chunk_bytes"
        return None
    try:
        chunk = decode(value)
    except ChunkRejected as refused:
        told.refused[record.offset] = refused.reason, refused.detail
        return None
    if chunk.request_id != request_id:
        told.refused[record.offset] = DeadLetterReason.KEY_MISMATCH.value, "the key is not the request_id"
        return None
    if chunk.stream_type != stream_type:
        told.refused[record.offset] = DeadLetterReason.STREAM_TYPE_CONFLICT.value, f"the request is {stream_type}"
        return None
    return chunk


def _finish(head: Head, told: Refolded, policy: Policy, valuation: Valuation) -> None:
    """Close the request and make its record."""
    told.repeats = {record.offset for record, _, _ in head.repeats}
    for conflict in settle(head, tuple, policy):
        told.refused[conflict.offset] = DeadLetterReason.CONFLICT.value, _OTHER
        told.repeats.discard(conflict.offset)
    close(head, LATE, 0)
    done = finish(head, [], None, policy, _NOWHERE, valuation)
    if head.poisoned:
        told.bug = json.loads(done.record.value or b"")["error_details"]["error"]["message"]
    else:
        told.record = json.loads(done.record.value or b"")
