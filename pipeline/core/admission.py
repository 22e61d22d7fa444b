"""A chunk enters its open request: dedup, signs, counters, deadline (CONTRACT §1, §4).

Decides nothing about requests that are closed (see late) and nothing about bytes that are no chunk (schemas.decode).
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, Final

from pipeline.core.bare import bare, cuts
from pipeline.core.closing import AT_ONCE, EXPIRY, LATE, LIMIT, rule_of
from pipeline.core.head import NEVER, Head
from pipeline.core.identity import FLOATING, slot_of
from pipeline.core.policy import Policy
from pipeline.core.request import opened
from pipeline.core.rest import wake
from pipeline.core.segment import pack_chunk
from pipeline.core.signs import ERROR, MARKER, PLAIN, SIGNS, Signs
from schemas.chunk import Chunk


class Verdict(Enum):
    """What became of a chunk."""

    NEW = auto()
    CLOSED = auto()
    REPEAT = auto()


NEW: Final = Verdict.NEW


def admit(head: Head, chunk: Chunk, now: int, offset: int, size: int, policy: Policy) -> Verdict:
    """Let a chunk into an open request.

    Args:
        head: changed in place.
        chunk: of the head's request and stream type.
        now: append time in ms, before `head.due`.
        offset: its source offset.
        size: bytes of its value.
        policy: graces and limits.

    Returns:
        NEW; CLOSED: new, and the request closes with it; REPEAT: its identity was seen before, and the caller keeps it
        in `head.repeats` until the chunks are compared.
    """
    signs = SIGNS[head.stream_type](chunk)
    plain = (
        signs is PLAIN
        and head.plain
        and chunk.chunk_index == head.next_index
        and chunk.attempt <= 0
        and not chunk.is_final
        and chunk.raw_request is None
        and chunk.image_index is None
        and chunk.original is None
    )
    if plain:
        head.next_index += 1
    else:
        head.changed = True
        slot = slot_of(chunk.attempt, signs.kind, chunk.image_index)
        if not head.remember(slot, chunk.chunk_index):
            return Verdict.REPEAT
        _read_signs(head, chunk, signs)
    head.chunk_count += 1
    head.size += size
    head.last_ms = now
    if head.size > policy.max_bytes or head.chunk_count > policy.max_chunks or policy.capture == "metadata":
        whole, chunk = chunk, bare(chunk, captured=policy.capture != "metadata")
        if policy.capture != "metadata" and not head.truncated and cuts(whole, chunk):
            head.truncated = head.changed = True
    head.held.append(pack_chunk(chunk) if head.segments else chunk)
    head.offsets.append(offset)
    if plain:
        due = now + policy.session_window
        head.due = due if due < head.oldest else head.oldest  # noqa: FURB136  min() costs a call for each chunk
        return NEW
    return set_deadline(head, now, policy)


def set_deadline(head: Head, now: int, policy: Policy) -> Verdict:
    """Look the rule up again after something new; CLOSED when it closes at once."""
    if head.revision:
        head.due, head.cause = now + policy.finish_grace, LATE
        return NEW
    rule = rule_of(head, policy)
    head.cause = rule.cause
    head.plain = rule.cause == EXPIRY and head.attempt == 0 and head.seen_mask == 1
    if rule.wait == AT_ONCE:
        close(head, rule.cause, now)
        return Verdict.CLOSED
    head.oldest = head.first_ms + policy.max_request_age
    head.due = min(now + rule.wait, head.oldest)
    return NEW


def close(head: Head, cause: str, at: int) -> None:
    """Freeze a request: nothing is admitted after (CONTRACT §4)."""
    head.closed_by, head.closed_at, head.changed = cause, at, True
    if not head.revision:
        head.first_closed_at = at
    head.due = NEVER


def close_due(head: Head, policy: Policy) -> None:
    """Close a request whose deadline passed, as of that deadline."""
    wake(head)
    at = head.due
    if head.revision:
        close(head, LATE, at)
        return
    expired_by_age = at == head.first_ms + policy.max_request_age
    wait = rule_of(head, policy).wait
    if expired_by_age and head.last_ms + wait > at:
        close(head, LIMIT, at)
    else:
        close(head, head.cause, at)


def _read_signs(head: Head, chunk: Any, signs: Signs) -> None:
    """Fold what a chunk says of the end into the head."""
    attempt = max(chunk.attempt, 0)
    if chunk.anomalies:
        head.anomalies += chunk.anomalies
    if chunk.raw_request is not None:
        _read_total(head, chunk.raw_request, (attempt, chunk.chunk_index))
    if chunk.is_final:
        head.final = True
        if signs.kind == MARKER:
            head.bare_final = True
    if attempt > head.attempt:
        head.raise_attempt(attempt)
    if attempt < head.attempt or (signs.kind == MARKER and chunk.attempt == FLOATING):
        return
    head.seen_mask |= signs.seen
    head.done |= signs.done
    head.terminal = head.terminal or signs.terminal
    if signs.kind == ERROR:
        head.error = True
        if chunk.is_final:
            head.error_final = True
            head.error_index = max(head.error_index, chunk.chunk_index)


def _read_total(head: Head, request: Any, at: tuple[int, int]) -> None:
    """Read n of raw_request: how many choices or images will come; that of the lowest (attempt, chunk_index) counts."""
    request = opened(request)
    total = request.get("n") if isinstance(request, dict) else None
    if isinstance(total, int) and not isinstance(total, bool) and total > 0 and (head.total_at or at) >= at:
        head.images_total, head.total_at = total, at
