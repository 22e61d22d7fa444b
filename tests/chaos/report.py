"""The outcome of a round as a table and as JSON. Imports the standard library and the reconciliation."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.chaos.reconcile import Result
from tests.chaos.stage import Turn

HELD_SECONDS: Final = 15.0
"""Longest time that readers may be held back by an open transaction."""

WHOLE_MINUTES: Final = 15.0
"""From this length on a round must have seen every fault it was asked for take effect."""


class Verdict(NamedTuple):
    """What a scenario on a stage of its own has shown."""

    name: str
    holds: bool
    shown: str


@dataclass
class Report:
    """A round: how it was run and what came of it."""

    seed: int
    minutes: float
    brokers: int
    control: bool
    wanted: Sequence[str] = ()
    plan: str = ""
    seconds: float = 0.0
    turns: list[Turn] = field(default_factory=list)
    exits: dict[str, int] = field(default_factory=dict)
    late_leaves: int = 0
    fenced: int = 0
    holes: int = 0
    refused: list[str] = field(default_factory=list)
    longest_wait: float = 0.0
    longest_wait_with_outages: float = 0.0
    looks: int = 0
    blind_seconds: float = 0.0
    resent: int = 0
    memory_mib: int = 0
    notes: list[str] = field(default_factory=list)
    scenarios: list[Verdict] = field(default_factory=list)
    result: Result = field(default_factory=Result)

    @property
    def faults(self) -> dict[str, int]:
        """How often each took effect."""
        return dict(sorted(Counter(turn.name for turn in self.turns if turn.effect).items()))

    @property
    def vain(self) -> dict[str, int]:
        """Tries without effect by fault."""
        tries: Counter[str] = Counter()
        for turn in self.turns:
            tries[turn.name] += turn.tries - turn.effect
        return dict(sorted((+tries).items()))

    @property
    def unseen(self) -> list[str]:
        """Faults that were asked for and never took effect."""
        return [name for name in self.wanted if name not in self.faults]

    @property
    def passed(self) -> bool:
        """Whether the promises held, and enough was done to them."""
        return (
            self.result.clean
            and self.result.requests > 0
            and not self.late_leaves
            and not self.refused
            and not self.notes
            and self.longest_wait <= HELD_SECONDS
            and all(verdict.holds for verdict in self.scenarios)
            and not (self.unseen and self.minutes >= WHOLE_MINUTES)
        )

    def document(self) -> dict[str, Any]:
        """As JSON."""
        plain = {name: value for name, value in vars(self).items() if name not in {"result", "turns", "scenarios"}}
        return {
            **plain,
            "faults": self.faults,
            "without_effect": self.vain,
            "unseen": self.unseen,
            "turns": [turn.document() for turn in self.turns],
            "scenarios": [verdict._asdict() for verdict in self.scenarios],
            "result": self.result.document(),
            "passed": self.passed,
        }

    def table(self) -> str:
        """As lines of two columns."""
        result = self.result
        lines = [
            ("seed, minutes, brokers", f"{self.seed}, {self.minutes:g}, {self.brokers}"),
            ("plan", self.plan),
            ("seconds until all was read", f"{self.seconds:.0f}"),
            ("requests", result.requests),
            ("chunks, sent twice, garbage", f"{result.chunks}, {result.duplicates}, {result.garbage}"),
            ("records", result.records),
            ("requests revised, with a chunk refused", f"{result.revised}, {result.refused_late}"),
            ("faults that took effect", _counts(self.faults)),
            ("tried again, had no effect", _counts(self.vain)),
            ("never took effect", ", ".join(self.unseen) or "none"),
            ("workers' own ends by status", _counts(self.exits)),
            ("fenced, holes healed", f"{self.fenced}, {self.holes}"),
            ("missing", result.missing),
            ("duplicate", result.duplicate),
            ("different", result.different),
            ("unexpected", result.unexpected),
            ("garbage missing, duplicate, different", _three(result)),
            ("dead letters of good chunks", result.dead_unexpected),
            ("seen otherwise by a second reader", result.reread_different),
            ("folded again offline: partitions, records", f"{result.folded_partitions}, {result.folded}"),
            ("... records with other bytes", result.folded_different),
            ("chunks lost before the topic", result.unsent),
            ("SIGTERM that took over 10 s", self.late_leaves),
            ("readers held back at most", f"{self.longest_wait:.1f} s"),
            ("... counting broker outages too", f"{self.longest_wait_with_outages:.1f} s"),
            ("... looks, seconds without an answer", f"{self.looks}, {self.blind_seconds:.0f}"),
            ("memory of generator and reader", f"{self.memory_mib} MiB"),
            *((name, f"{'holds' if holds else 'FAILED'}: {shown}") for name, holds, shown in self.scenarios),
            ("outcome", "passed" if self.passed else "FAILED"),
        ]
        width = max(len(name) for name, _ in lines)
        shown = [f"{name:<{width}}  {value}" for name, value in lines]
        return "\n".join([*shown, *self.notes, *self.refused, *result.findings])

    def give(self, file: Path | None) -> None:
        """Print the table; write JSON to the file, or below the table if it is `-`."""
        sys.stdout.write(self.table() + "\n")
        if file is not None:
            text = json.dumps(self.document(), indent=2) + "\n"
            sys.stdout.write(text) if str(file) == "-" else file.write_text(text, encoding="utf-8")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _three(result: Result) -> str:
    return f"{result.garbage_missing}, {result.garbage_duplicate}, {result.garbage_different}"
