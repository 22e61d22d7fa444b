"""What a reconciliation finds: classes, differences with both numbers, causes in money.  Owns the words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple


class Kind(StrEnum):
    """Classes of findings; each of them makes exit status 1."""

    MISSING = "missing"
    DUPLICATE = "duplicate"
    DIFFERENT = "different"
    MISPRICED = "mispriced"


class State(StrEnum):
    """What became of a request on whose account nothing is wrong."""

    OK = "ok"
    OPEN = "open"
    LATE = "late"
    CUT = "cut"


STATES: Final = {
    State.OK: "equal",
    State.OPEN: "may still be open, or its record is on the way",
    State.LATE: "equal; had late chunks, which dead letters or a revision account for",
    State.CUT: "begins before or ends after the range: not judged",
}


class Cause(StrEnum):
    """Where the money of a difference went."""

    CUT_STREAMS = "cut streams"
    CACHED_TOKENS = "cached tokens"
    UNPRICED = "unpriced"
    DUPLICATES = "duplicates"
    OTHER = "other"


class Difference(NamedTuple):
    """One thing that differs: what is expected, what was found; numbers and names, never content."""

    field: str
    expected: Any
    found: Any


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: its class.
        request_id: of the request; or whatever else names it.
        what: one phrase.
        place: topic, partition and offset to look at.
        differences: field by field.
        cause: of the difference in money.
        usd: what was found minus what was expected; None where one of them is not known.
        tokens: likewise.
    """

    kind: Kind
    request_id: str | None
    what: str
    place: str
    differences: tuple[Difference, ...] = ()
    cause: Cause = Cause.OTHER
    usd: Decimal | None = None
    tokens: int | None = None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "class": self.kind.value,
            "request_id": self.request_id,
            "what": self.what,
            "place": self.place,
            "differences": [
                {"field": each.field, "expected": plain(each.expected), "found": plain(each.found)}
                for each in self.differences
            ],
            "cause": self.cause.value,
            "usd": None if self.usd is None else plain(self.usd),
            "tokens": self.tokens,
        }


def plain(value: Any) -> Any:
    """An amount as decimal text, anything else as it is."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


@dataclass
class Sum:
    """Money of one cause."""

    findings: int = 0
    usd: Decimal = Decimal(0)
    unknown: int = 0
    tokens: int = 0


@dataclass
class Result:
    """A whole reconciliation.

    Attributes:
        title: what was held against what.
        limit: findings that are kept to be listed.
        counts: what was looked at, by name.
        kinds: findings by class.
        states: requests with nothing wrong, by state.
        unchecked: requests by what could not be held against anything.
        bar: money by cause.
        listed: the first findings.
        notes: sentences beside.
        usd, tokens: what the records bill, each request once.
    """

    title: str
    limit: int = 1_000
    counts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[Kind] = field(default_factory=Counter)
    states: Counter[State] = field(default_factory=Counter)
    unchecked: Counter[str] = field(default_factory=Counter)
    bar: dict[Cause, Sum] = field(default_factory=dict)
    listed: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    usd: Decimal = Decimal(0)
    tokens: int = 0

    @property
    def found(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.kinds)

    def add(self, finding: Finding) -> None:
        """Count a finding, and its money."""
        self.kinds[finding.kind] += 1
        if len(self.listed) < self.limit:
            self.listed.append(finding)
        money = self.bar.setdefault(finding.cause, Sum())
        money.findings += 1
        money.tokens += finding.tokens or 0
        if finding.usd is None:
            money.unknown += 1
        else:
            money.usd += finding.usd
