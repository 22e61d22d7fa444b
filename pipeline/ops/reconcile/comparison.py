"""A record field by field against the count of its chunks.  Owns what can be told without a fold, and what can't."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Any, Final, NamedTuple

from pipeline.ops.reconcile import runs
from pipeline.ops.reconcile.chunk import FILLS, FLOATING, LAST_WORD, LOUD, SILENT, table
from pipeline.ops.reconcile.claim import ESTIMATED, INTERNAL, Claim
from pipeline.ops.reconcile.clock import Clock
from pipeline.ops.reconcile.finding import Difference
from pipeline.ops.reconcile.price import DIFFERENT, UNCHECKED
from pipeline.ops.reconcile.tally import Stated, Tally, cost_in, usage_in
from pipeline.ops.reconcile.usage import Uncheckable, Usage
from schemas.chunk import StreamType

PRICE_FIELDS: Final = frozenset(("cost", "cost source", "list price"))
"""Differences of nothing but money make a record mispriced."""

EXPLAINED: Final = frozenset(("late", "request_id_reused"))
"""Reasons of dead letters that account for chunks after the close."""

STATED: Final = frozenset(("gateway", "provider"))
_TICKS: Final = Decimal(10) ** -10
_CHAT: Final = (StreamType.CHAT, StreamType.TEXT)


@dataclass
class Comparison:
    """What came out.

    Attributes:
        differences: in the order of looking.
        unchecked: what could not be told, by reason.
        waiting: chunks are there that a revision may still take in.
        cost: what is expected in USD, as far as that is known.
    """

    differences: list[Difference] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    waiting: bool = False
    cost: Decimal | None = None

    def hold(self, name: str, expected: Any, found: Any) -> None:
        """Note a difference, if it is one."""
        if expected != found:
            self.differences.append(Difference(name, expected, found))


class Expected(NamedTuple):
    """What an attempt, or a request, costs by what chunks state.

    Attributes:
        total: USD; None: not stated.
        open: somebody else decides: a list price, a zero that may be overruled, the gateway's cache.
    """

    total: Decimal | None
    open: bool = False


def compare(tally: Tally, claims: Sequence[Claim], top: Claim, partition: int, clock: Clock) -> Comparison:
    """Hold a request's highest record against its chunks.

    Args:
        tally: of the chunks.
        claims: all its records.
        top: the highest of them.
        partition: of the chunks.
        clock: tells whether late chunks may still make a revision.
    """
    told = Comparison()
    if top.internal and any(reason == INTERNAL for _, reason in tally.refused):
        told.differences.append(Difference("status", "no internal error", "internal error"))
        return told
    if top.first is None or top.last is None:
        told.unchecked.append("a record without a source")
        return told
    told.hold("source partition", partition, top.source)
    told.hold("record partition", partition, top.partition)
    taken = runs.below(tally.offsets, top.last)
    _late(told, tally, claims, top, taken, clock)
    _refused(told, tally, claims)
    if told.waiting or told.differences:
        return told
    if top.revision and taken < top.chunks <= taken + len(tally.refused):
        told.unchecked.append("a correction that took in chunks out of dead letters")
        return told
    _evidence(told, tally, claims, top, taken)
    if _replaced(tally, _sure(claims, top)):
        told.unchecked.append("money: a late chunk that came again with other content")
        return told
    dropped = taken < len(tally.offsets) or top.chunks < taken
    if dropped and tally.highest and FLOATING in tally.attempts:
        told.unchecked.append("money: a marker without an attempt beside late chunks")
        return told
    _labels(told, tally, top)
    if dropped:
        told.unchecked.append("attribution: a late chunk that adds nothing")
    else:
        _attribution(told, tally, top)
    _usage(told, tally, top)
    _cost(told, tally, top)
    return told


def _late(told: Comparison, tally: Tally, claims: Sequence[Claim], top: Claim, taken: int, clock: Clock) -> None:
    """Chunks after the last one that the record counts."""
    was_complete = min(claims, key=lambda claim: claim.revision).complete
    for offset, loudness in zip(tally.offsets[taken:], tally.loudness[taken:], strict=True):
        if loudness == SILENT or (loudness != LOUD and top.complete):
            continue
        if loudness == FILLS or (loudness == LAST_WORD and was_complete):
            # A gap between chunks that all came late is none of the record; and whether a revision of what was
            # complete before still waits for an end, the contract leaves open.
            told.unchecked.append("a late chunk without content that may fill a gap or end a revision")
        elif clock.past(tally.last_ms + clock.grace):
            told.differences.append(Difference("chunk", f"counted, offset {offset}", "not counted"))
        else:
            told.waiting = True


def _refused(told: Comparison, tally: Tally, claims: Sequence[Claim]) -> None:
    """Nothing is late before the first record closed."""
    first = min(claims, key=lambda claim: claim.revision)
    if first.revision or first.last is None:
        return
    for offset, reason in tally.refused:
        if reason in EXPLAINED and offset <= first.last:
            told.differences.append(Difference("chunk", f"counted, offset {offset}", f"refused as {reason}"))


def _sure(claims: Sequence[Claim], top: Claim) -> int:
    """The offset up to which every chunk came before the first close."""
    first = min(claims, key=lambda claim: claim.revision)
    last = top.last if top.revision == 0 else first.last if first.revision == 0 else None
    return -1 if last is None else last


def _replaced(tally: Tally, sure: int) -> bool:
    """Whether a chunk that added nothing came late and then again with something: the first is not remembered."""
    silent = any(
        loudness != LOUD and offset > sure for offset, loudness in zip(tally.offsets, tally.loudness, strict=True)
    )
    return silent and any(-1 - offset > sure for offset in tally.repeats if offset < 0)


def _evidence(told: Comparison, tally: Tally, claims: Sequence[Claim], top: Claim, taken: int) -> None:
    """Counts of chunks, repeats and conflicts, offsets, holes."""
    sure = _sure(claims, top)
    silent = sum(
        loudness != LOUD and offset > sure
        for offset, loudness in zip(tally.offsets[:taken], tally.loudness[:taken], strict=True)
    )
    if not taken - silent <= top.chunks <= taken:
        told.hold("chunks", taken, top.chunks)
    told.hold("first offset", tally.offsets[0], top.first)
    if not silent and taken:
        told.hold("last offset", tally.offsets[taken - 1], top.last)
    again = [offset if offset >= 0 else -1 - offset for offset in tally.repeats if top.omitted or offset >= 0]
    _hold_within(told, "duplicates", again, sure, top.repeats)
    refused = [offset for offset, reason in tally.refused if reason == "conflict"]
    _hold_within(told, "conflicts", refused, sure, top.conflicts)
    unlike = sum(offset < 0 and -1 - offset <= sure for offset in tally.repeats)
    if not top.omitted:
        told.hold("conflicts without a dead letter", 0, unlike)
    missing = tally.missing()
    if missing is not None and taken == len(tally.offsets) == top.chunks:
        told.hold("missing indexes", missing, top.missing)


def _hold_within(told: Comparison, name: str, offsets: Sequence[int], sure: int, found: int) -> None:
    """A count of what may have come before or after the close: at least those up to `sure`, at most all."""
    least = sum(offset <= sure for offset in offsets)
    if not least <= found <= len(offsets):
        told.hold(name, least if found < least else len(offsets), found)


def _labels(told: Comparison, tally: Tally, top: Claim) -> None:
    """Who pays."""
    told.hold("stream type", tally.stream_type, top.stream_type)
    labels = tally.who_pays()
    for name in sorted(labels.keys() | top.labels.keys()):
        if labels.get(name) != top.labels.get(name):
            told.differences.append(Difference("label", name, "another value" if name in top.labels else "missing"))


def _attribution(told: Comparison, tally: Tally, top: Claim) -> None:
    """What was paid for, and when it began."""
    stated = list(tally.stated().values())
    told.hold("provider", _newest(stated, "provider"), top.provider)
    models = [each.model or each.said_model for each in stated]
    names = [model[1] for model in models if model is not None]
    if "" in names:
        told.unchecked.append("model: an empty name")
    else:
        told.hold("model", names[-1] if names else None, top.model)
    told.hold("start", tally.begun if tally.started is None else tally.started, top.started)
    several = len(stated) > 1
    told.hold("attempts", [*tally.stated()] if several else [], [part.number for part in top.attempts])
    if tally.stream_type in _CHAT and not several and not stated[0].failed and not stated[0].others:
        finish = stated[0].finish
        told.hold("finish_reason", None if finish is None else finish[1], top.finish)


def _newest(stated: Sequence[Stated], name: str) -> str | None:
    return next((found[1] for each in reversed(stated) if (found := getattr(each, name)) is not None), None)


def _usage(told: Comparison, tally: Tally, top: Claim) -> None:
    """Token counts, in the convention of the record."""
    usage = tally.usage()
    if isinstance(usage, Uncheckable):
        told.unchecked.append(f"usage: {usage.reason}")
        return
    if top.usage_source == ESTIMATED:
        told.unchecked.append("usage: an estimate")
        if (usage.completion or 0) > (top.usage.completion or 0):
            told.hold("completion_tokens", usage.completion, top.usage.completion)
        return
    for name in ("prompt", "completion", "total"):
        told.hold(f"{name}_tokens", getattr(usage, name), getattr(top.usage, name))
    for name in ("cached", "written", "reasoning"):
        stated = getattr(usage, name)
        if stated is not None and stated != (getattr(top.usage, name) or 0):
            told.hold(f"{name}_tokens", stated, getattr(top.usage, name))


def _cost(told: Comparison, tally: Tally, top: Claim) -> None:
    """The stated cost of each attempt, or else the list price."""
    whole = expected_cost(tally)
    told.cost = whole.total
    if whole.total is not None:
        told.hold("cost", whole.total, top.amount)
        if top.cost_source not in STATED:
            told.hold("cost source", "stated", top.cost_source)
    elif not whole.open:
        if top.cost_source in STATED:
            told.hold("cost source", "nobody states a cost", top.cost_source)
        for part in top.attempts:
            _attempt_cost(told, tally, part.number, part.cost)
    if top.price.result == DIFFERENT:
        told.cost = Decimal(top.price.told)
        told.hold("list price", told.cost, top.amount)
    elif top.price.result == UNCHECKED:
        told.unchecked.append(f"list price: {top.price.told}")


def _attempt_cost(told: Comparison, tally: Tally, number: int, found: str | None) -> None:
    stated = tally.stated().get(number)
    expected = None if stated is None else _expected(stated).total
    if expected is not None and (found is None or abs(Decimal(found) - expected) > Decimal("1e-12")):
        told.hold(f"cost of attempt {number}", expected, found)


def expected_cost(tally: Tally) -> Expected:
    """What a request costs, where chunks state it for every attempt that used something."""
    found = [(_expected(stated), usage_in(stated)) for stated in tally.stated().values()]
    told = [expected.total for expected, _ in found if expected.total is not None]
    unknown = any(expected.total is None and (expected.open or _used(usage)) for expected, usage in found)
    media = tally.stream_type not in (*_CHAT, StreamType.RESPONSES) and len(found) > 1  # may have used more than tokens
    if unknown or not told or (media and len(told) < len(found)):
        return Expected(None, bool(told) or any(expected.open for expected, _ in found))
    with localcontext(prec=60):
        return Expected(sum(told, Decimal(0)))


def _used(usage: Usage | Uncheckable) -> bool:
    return isinstance(usage, Uncheckable) or not usage.empty


def _expected(stated: Stated) -> Expected:
    """What an attempt costs by the order of CONTRACT §2: the gateway's word, then the provider's, but no zero."""
    gateway = cost_in(stated)
    if gateway:
        return Expected(gateway)
    if stated.cached:
        return Expected(None, open=True)
    own = provider_cost(stated)
    if own:
        return Expected(own)
    return Expected(None, open=gateway is not None or own is not None)


def provider_cost(stated: Stated) -> Decimal | None:
    """What the provider itself says in its usage: an object's total, a bare number, or ticks (WIRE §4)."""
    if not stated.usages:
        return None
    raw = stated.usages[0][2]
    cost = raw.get("cost")
    told = table(cost).get("total_cost") if isinstance(cost, dict) else cost
    if _is_amount(told):
        return Decimal(repr(told))
    ticks = raw.get("cost_in_usd_ticks")
    return Decimal(repr(float(Decimal(repr(ticks)) * _TICKS))) if _is_amount(ticks) and ticks > 0 else None


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
