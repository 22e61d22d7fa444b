"""AccumulatedData from the attempts of a closed request (CONTRACT §2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pipeline.core.appraisal import appraise
from pipeline.core.closing import EXPIRY, LIMIT, missing, rule_of
from pipeline.core.cost import Price, Unpriced, total_cost
from pipeline.core.error import is_cancelled
from pipeline.core.estimate import Characters, fill
from pipeline.core.facts import Attempt, attempt_of, labels, raw_request, raw_responses
from pipeline.core.fingerprint import fingerprint
from pipeline.core.head import Head
from pipeline.core.policy import Policy
from pipeline.core.revision import change, identity
from pipeline.core.segment import Marker
from pipeline.core.signs import SIGNS
from pipeline.core.timing import between_content, milliseconds, rfc3339
from pipeline.core.usage import add_usage
from pipeline.core.valuation import UNVALUED, Valuation
from schemas.chunk import Chunk, StreamType

_ENDED_BY_FINISH: Final = frozenset({StreamType.CHAT, StreamType.TEXT, StreamType.RESPONSES})

Json = dict[str, Any]


@dataclass(slots=True, frozen=True, kw_only=True)
class Times:
    """Payload times of a request: `start` and `end` by the contract's rules, `first` and `last` of its chunks.

    `first_shown` is the earliest chunk of the attempt whose output the record shows.
    """

    start: datetime
    end: datetime
    first: datetime
    last: datetime
    first_shown: datetime


@dataclass(slots=True, frozen=True, kw_only=True)
class Folded:
    """The record of a closed request before it is encoded, and the attempts that it was made of."""

    record: Json
    times: Times
    attempts: Sequence[Attempt] = ()


def attempts_of(chunks: Sequence[Chunk], stream_type: str, *, stripped: bool = False) -> list[Attempt]:
    """Fold each attempt; bare markers without one belong to the highest; `stripped` as in attempt_of."""
    highest = max([chunk.attempt for chunk in chunks])
    if highest <= 0:
        return [attempt_of(0, list(chunks), stream_type, stripped=stripped)]
    by_number: dict[int, list[Chunk]] = {}
    for chunk in chunks:
        floating = chunk.attempt < 0 and chunk.response is None and chunk.error is None
        by_number.setdefault(highest if floating else max(chunk.attempt, 0), []).append(chunk)
    return [attempt_of(number, found, stream_type, stripped=stripped) for number, found in sorted(by_number.items())]


def shown_of(attempts: Sequence[Attempt]) -> Attempt:
    """The attempt whose output the record shows: the highest with content or a finish_reason, else the highest."""
    return next((a for a in reversed(attempts) if a.output.content_times or a.output.finish_reason), attempts[-1])


def end_of(attempts: Sequence[Attempt]) -> Chunk:
    """The chunk whose time is end_timestamp: is_final, else the error, else the highest of the highest attempt."""
    finals = [chunk for attempt in attempts for chunk in attempt.chunks if chunk.is_final]
    return finals[-1] if finals else _error_or_last(attempts[-1])


def fold(
    head: Head,
    chunks: Sequence[Chunk],
    previous: Marker | None,
    policy: Policy,
    valuation: Valuation = UNVALUED,
) -> Folded:
    """Make the record of a closed request, its fields in schema order; source and digest are added when it is sealed.

    Args:
        head: closed: its `closed_by` is set.
        chunks: all of them, at least one, in any order.
        previous: the marker of the revision before, for a revision.
        policy: whose digest the record carries.
        valuation: prices and estimates.
    """
    attempts = attempts_of(chunks, head.stream_type, stripped=head.truncated or policy.capture == "metadata")
    shown = shown_of(attempts)
    times = _times(chunks, attempts, shown)
    cause = rule_of(head, policy).cause
    status, _ = status_of(head, shown, cause)
    if policy.estimate_usage != "off":
        _estimate(attempts, shown, status, head.stream_type, valuation)
    worths = appraise(attempts, head.stream_type, times.start, valuation.pricer)
    usage, cost, details = _money(attempts, worths)
    record = {
        "request_id": head.request_id,
        "model": _newest(attempts, "model"),
        "status": status,
        "stream": True,
        **_span(times),
        **_seed_fields(attempts, shown, usage, cost),
        "stream_type": head.stream_type,
        **identity(policy.ledger, head.request_id, head.revision),
        "delta": change((previous.token_usage, previous.cost), (usage, cost)) if previous else None,
        **_evidence(head, attempts, shown, cause, policy),
        "choices": shown.output.choices,
        "logprobs": shown.output.logprobs,
        "usage_source": _usage_source(attempts),
        "cost_details": details,
        "attempts": _listed(attempts, worths) if len(attempts) > 1 else None,
        **_content_times(shown, times),
        "source": None,
        "config_digest": policy.digest,
        "digest": None,
    }
    if policy.capture == "hash":
        fingerprint(record)
    return Folded(record=record, times=times, attempts=attempts)


def _span(times: Times) -> Json:
    return {
        "latency": milliseconds(times.start, times.end),
        "time_to_first_token": milliseconds(times.start, times.first_shown),
        "start_timestamp": rfc3339(times.start),
        "end_timestamp": rfc3339(times.end),
    }


def _in_order(attempts: Sequence[Attempt]) -> Sequence[Chunk]:
    """All chunks by (attempt, fold order)."""
    return attempts[0].chunks if len(attempts) == 1 else [chunk for a in attempts for chunk in a.chunks]


def _seed_fields(attempts: Sequence[Attempt], shown: Attempt, usage: Json | None, cost: float | None) -> Json:
    """Output and money under the seed's names."""
    output = shown.output
    return {
        "output_message": output.output_message,
        "output_messages": output.output_messages,
        "tool_calls": output.tool_calls,
        "error_details": shown.error,
        "token_usage": usage,
        "cache_debug": _newest(attempts, "cache_debug"),
        "cost": cost,
        "audio_output": output.audio_output,
        "transcription_output": output.transcription_output,
        "image_generation_output": output.image_generation_output,
        "finish_reason": shown.finish_reason,
        "raw_response": raw_responses(attempts),
        "raw_request": raw_request(_in_order(attempts)),
        "provider": _newest(attempts, "provider"),
    }


