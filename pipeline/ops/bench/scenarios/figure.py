"""What a scenario found: figures with their targets, and the conditions under which they were measured.

Owns their table and JSON. Imports nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        name: What it is.
        value: As measured.
        unit: Of value and target.
        target: At most so much is asked for; None: it is only told.
    """

    name: str
    value: float
    unit: str
    target: float | None = None

    @property
    def reached(self) -> bool:
        """Whether it is within its target, if it has one."""
        return self.target is None or self.value <= self.target

    def as_json(self) -> dict[str, Any]:
        """All of it, rounded to what can be measured."""
        target = {} if self.target is None else {"target": self.target, "reached": self.reached}
        return {"name": self.name, "value": round(self.value, 4), "unit": self.unit, **target}


@dataclass
class Outcome:
    """What came out of one scenario.

    Attributes:
        scenario: Its name.
        conditions: Load, rate, partitions, in words.
        figures: In the order in which they are shown.
        failed: Why it came to no end.
    """

    scenario: str
    conditions: str = ""
    figures: list[Figure] = field(default_factory=list)
    failed: str | None = None

    def add(self, name: str, value: float, unit: str, target: float | None = None) -> None:
        """Note a figure."""
        self.figures.append(Figure(name, value, unit, target))

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        figures = [figure.as_json() for figure in self.figures]
        return {"scenario": self.scenario, "conditions": self.conditions, "figures": figures, "failed": self.failed}

    def as_text(self) -> list[str]:
        """Its table."""
        rows = [(each.name, _number(each.value), each.unit, _verdict(each)) for each in self.figures]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        lines = [f"{self.scenario}: {self.conditions}" if self.conditions else self.scenario]
        lines += [
            f"  {name:<{widths[0]}}  {value:>{widths[1]}} {unit:<{widths[2]}}  {verdict}".rstrip()
            for name, value, unit, verdict in rows
        ]
        return lines if self.failed is None else [*lines, f"  failed: {self.failed}"]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of all lie; the nearest one that was measured."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _verdict(figure: Figure) -> str:
    if figure.target is None:
        return ""
    return f"target ≤ {_number(figure.target)}" + ("" if figure.reached else "  missed")
