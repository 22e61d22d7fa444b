"""The outcome of a round as a table and as JSON. Imports the standard library and the reconciliation."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.chaos.reconcile import Result

HELD_SECONDS: Final = 15.0
"""Longest time that readers may be held back by an open transaction."""


@dataclass
class Report:
    """A round: how it was run and what came of it."""

    seed: int
    minutes: float
    brokers: int
    control: bool
    plan: str = ""
    seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    exits: dict[str, int] = field(default_factory=dict)
    late_leaves: int = 0
    fenced: int = 0
    holes: int = 0
    refused: list[str] = field(default_factory=list)
    longest_wait: float = 0.0
    resent: int = 0
    notes: list[str] = field(default_factory=list)
    result: Result = field(default_factory=Result)

    @property
    def passed(self) -> bool:
        """Whether the promises held."""
        return (
            self.result.clean
            and self.result.requests > 0
            and not self.late_leaves
            and not self.refused
            and not self.notes
            and self.longest_wait <= HELD_SECONDS
        )

    def document(self) -> dict[str, Any]:
        """As JSON."""
        fields = {name: value for name, value in vars(self).items() if name != "result"}
        return {**fields, "result": self.result.document(), "passed": self.passed}

    def table(self) -> str:
        """As lines of two columns."""
        result = self.result
        lines = [
            ("seed, minutes, brokers", f"{self.seed}, {self.minutes:g}, {self.brokers}"),
            ("plan", self.plan),
            ("seconds until all was read", f"{self.seconds:.0f}"),
            ("requests", result.requests),
            ("chunks, sent twice, garbage", f"{result.chunks}, {result.duplicates}, {result.garbage}"),
            ("records, requests revised, late", f"{result.records}, {result.revised}, {result.refused_late}"),
            ("faults", ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))),
            ("workers' own ends by status", ", ".join(f"{status}: {count}" for status, count in self.exits.items())),
            ("fenced, holes healed", f"{self.fenced}, {self.holes}"),
            ("missing", result.missing),
            ("duplicate", result.duplicate),
            ("different", result.different),
            ("unexpected", result.unexpected),
            ("garbage missing, duplicate, different", _three(result)),
            ("dead letters of good chunks", result.dead_unexpected),
            ("seen otherwise by a second reader", result.reread_different),
            ("chunks lost before the topic", result.unsent),
            ("SIGTERM that took over 10 s", self.late_leaves),
            ("readers held back at most", f"{self.longest_wait:.1f} s"),
            ("outcome", "passed" if self.passed else "FAILED"),
        ]
        width = max(len(name) for name, _ in lines)
        shown = [f"{name:<{width}}  {value}" for name, value in lines]
        return "\n".join([*shown, *self.notes, *self.refused, *result.findings])

    def give(self, file: Path | None) -> None:
        """Print the table; write JSON if a file is named."""
        sys.stdout.write(self.table() + "\n")
        if file is not None:
            file.write_text(json.dumps(self.document(), indent=2) + "\n", encoding="utf-8")


def _three(result: Result) -> str:
    return f"{result.garbage_missing}, {result.garbage_duplicate}, {result.garbage_different}"
