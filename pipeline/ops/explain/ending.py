"""How a request closed, or when it will: rule, setting, deadline and append times (CONTRACT §4).

The rule that applies is asked of the core; only its words are owned here. Imports the core.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from pipeline.core.closing import AT_ONCE, EXPIRY, LATE, LIMIT, rule_of
from pipeline.core.head import NEVER, Head
from pipeline.core.late import EPOCH
from pipeline.core.policy import Policy
from pipeline.core.timing import rfc3339
from pipeline.ops.explain.watch import Closing, Moment

Json = dict[str, Any]

RULES: Final = {
    "final": "CONTRACT §4 rule 1: is_final was seen",
    "finish": "CONTRACT §4 rule 2: every choice has finished, or the terminal event came",
    "error": "CONTRACT §4 rule 3: an error in the highest attempt",
    EXPIRY: "CONTRACT §4 rule 4: silence",
    LIMIT: "CONTRACT §4 rule 5: age",
    LATE: "CONTRACT §4 after closing: late chunks gathered for a revision",
}


def append_time(ms: int) -> str:
    """Append time as RFC 3339 with milliseconds."""
    text = rfc3339(EPOCH + timedelta(milliseconds=ms))
    return text[: -len("000Z")] + "Z"


def ending(closing: Closing, policy: Policy, *, clocked: bool) -> Json:
    """How a revision closed.

    Args:
        closing: with its record.
        policy: of the fold.
        clocked: the source records have append times.
    """
    head, record = closing.head, closing.record
    setting, wait = _wait(head, str(head.closed_by), policy)
    told = {
        "revision": head.revision,
        "record_id": record["record_id"],
        "closed_by": head.closed_by,
        "rule": RULES[str(head.closed_by)],
        "setting": setting,
        "wait_ms": wait,
        "last_new_chunk": _moment(_last(closing), clocked=clocked),
        "deadline": None,
        "seen_at": None,
        "supersedes": record["supersedes"],
        "delta": record["delta"],
    }
    if clocked:
        told["first_append_time"] = append_time(head.first_ms)
        told["deadline"] = append_time(head.closed_at)
        told["seen_at"] = None if closing.seen_at is None else _moment(closing.seen_at, clocked=True)
    return told


def outlook(closing: Closing, policy: Policy, clock: int, *, clocked: bool) -> Json:
    """When an open request will close if nothing more comes; `clock` is the append time that the partition is at."""
    head = closing.head
    setting, wait = _wait(head, head.cause, policy)
    due = clocked and head.due < NEVER
    return {
        "revision": head.revision,
        "closes_by": head.cause,
        "rule": RULES[head.cause],
        "setting": setting,
        "wait_ms": wait,
        "last_new_chunk": _moment(_last(closing), clocked=clocked),
        "deadline": append_time(head.due) if due else None,
        "partition_time": append_time(clock) if clocked else None,
        "remaining_ms": max(head.due - clock, 0) if due else None,
    }


def _wait(head: Head, cause: str, policy: Policy) -> tuple[str | None, int]:
    """The setting behind a deadline, and how long it waits after the last new chunk; of a limit, after the first."""
    if cause == LIMIT:
        return "max_request_age", policy.max_request_age
    if cause == LATE:
        return "finish_grace", policy.finish_grace
    if cause == EXPIRY:
        return "session_window", policy.session_window
    wait = AT_ONCE if head.poisoned else rule_of(head, policy).wait
    if wait == AT_ONCE:
        return None, wait
    return "attempt_grace" if cause == "error" and not head.error_final else "finish_grace", wait


def _last(closing: Closing) -> Moment:
    """The last new chunk, whose append time the deadline counts from."""
    offset = closing.chunks[-1][0] if closing.chunks else closing.head.last_offset
    return Moment(offset, closing.head.last_ms)


def _moment(moment: Moment, *, clocked: bool) -> Json:
    return {"offset": moment.offset, "append_time": append_time(moment.time) if clocked else None}
