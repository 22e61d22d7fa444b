"""Repeats of one request compared with what came first, all together, so that a full re-publish stays linear.

An exact repeat is counted and dropped; other content under the same identity is a conflict and the first one stays
(CONTRACT §1, S-DEDUP-1, S-DEDUP-2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pipeline.core.bare import bare
from pipeline.core.head import Head
from pipeline.core.identity import Slot, same_payload, slot_of
from pipeline.core.policy import Policy
from pipeline.core.segment import whole_chunks
from pipeline.core.signs import SIGNS
from schemas.chunk import Chunk

Identity = tuple[Slot, int]


def identity_of(chunk: Chunk) -> Identity:
    """Slot and index of a chunk."""
    kind = SIGNS[chunk.stream_type](chunk).kind
    return slot_of(chunk.attempt, kind, chunk.image_index), chunk.chunk_index


def settle(head: Head, earlier: Callable[[], Iterable[Chunk]], policy: Policy) -> list[Any]:
    """Judge the waiting repeats of a head and count them.

    Args:
        head: its `repeats` are emptied.
        earlier: reads the chunks in segments; called only when a first delivery is not in memory.
        policy: limits and capture, by which content of first deliveries may not have been stored.

    Returns:
        The source records of the conflicts, in order of arrival.
    """
    waiting, head.repeats, head.changed = head.repeats, [], True
    known = {identity_of(chunk): chunk for chunk in whole_chunks(head.held)}
    wanted = [(identity_of(chunk), record, chunk, truncated) for record, chunk, truncated in waiting]
    if any(identity not in known for identity, *_ in wanted):
        known |= {identity_of(chunk): chunk for chunk in earlier()}
    conflicts = []
    for identity, record, chunk, truncated in wanted:
        first = known.get(identity)
        if first is None or _same(first, chunk, truncated=truncated, captured=policy.capture != "metadata"):
            head.duplicates += 1
        else:
            head.conflicts += 1
            conflicts.append(record)
    return conflicts


def _same(first: Chunk, again: Chunk, *, truncated: bool, captured: bool) -> bool:
    """Whether a chunk repeats the first of its identity, of which only a part may have been stored.

    `truncated` is that of the moment in which the repeat came: when it is compared depends on checkpoints (G3).
    """
    if same_payload(first, again):
        return True
    return (truncated or not captured) and same_payload(first, bare(again, captured=captured))