def _evidence(head: Head, attempts: Sequence[Attempt], shown: Attempt, cause: str, policy: Policy) -> Json:
    """Who pays, how it closed, what is missing."""
    gaps = missing(head, shown.number)
    return {
        "labels": labels(_in_order(attempts)),
        "service_tier": _newest(attempts, "service_tier"),
        "origin": _origin(shown),
        "closed_by": head.closed_by,
        "complete": cause != EXPIRY and not gaps,
        "missing_indexes": gaps,
        "truncated": head.truncated,
        "content_omitted": None if policy.capture == "full" else "capture",
        "chunk_count": head.chunk_count,
        "duplicate_count": head.duplicates,
        "conflict_count": head.conflicts,
        "payload_anomalies": head.anomalies + sum(attempt.anomalies for attempt in attempts),
    }


def _origin(shown: Attempt) -> Json | None:
    """Which call of the provider it was."""
    found = {"call": shown.call, "response_id": shown.response_id}
    return found if any(found.values()) else None


def _content_times(shown: Attempt, times: Times) -> Json:
    moments = shown.output.content_times
    tokens = (shown.token_usage or {}).get("completion_tokens")
    return {
        "time_to_first_content": milliseconds(times.start, min(moments)) if moments else None,
        "inter_chunk_latency": between_content(moments, tokens),
    }


def _newest(attempts: Sequence[Attempt], name: str) -> Any:
    if len(attempts) == 1:
        return getattr(attempts[0], name)
    return next((value for a in reversed(attempts) if (value := getattr(a, name)) is not None), None)


