"""What a record tells of what its price depended on, or why it does not tell enough: nothing is guessed.

A record keeps its usage whole, and its price was computed from more than that: from what the gateway stated, the tier,
characters, seconds, pictures and calls of tools. Where a record is too small for that (several attempts, content left
out for its size, digests in the place of content) it says so, and the chunks have to be asked (`refold`). Imports the
core and `pipeline.pricing.recorded`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from pipeline.core.cost import GATEWAY, GATEWAY_ZERO, PROVIDER
from pipeline.core.facts import Attempt
from pipeline.core.valuation import Call
from pipeline.pricing.recorded import attempt_in, call_in
from schemas.chunk import StreamType
from schemas.leaves import parse_timestamp

Record = Mapping[str, Any]

STATED: Final = frozenset({GATEWAY, PROVIDER})
"""Sources of a cost that somebody else stated: no price list changes it."""

OVERRIDDEN: Final = "stated_overridden"
"""Reason beside a list's price that stands in the place of what somebody stated: later runs leave it in its place."""

QUARANTINED: Final = "its fold failed, it has no figures"
ATTEMPTS: Final = "several attempts, of which the record keeps too little"
LEFT_OUT: Final = "content that counts for its price was left out"

_PLAIN: Final = frozenset({StreamType.CHAT, StreamType.TEXT})
"""Types of which the usage alone has a price."""
_SHED: Final = frozenset({"raw", "content"})
"""`content_omitted` of records that were too large."""


@dataclass(frozen=True)
class Basis:
    """What is to be priced.

    Attributes:
        attempts: those of which use or cost is known.
        calls: what each used.
        places: where each stands in the record's list of attempts; None where there is no list.
        gaps: the record lacks a count that a price may be asked for; a price that asks for it can't be computed.
    """

    attempts: Sequence[Attempt]
    calls: Sequence[Call]
    places: Sequence[int] | None
    gaps: bool = False


def source_of(record: Record) -> str | None:
    """Where its cost is from; None of one that has none."""
    source: str | None = (record["cost_details"] or {}).get("source")
    return source


def basis_of(record: Record, *, override: bool) -> Basis | str:
    """What a record tells, or in words what it lacks.

    Args:
        record: AccumulatedData.
        override: what gateway and provider stated counts for nothing.
    """
    if record["cost_details"] is None:
        return QUARANTINED
    sent = parse_timestamp(record["start_timestamp"])
    return _single(record, sent, override) if record["attempts"] is None else _several(record, sent, override)


def _single(record: Record, sent: datetime, override: bool) -> Basis | str:  # noqa: FBT001 (private)
    if _items_lost(record):
        return LEFT_OUT
    attempt = attempt_in(
        record,
        sent,
        cost=None if override else _gateway_cost(record),
        call=(record["origin"] or {}).get("call"),
        said=record["time_to_first_content"] is not None,
    )
    call = call_in(attempt, record, record["stream_type"], sent)
    gaps = _counts_lost(record)
    ended = record["finish_reason"] == "completed" and record["error_details"] is None
    if record["stream_type"] == StreamType.IMAGE and not ended:
        # Previews stand beside finished pictures in such a record, and only these are billed.
        call, gaps = call._replace(units=call.units._replace(images=None)), True
    return Basis([_unstated(attempt) if override else attempt], [call], None, gaps)


def _several(record: Record, sent: datetime, override: bool) -> Basis | str:  # noqa: FBT001 (private)
    """Of each attempt there is usage, model and cost; tier, cache and what was stated stand once for all of them."""
    listed = record["attempts"]
    places = [n for n, one in enumerate(listed) if one["token_usage"] is not None or one["cost"] is not None]
    known = [listed[n] for n in places]
    told_apart = record["service_tier"] is None and record["cache_debug"] is None
    if record["stream_type"] not in _PLAIN or not told_apart or (len(known) > 1 and not override):
        return ATTEMPTS
    if override and any(one["token_usage"] is None for one in known):
        return ATTEMPTS  # a stated cost without a usage: without it that attempt would be free
    call = (record["origin"] or {}).get("call")
    cost = None if override else _gateway_cost(record)
    attempts = [attempt_in({**one, "error_details": None}, sent, cost=cost, call=call) for one in known]
    calls = [call_in(attempt, record, record["stream_type"], sent) for attempt in attempts]
    return Basis([_unstated(attempt) if override else attempt for attempt in attempts], calls, places)


def _gateway_cost(record: Record) -> float | None:
    """What the gateway had stated: the cost itself, or the 0 that was overruled."""
    details = record["cost_details"]
    reason = details["reason"] or ""
    if reason.startswith(GATEWAY_ZERO):
        return 0.0
    cost: float | None = record["cost"]
    return cost if details["source"] == GATEWAY and not reason else None


def _unstated(attempt: Attempt) -> Attempt:
    """As if the provider had stated no cost."""
    usage = attempt.token_usage
    if usage is None or "cost" not in usage:
        return attempt
    return replace(attempt, token_usage={name: value for name, value in usage.items() if name != "cost"})


def _items_lost(record: Record) -> bool:
    """Whether calls of tools, which are billed, can't be counted."""
    if record["stream_type"] != StreamType.RESPONSES:
        return False
    if record["content_omitted"] == "content":
        return True
    # With `capture` hash a digest stands for the action: a search can't be told from the opening of a page.
    return any(isinstance(item.get("action"), str) for item in record["output_messages"] or ())


def _counts_lost(record: Record) -> bool:
    """Whether a count is missing that the worker may have had: of characters, of seconds."""
    kind, omitted = record["stream_type"], record["content_omitted"]
    if kind == StreamType.AUDIO:
        return omitted in _SHED or isinstance(record["raw_request"], str)
    return bool(kind == StreamType.TRANSCRIPTION and omitted == "content")
