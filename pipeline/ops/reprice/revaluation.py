"""One record under another price list: what it would say, or why it stays as it is.

Pure but for the pricer. Imports the core, the basis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from pipeline.core.appraisal import appraise_call
from pipeline.core.cost import CATALOG, NO_USAGE, OVERLAY, Price, Unpriced, total_cost
from pipeline.core.valuation import Call, Pricer
from pipeline.ops.reprice.basis import OVERRIDDEN, QUARANTINED, STATED, Basis, basis_of, source_of

Record = Mapping[str, Any]

UNPRICED: Final = "unpriced"
STATED_COST: Final = "stated"
KINDS: Final = (UNPRICED, CATALOG, OVERLAY)
"""What may be priced anew, by where its cost is from now; beside what others stated."""

_AMOUNTS: Final = ("input", "output", "total")
_LACKING: Final = (NO_USAGE, "unknown_count")
"""Reasons that a record gives which may be its own, and not the request's."""


class Outcome(StrEnum):
    """What becomes of a record."""

    CHANGED = "changed"
    SAME = "same"
    STATED = "stated"
    """The gateway's or the provider's own cost: not touched."""
    NO_PRICE = "no_price"
    """The list has none for it: it keeps what it has."""
    NOT_REPRICEABLE = "not_repriceable"
    """The record does not tell what its price depends on."""
    HELD = "held"
    """It would change, and can't yet."""


class Verdict(NamedTuple):
    """What becomes of a record, why, and what it would say."""

    outcome: Outcome
    reason: str = ""
    record: Mapping[str, Any] | None = None
    chunks_may_tell: bool = False


@dataclass(frozen=True)
class Dated:
    """A price list as it is at one time, whenever a call was made."""

    prices: Pricer
    at: datetime

    def price(self, call: Call) -> Price | Unpriced:
        """What a call would cost then."""
        return self.prices.price(call._replace(at=self.at))


def verdict_on(record: Record, pricer: Pricer | None, *, override: bool = False) -> Verdict:
    """Value a record anew.

    Args:
        record: AccumulatedData, unaltered.
        pricer: the other prices.
        override: what gateway and provider stated counts for nothing.
    """
    stated = source_of(record) in STATED
    if stated and not override:
        return Verdict(Outcome.STATED)
    before = (record["cost_details"] or {}).get("reason") == OVERRIDDEN
    override = override or before
    basis = basis_of(record, override=override)
    if isinstance(basis, str):
        told = basis != QUARANTINED and not override
        return Verdict(Outcome.NOT_REPRICEABLE, basis, chunks_may_tell=told)
    pairs = zip(basis.attempts, basis.calls, strict=True)
    worths = [appraise_call(attempt, call, pricer) for attempt, call in pairs]
    details = total_cost(worths)
    if details["total"] is not None:
        if before or (override and (stated or basis.places is not None)):
            details["reason"] = details["reason"] or OVERRIDDEN
        return compared(record, float(Decimal(details["total"])), details, _attempts(record, basis, worths))
    if basis.gaps and any(word in details["reason"] for word in _LACKING):
        return Verdict(Outcome.NOT_REPRICEABLE, details["reason"], chunks_may_tell=not override)
    return Verdict(Outcome.NO_PRICE, details["reason"])


def compared(record: Record, cost: float, details: Mapping[str, Any], attempts: Any) -> Verdict:
    """A record held to the money that it should state: totals, parts and attempts change together or not at all.

    A price of the same amounts is no change, whichever version of a list it is from: nobody is billed otherwise.
    """
    old = record["cost_details"]
    same = [record["cost"] == cost, _costs(record["attempts"]) == _costs(attempts)]
    if all(same) and all(old[name] == details[name] for name in _AMOUNTS):
        return Verdict(Outcome.SAME)
    return Verdict(Outcome.CHANGED, record={**record, "cost": cost, "cost_details": details, "attempts": attempts})


def _attempts(record: Record, basis: Basis, worths: list[Price | Unpriced | None]) -> Any:
    """The record's list of attempts with their new costs."""
    if basis.places is None:
        return record["attempts"]
    listed = [dict(one) for one in record["attempts"]]
    for place, worth in zip(basis.places, worths, strict=True):
        listed[place]["cost"] = float(worth.total) if isinstance(worth, Price) else None
    return listed


def _costs(attempts: Any) -> list[float | None] | None:
    return None if attempts is None else [one["cost"] for one in attempts]


def kind_of(record: Record) -> str:
    """unpriced, catalog, overlay, or stated by others."""
    source = source_of(record)
    if record["cost"] is None or source is None:
        return UNPRICED
    return STATED_COST if source in STATED else source