def _times(chunks: Sequence[Chunk], attempts: Sequence[Attempt], shown: Attempt) -> Times:
    """Start is the earliest start_timestamp, else the earliest chunk; end see CONTRACT §2."""
    starts = [chunk.start_timestamp for chunk in chunks if chunk.start_timestamp is not None]
    stamps = [chunk.timestamp for chunk in chunks]
    first, last = min(stamps), max(stamps)
    end = end_of(attempts).timestamp
    first_shown = first if len(attempts) == 1 else min(chunk.timestamp for chunk in shown.chunks)
    start = min(starts) if starts else first
    return Times(start=start, end=end, first=first, last=last, first_shown=first_shown)


def _error_or_last(attempt: Attempt) -> Chunk:
    """The highest chunk with an error, handed in or inside of its payload; else the highest."""
    raised = (chunk for chunk in reversed(attempt.chunks) if SIGNS[chunk.stream_type](chunk).error)
    return attempt.chunks[-1] if attempt.error is None else next(raised, attempt.chunks[-1])


def status_of(head: Head, shown: Attempt, cause: str) -> tuple[str, str]:
    """success, error or incomplete, and why in words (CONTRACT §2).

    Args:
        head: of the request.
        shown: the attempt whose output the record shows.
        cause: the closing rule that applies to what was seen.
    """
    if shown.error is not None:
        cancelled = is_cancelled(shown.error)
        return ("incomplete", "the request was cancelled") if cancelled else ("error", "its attempt has an error")
    if head.closed_by in (EXPIRY, LIMIT) or cause == EXPIRY:
        return "incomplete", "no end was seen"
    ended = shown.finish_reason or shown.output.terminal
    if head.final and head.stream_type in _ENDED_BY_FINISH and not ended:
        return "incomplete", "is_final, but neither finish_reason nor terminal event"
    if shown.output.incomplete:
        return "incomplete", "the provider says that it was cut"
    return "success", "its end was seen"


def _estimate(attempts: Sequence[Attempt], shown: Attempt, status: str, stream_type: str, valuation: Valuation) -> None:
    """Give those that were cut an estimate of what nobody stated; the request's status is that of the attempt shown."""
    cut = [a for a in attempts if (status if a is shown else _attempt_status(a)) == "incomplete"]
    fill(cut, stream_type, raw_request(_in_order(attempts)), valuation.estimator or Characters())


def _usage_source(attempts: Sequence[Attempt]) -> str | None:
    """A sum of which any part is an estimate is one."""
    if all(attempt.token_usage is None for attempt in attempts):
        return None
    return "estimated" if any(attempt.estimated for attempt in attempts) else "provider"


def _money(
    attempts: Sequence[Attempt], worths: Sequence[Price | Unpriced | None]
) -> tuple[Json | None, float | None, Json]:
    """Usage and cost are sums over attempts; cost is null if an attempt with usage is unpriced."""
    usage: Json | None = None
    for attempt in attempts:
        if attempt.token_usage is not None:
            usage = attempt.token_usage if usage is None else add_usage(usage, attempt.token_usage)
    details = total_cost(worths)
    return usage, None if details["total"] is None else float(details["total"]), details


def _listed(attempts: Sequence[Attempt], worths: Sequence[Price | Unpriced | None]) -> list[Json]:
    return [
        {
            "number": attempt.number,
            "provider": attempt.provider,
            "model": attempt.model,
            "status": _attempt_status(attempt),
            "finish_reason": attempt.finish_reason,
            "token_usage": attempt.token_usage,
            "cost": float(worth.total) if isinstance(worth, Price) else None,
        }
        for attempt, worth in zip(attempts, worths, strict=True)
    ]


def _attempt_status(attempt: Attempt) -> str:
    if attempt.error is not None:
        return "incomplete" if is_cancelled(attempt.error) else "error"
    ended = attempt.output.terminal or attempt.finish_reason is not None
    return "success" if ended and not attempt.output.incomplete else "incomplete"
