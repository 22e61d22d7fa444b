"""The figures of the demo: one row for each kind of stream and their sum, all computed from records.

Owns what is counted and how it is laid out in text and in JSON. Imports their names and the layout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median_low
from typing import Any, Final

from pipeline.ops.kinds import KINDS
from pipeline.ops.layout import columns

Json = Mapping[str, Any]

STATES: Final = {"success": "ok", "incomplete": "incomplete", "error": "error"}
HEAD: Final = ("kind", "requests", "tokens in", "out", "cost USD", "TTFT p50", "state")
NUMBERS: Final = range(1, len(HEAD) - 1)
"""Columns that stand at the right."""


@dataclass(frozen=True)
class Row:
    """Figures of the records of one kind, or of all.

    Attributes:
        kind: Its name in the table.
        requests: Records.
        tokens_in: Sum of prompt tokens; None where no record has a usage.
        tokens_out: Sum of completion tokens.
        cost: Sum in USD of the records that have a cost; None where none has.
        priced: How many have one.
        ttft: Median time to the first chunk, ms.
        states: Records by status.
    """

    kind: str
    requests: int
    tokens_in: int | None
    tokens_out: int | None
    cost: Decimal | None
    priced: int
    ttft: int | None
    states: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """The row as a JSON object; money as text, so that no digit is lost."""
        cost = None if self.cost is None else f"{self.cost:f}"
        return {**vars(self), "cost": cost, "states": dict(self.states)}


def rows(records: Sequence[Json]) -> list[Row]:
    """A row for each kind that occurs, and the total."""
    kinds = [(name, [each for each in records if each["stream_type"] == kind]) for kind, name in KINDS.items()]
    return [_row(name, found) for name, found in kinds if found] + [_row("total", records)]


def render(table: Sequence[Row]) -> list[str]:
    """The table as lines, columns aligned."""
    return list(columns([HEAD, *map(_cells, table)], right=NUMBERS))


def _row(kind: str, records: Sequence[Json]) -> Row:
    usages = [record["token_usage"] for record in records if record["token_usage"] is not None]
    # The decimal a number was written as: sums of binary fractions would show digits that nobody charged.
    costs = [Decimal(repr(record["cost"])) for record in records if record["cost"] is not None]
    return Row(
        kind=kind,
        requests=len(records),
        tokens_in=sum(usage["prompt_tokens"] or 0 for usage in usages) if usages else None,
        tokens_out=sum(usage["completion_tokens"] or 0 for usage in usages) if usages else None,
        cost=sum(costs, Decimal()) if costs else None,
        priced=len(costs),
        ttft=median_low(record["time_to_first_token"] for record in records) if records else None,
        states=Counter(record["status"] for record in records),
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.kind,
        f"{row.requests:,}",
        _number(row.tokens_in),
        _number(row.tokens_out),
        "–" if row.cost is None else f"{row.cost:.4f}",
        "–" if row.ttft is None else f"{row.ttft:,} ms",
        "  ".join(f"{row.states[status]} {word}" for status, word in STATES.items() if row.states.get(status)),
    )


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"
