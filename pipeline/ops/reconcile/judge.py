"""One request: what its chunks say against what its records claim.  A pure function; owns the verdict.

The comparison field by field is `comparison`; this one says which record counts, what is missing, double or not due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pipeline.ops.reconcile.claim import Claim
from pipeline.ops.reconcile.clock import Clock
from pipeline.ops.reconcile.comparison import EXPLAINED, PRICE_FIELDS, Comparison, compare, expected_cost
from pipeline.ops.reconcile.finding import Cause, Difference, Finding, Kind, State
from pipeline.ops.reconcile.tally import Tally
from pipeline.ops.reconcile.usage import Usage
from schemas.identity import record_id


@dataclass(frozen=True)
class Scope:
    """Where a request was looked for.

    Attributes:
        ledger: whose record ids are expected.
        chunk_topic, record_topic: their names.
        partition: of both.
        begin, end: offsets of the chunk range.
        whole: nothing lies before the range.
    """

    ledger: str
    chunk_topic: str
    record_topic: str
    partition: int
    begin: int
    end: int
    whole: bool = True


@dataclass
class Verdict:
    """What is to be said of a request."""

    state: State
    findings: list[Finding] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    waiting: bool = False
    """A revision may still come."""


def judge(tally: Tally | None, claims: Sequence[Claim], scope: Scope, clock: Clock) -> Verdict:
    """Judge one request.

    Args:
        tally: of its chunks in the range; None: there are none.
        claims: its records, in the order of the topic.
        scope: where both were read.
        clock: what time it is.
    """
    if not claims:
        return _without_record(tally, scope, clock)
    top = max(claims, key=lambda claim: (claim.revision, -claim.offset))
    if _outside(top, scope):
        return Verdict(State.CUT)
    findings = _doubled(claims, scope) + _chain(claims, scope)
    if tally is None or not tally.offsets:
        text = "a record of chunks that are not there"
        findings.append(_finding(Kind.DIFFERENT, top, scope, text, usd=top.amount, tokens=top.tokens))
        return Verdict(State.OK, findings)
    found = compare(tally, claims, top, scope.partition, clock)
    if found.differences:
        findings.append(_differing(tally, top, found, scope))
    late = top.revision > 0 or found.waiting or any(reason in EXPLAINED for _, reason in tally.refused)
    return Verdict(State.LATE if late else State.OK, findings, found.unchecked, found.waiting)


def _without_record(tally: Tally | None, scope: Scope, clock: Clock) -> Verdict:
    if tally is None or not tally.offsets:
        return Verdict(State.LATE if tally is not None else State.OK)
    if not clock.settled(tally):
        return Verdict(State.OPEN)
    usage = tally.usage()
    tokens = usage.total if isinstance(usage, Usage) else None
    expected = expected_cost(tally)
    usd = None if expected.total is None else -expected.total
    place = f"{scope.chunk_topic}/{scope.partition}/{tally.offsets[0]}"
    differences = (Difference("records", 1, 0), Difference("chunks", len(tally.offsets), None))
    finding = Finding(
        Kind.MISSING,
        tally.request_id,
        "no record",
        place,
        differences,
        Cause.OTHER if tally.final or tally.stated()[tally.highest].finish else Cause.CUT_STREAMS,
        usd,
        None if tokens is None else -tokens,
    )
    return Verdict(State.OK, [finding])


def _outside(claim: Claim, scope: Scope) -> bool:
    """Whether a record has chunks before or after the range, so that it can't be judged."""
    if claim.first is None or claim.last is None or claim.source != scope.partition:
        return False
    return claim.first < scope.begin or claim.last >= scope.end


