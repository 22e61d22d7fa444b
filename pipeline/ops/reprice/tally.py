"""What a revaluation comes to: by model, and why records stay as they are. Amounts are exact decimals.

Owns the figures and their JSON. Imports the verdicts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pipeline.core.cost import EXACT, ZERO, plain
from pipeline.core.timing import rfc3339
from pipeline.ops.reprice.revaluation import Outcome, Verdict
from pipeline.sinks.row import exact_cost

PROBLEMS = (Outcome.NO_PRICE, Outcome.NOT_REPRICEABLE, Outcome.HELD)
"""What a person has to look at: something could not be priced, or not yet."""


@dataclass
class Row:
    """The requests of one model.

    Attributes:
        counts: requests by outcome.
        old: what they cost now, in USD.
        new: what they cost once the corrections count.
        waiting: what held ones would add.
        unpriced: how many have no cost now, and how many afterwards.
    """

    counts: Counter[Outcome] = field(default_factory=Counter)
    old: Decimal = ZERO
    new: Decimal = ZERO
    waiting: Decimal = ZERO
    unpriced: tuple[int, int] = (0, 0)

    def add(self, record: Mapping[str, Any], verdict: Verdict) -> None:
        """Count a request."""
        self.counts[verdict.outcome] += 1
        before = after = exact_cost(record)
        then = before if verdict.record is None else exact_cost(verdict.record)
        if verdict.outcome == Outcome.HELD:
            self.waiting = EXACT.add(self.waiting, EXACT.subtract(then or ZERO, before or ZERO))
        else:
            after = then
        self.old, self.new = EXACT.add(self.old, before or ZERO), EXACT.add(self.new, after or ZERO)
        self.unpriced = self.unpriced[0] + (before is None), self.unpriced[1] + (after is None)

    def merge(self, other: Row) -> None:
        """Add another row."""
        self.counts += other.counts
        self.old, self.new = EXACT.add(self.old, other.old), EXACT.add(self.new, other.new)
        self.waiting = EXACT.add(self.waiting, other.waiting)
        self.unpriced = self.unpriced[0] + other.unpriced[0], self.unpriced[1] + other.unpriced[1]

    def as_json(self) -> dict[str, Any]:
        """Its figures; amounts are decimal texts."""
        return {
            "requests": self.counts.total(),
            **{outcome.value: self.counts[outcome] for outcome in Outcome},
            "old_cost": plain(self.old),
            "new_cost": plain(self.new),
            "delta": plain(EXACT.subtract(self.new, self.old)),
            "held_delta": plain(self.waiting),
            "unpriced_before": self.unpriced[0],
            "unpriced_after": self.unpriced[1],
        }


@dataclass
class Tally:
    """All of it.

    Attributes:
        rows: by provider and model.
        reasons: requests by outcome and reason.
        held_until: when the last of those that only time holds may be corrected, ms.
        unreadable: records of the range that are no records.
        sent: corrections that count; None in a dry run.
    """

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    reasons: Counter[tuple[Outcome, str]] = field(default_factory=Counter)
    held_until: int | None = None
    unreadable: int = 0
    sent: int | None = None

    def add(self, record: Mapping[str, Any], verdict: Verdict) -> None:
        """Count a request."""
        key = record["provider"] or "", record["model"] or ""
        self.rows.setdefault(key, Row()).add(record, verdict)
        if verdict.outcome in PROBLEMS:
            self.reasons[verdict.outcome, verdict.reason] += 1

    def refuse(self, reason: str) -> None:
        """Count a record that is none to build on: its figures are not trusted either."""
        self.reasons[Outcome.NOT_REPRICEABLE, reason] += 1

    def hold(self, until: int | None) -> None:
        """Remember when a held request may be corrected."""
        if until is not None:
            self.held_until = max(until, self.held_until or 0)

    @property
    def total(self) -> Row:
        """The sum over models."""
        total = Row()
        for row in self.rows.values():
            total.merge(row)
        return total

    @property
    def problem(self) -> bool:
        """Whether something could not be priced, or not yet, or not be read."""
        return bool(self.reasons or self.unreadable)

    def as_json(self) -> dict[str, Any]:
        """The whole report."""
        models = [
            {"provider": provider or None, "model": model or None, **row.as_json()}
            for (provider, model), row in sorted(self.rows.items())
        ]
        reasons = [
            {"outcome": outcome.value, "reason": reason, "requests": count}
            for (outcome, reason), count in sorted(self.reasons.items())
        ]
        until = None if self.held_until is None else rfc3339(datetime.fromtimestamp(self.held_until / 1_000, UTC))
        return {
            "models": models,
            "total": self.total.as_json(),
            "reasons": reasons,
            "held_until": until,
            "unreadable": self.unreadable,
            "sent": self.sent,
        }
