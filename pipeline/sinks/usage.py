"""Usage and cost of a span of time, grouped as somebody asks: one statement, so that a total is that of its rows.

Owns the names by which requests can be grouped and filtered, the statement, and its answer. Whatever a person wrote
travels as a parameter; names of columns come from here. Imports the database, the measures and the views' names.
"""

# ruff: noqa: S608 (statements are put together of names that stand in this package; what people write is a parameter)

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from pipeline.errors import UsageError
from pipeline.sinks.database import Database, Dialect
from pipeline.sinks.label import key_of, value_of
from pipeline.sinks.measures import MEASURES, Measure, percentile
from pipeline.sinks.views import BILLED

LABEL: Final = "label."
"""What stands before a label's key where one groups by it."""

DIMENSIONS: Final = {
    "day": "CAST(day AS TEXT)",
    "month": "SUBSTR(CAST(day AS TEXT), 1, 7)",
    "hour": "SUBSTR(CAST(DATE_TRUNC('hour', {utc}) AS TEXT), 1, 16)",
    "provider": "provider",
    "model": "model",
    "stream_type": "stream_type",
    "status": "status",
    "closed_by": "closed_by",
    "finish_reason": "finish_reason",
    "error_type": "error_type",
    "service_tier": "service_tier",
    "call": "call",
    "usage_source": "usage_source",
    "cost_source": "cost_source",
    "cost_reason": "cost_reason",
    "price_version": "price_version",
}
"""What requests can be grouped by, beside labels, as SQL over the view; {utc} is the end of the original in UTC."""

_UTC: Final = {Dialect.DUCKDB: "billed_at", Dialect.POSTGRES: "billed_at AT TIME ZONE 'UTC'"}
_INSTANT: Final = {Dialect.DUCKDB: "TIMESTAMP", Dialect.POSTGRES: "TIMESTAMPTZ"}

FILTERS: Final = ("provider", "model", "stream_type", "status")
"""Columns of which a question may want certain values only."""

ALL: Final = (*MEASURES, Measure("ttft_p50", percentile(0.5)))

Group = Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked.

    Attributes:
        by: Names of DIMENSIONS, or label.KEY, in order.
        since, until: Ends of the span [since, until) of the originals' ends, ms since the epoch; None: open.
        only: Values that count, by name of FILTERS; none or several.
        labels: Label and value that a request must carry, each of them.
        subtotals: A line more for each group of all names but the last, of all but the last two, and so on.
    """

    by: Sequence[str] = ()
    since: int | None = None
    until: int | None = None
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    subtotals: bool = False


@dataclass(frozen=True)
class Line:
    """Figures of one group.

    Attributes:
        group: Its values by name; null where a request has none. A subtotal has fewer names, the total none.
        figures: By name of ALL; null where nothing is known.
    """

    group: Group
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a question finds.

    Attributes:
        lines: In the order of their groups, subtotals after what they sum up; none if it does not group.
        total: Over all requests of the span.
        reasons: How many requests have no cost, by reason.
    """

    lines: Sequence[Line]
    total: Line
    reasons: Mapping[str, int]


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """Names to group by, each once.

    Raises:
        UsageError: one is none; the hint has those that are.
    """
    for name in names:
        if name in DIMENSIONS or (name.startswith(LABEL) and len(name) > len(LABEL)):
            continue
        near = difflib.get_close_matches(name, DIMENSIONS, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise UsageError(
            f"requests can't be grouped by {name!r}", hint=f"{meant}there are {', '.join(DIMENSIONS)}, {LABEL}KEY"
        )
    return tuple(dict.fromkeys(names))


def ask(database: Database, question: Question) -> Answer:
    """Ask a database.

    Raises:
        UsageError: there is no such thing to group by.
        FoundProblem: the database refuses; it may be older than the views.
    """
    statement = _Statement(database.dialect)
    names = checked(question.by)
    rows = database.query(statement.usage(names, question), statement.parameters)
    *lines, total = [Line(_named(names, row), _figures(row)) for row in rows]
    reasons = _Statement(database.dialect)
    found = database.query(reasons.unpriced(question), reasons.parameters) if total.figures["unpriced"] else []
    return Answer(lines, total, {reason or "unknown": count for reason, count in found})


def _named(names: Sequence[str], row: Sequence[Any]) -> dict[str, str | None]:
    """The group of a row: each value follows on whether it is summed up."""
    return {name: row[2 * place + 1] for place, name in enumerate(names) if not row[2 * place]}


def _figures(row: Sequence[Any]) -> dict[str, Any]:
    return dict(zip((measure.name for measure in ALL), row[-len(ALL) :], strict=True))


class _Statement:
    """A statement and its parameters, which are numbered as they come."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.parameters: list[Any] = []

    def usage(self, names: Sequence[str], question: Question) -> str:
        """For each name whether it is summed up, and its value; then the figures. The total comes last."""
        dimensions = "".join(f", {self._dimension(name)} AS d{number}" for number, name in enumerate(names))
        wanted = f"SELECT b.*{dimensions} FROM {BILLED} b{self._where(question)}"
        figures = ", ".join(f"{measure.sql} AS {measure.name}" for measure in ALL)
        if not names:
            return f"SELECT {figures} FROM ({wanted}) wanted"
        columns = [f"d{number}" for number in range(len(names))]
        shorter = range(len(columns) - 1, 0, -1) if question.subtotals else ()
        sets = ", ".join(f"({', '.join(columns[:count])})" for count in (len(columns), *shorter, 0))
        listed = ", ".join(f"GROUPING({column}), {column}" for column in columns)
        order = ", ".join(f"GROUPING({column}), {column} NULLS LAST" for column in columns)
        return f"SELECT {listed}, {figures} FROM ({wanted}) wanted GROUP BY GROUPING SETS ({sets}) ORDER BY {order}"

    def unpriced(self, question: Question) -> str:
        """Reason and number of the requests without a cost, the most first."""
        where = self._where(question)
        return (
            f"SELECT cost_reason, COUNT(*) AS requests FROM {BILLED} b"
            f"{where}{' AND' if where else ' WHERE'} cost IS NULL GROUP BY 1 ORDER BY 2 DESC, 1"
        )

    def _parameter(self, value: Any) -> str:
        self.parameters.append(value)
        return f"${len(self.parameters)}"

    def _dimension(self, name: str) -> str:
        if name in DIMENSIONS:
            return DIMENSIONS[name].format(utc=_UTC[self._dialect])
        return self._label(name.removeprefix(LABEL))

    def _label(self, key: str) -> str:
        """The value of a label, or null."""
        return value_of(self._dialect, self._parameter(key_of(self._dialect, key)))

    def _where(self, question: Question) -> str:
        conditions = [
            f"billed_at {relation} CAST({self._parameter(rfc3339(end))} AS {_INSTANT[self._dialect]})"
            for relation, end in ((">=", question.since), ("<", question.until))
            if end is not None
        ]
        for name in FILTERS:
            if values := question.only.get(name):
                listed = ", ".join(self._parameter(value) for value in values)
                conditions.append(f"{name} IN ({listed})")
        for key, value in question.labels.items():
            conditions.append(f"{self._label(key)} = {self._parameter(value)}")
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def rfc3339(ms: int) -> str:
    """A time in ms since the epoch as text, in UTC."""
    return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def amount(cost: Decimal, places: int = 2) -> str:
    """Money as text: every digit that it has, at least so many behind the point."""
    whole, _, fraction = f"{cost:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(places, '0')}"