def _doubled(claims: Sequence[Claim], scope: Scope) -> list[Finding]:
    """Every record after the first of a revision."""
    seen: dict[int, Claim] = {}
    findings = []
    for claim in claims:
        first = seen.setdefault(claim.revision, claim)
        if first is not claim:
            what = f"revision {claim.revision} again, after offset {first.offset}"
            differences = () if claim.digest == first.digest else (Difference("digest", first.digest, claim.digest),)
            findings.append(
                _finding(
                    Kind.DUPLICATE,
                    claim,
                    scope,
                    what,
                    differences,
                    cause=Cause.DUPLICATES,
                    usd=claim.amount,
                    tokens=claim.tokens,
                )
            )
    return findings


def _chain(claims: Sequence[Claim], scope: Scope) -> list[Finding]:
    """Ids, what they supersede, and deltas that add up; a record that contradicts itself."""
    by_revision = {claim.revision: claim for claim in reversed(claims)}
    findings = []
    for revision, claim in sorted(by_revision.items()):
        wrong = [Difference(name, "consistent", "not") for name in claim.wrong]
        expected = record_id(scope.ledger, claim.request_id, revision)
        if claim.record_id != expected:
            wrong.append(Difference("record_id", expected, claim.record_id))
        before = record_id(scope.ledger, claim.request_id, revision - 1) if revision else None
        if claim.supersedes != before:
            wrong.append(Difference("supersedes", before, claim.supersedes))
        previous = by_revision.get(revision - 1)
        if revision and previous is None and scope.whole:
            wrong.append(Difference(f"revision {revision - 1}", "there", "missing"))
        if previous is not None:
            wrong += _delta(previous, claim)
        if wrong:
            findings.append(_finding(Kind.DIFFERENT, claim, scope, "its identity or its delta", tuple(wrong)))
    return findings


def _delta(previous: Claim, claim: Claim) -> list[Difference]:
    """A delta must be the difference of two revisions (CONTRACT §4), null counting as 0."""
    zero = Decimal(0)
    wrong = []
    change = (claim.amount or zero) - (previous.amount or zero)
    if abs(Decimal(claim.delta_cost or 0) - change) > Decimal("1e-9"):
        wrong.append(Difference("delta.cost", change, claim.delta_cost))
    for name in ("prompt", "completion", "total"):
        after, before = getattr(claim.usage, name) or 0, getattr(previous.usage, name) or 0
        told = getattr(claim.delta_usage, name) or 0
        if told != after - before:
            wrong.append(Difference(f"delta.{name}_tokens", after - before, told))
    return wrong


def _differing(tally: Tally, top: Claim, found: Comparison, scope: Scope) -> Finding:
    """The finding of a record that is not what its chunks say."""
    money = all(each.field in PRICE_FIELDS for each in found.differences)
    usage = tally.usage()
    tokens = top.tokens - (usage.total or 0) if isinstance(usage, Usage) and not usage.empty else None
    expected = found.cost
    usd = None if expected is None else (top.amount or Decimal(0)) - expected
    return _finding(
        Kind.MISPRICED if money else Kind.DIFFERENT,
        top,
        scope,
        "cost" if money else "not what its chunks say",
        tuple(found.differences),
        cause=_cause(top, found),
        usd=usd,
        tokens=tokens,
    )


def _cause(top: Claim, found: Comparison) -> Cause:
    names = {each.field for each in found.differences}
    if top.cost is None and found.cost is not None:
        return Cause.UNPRICED
    if top.status == "incomplete" and names & {"prompt_tokens", "completion_tokens", "total_tokens", "cost", "chunks"}:
        return Cause.CUT_STREAMS
    if names & {"cached_tokens", "written_tokens"}:
        return Cause.CACHED_TOKENS
    return Cause.OTHER


def _finding(
    kind: Kind, claim: Claim, scope: Scope, what: str, differences: tuple[Difference, ...] = (), **money: Any
) -> Finding:
    """A finding at the place of a record; `money` is cause, usd, tokens."""
    place = f"{scope.record_topic}/{claim.partition}/{claim.offset}"
    return Finding(kind, claim.request_id, what, place, differences, **money)
