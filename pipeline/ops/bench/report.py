"""What came out, as a table and as JSON: figures of each participant, and how the worker stands against each.

Owns the ratios and the words. Imports its siblings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from pipeline.ops.bench.load import Load
from pipeline.ops.bench.measure import Result, as_json
from pipeline.ops.bench.peer import PEERS, WORKER
from pipeline.ops.layout import columns

MIB: Final = 1 << 20
HEAD: Final = (
    "participant", "chunks/s", "CPU s/M", "broker", "peak MiB", "state MiB", "disk MiB", "promise",
)  # fmt: skip
NUMBERS: Final = range(1, len(HEAD) - 1)
"""Columns that stand at the right."""


class Ratio(NamedTuple):
    """The worker against a peer; `needed` times its rate is asked for."""

    load: str
    peer: str
    ratio: float
    needed: float

    @property
    def reached(self) -> bool:
        """Whether it is as fast as asked for."""
        return self.ratio >= self.needed


@dataclass
class Section:
    """One load and what everyone did with it.

    Attributes:
        load: The shape.
        chunk_bytes: Of all its chunks.
        results: By participant.
        skipped: Why somebody is not here.
        failed: Why somebody came to no end.
    """

    load: Load
    chunk_bytes: int = 0
    results: dict[str, Result] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, result: Result) -> None:
        """Keep the best of a participant's rounds, and the rates of all of them."""
        known = self.results.get(name)
        if known is not None:
            known.rates.extend(result.rates)
            if result.rate <= known.rate:
                return
            result.rates[:] = known.rates
        self.results[name] = result

    def ratios(self) -> list[Ratio]:
        """The worker against everyone else who came to an end."""
        ours = self.results.get(WORKER)
        return [
            Ratio(self.load.name, peer.name, ours.rate / self.results[peer.name].rate, peer.needed)
            for peer in PEERS
            if ours is not None and peer.needed is not None and peer.name in self.results
        ]


@dataclass
class Report:
    """A whole run.

    Attributes:
        sections: One for each load.
        commit_ms: Interval of commits that everyone is given.
        judged: The ratios count: it was the full load.
        machine: What it ran on, in words.
        kafka: Its version.
    """

    sections: list[Section]
    commit_ms: int
    judged: bool
    machine: str
    kafka: str

    @property
    def ratios(self) -> list[Ratio]:
        """Of all loads."""
        return [ratio for section in self.sections for ratio in section.ratios()]

    @property
    def passed(self) -> bool:
        """Whether everyone who began came to an end and, on the full load, every ratio is reached."""
        return not any(section.failed for section in self.sections) and (
            not self.judged or all(ratio.reached for ratio in self.ratios)
        )

    def as_json(self) -> dict[str, Any]:
        """All figures."""
        return {
            "passed": self.passed,
            "judged": self.judged,
            "machine": self.machine,
            "kafka": self.kafka,
            "commit_interval_ms": self.commit_ms,
            "loads": [
                {
                    **vars(section.load),
                    "total": section.load.total,
                    "chunk_bytes": section.chunk_bytes,
                    "results": {name: as_json(result) for name, result in section.results.items()},
                    "skipped": section.skipped,
                    "failed": section.failed,
                }
                for section in self.sections
            ],
            "ratios": [
                {**ratio._asdict(), "ratio": round(ratio.ratio, 3), "reached": ratio.reached} for ratio in self.ratios
            ],
        }

    def as_text(self) -> list[str]:
        """The tables, the ratios, and under which conditions they hold."""
        lines = [f"Kafka {self.kafka} on {self.machine}; 4 partitions, commits every {self.commit_ms / 1_000:g} s"]
        for section in self.sections:
            lines += ["", *_section(section)]
        lines += ["", "rate: first chunk taken → last record in one outside reader, read_committed; best of its rounds"]
        if not self.judged:
            lines.append("a small load: ratios are shown, not judged")
        return lines


def _section(section: Section) -> list[str]:
    load = section.load
    shape = f"{load.requests:,} requests of {load.chunks} chunks, {load.open:,} open at a time"
    cells = [HEAD, *(_cells(name, result) for name, result in section.results.items())]
    lines = [f"{load.name}: {load.total:,} chunks, {shape}"]
    lines += [f"  {line}" for line in columns(cells, right=NUMBERS)] if section.results else []
    lines += [f"  {name}: skipped, {reason}" for name, reason in section.skipped.items()]
    lines += [f"  {name}: failed, {reason}" for name, reason in section.failed.items()]
    return lines + [_ratio(ratio) for ratio in section.ratios()]


def _cells(name: str, result: Result) -> tuple[str, ...]:
    promise = next((peer.promise for peer in PEERS if peer.name == name), "")
    doubles = f", {result.doubles:,} doubles" if result.doubles else ""
    return (
        name,
        f"{result.rate:,.0f}",
        f"{result.cpu:.1f}",
        f"{result.broker_cpu:.1f}",
        f"{result.peak / MIB:,.0f}",
        f"{result.state_bytes / MIB:,.1f}",
        f"{result.disk_bytes / MIB:,.1f}",
        promise + doubles,
    )


def _ratio(ratio: Ratio) -> str:
    verdict = "" if ratio.reached else "  missed"
    return f"  {WORKER} is {ratio.ratio:.2f} × {ratio.peer} (asked for: {ratio.needed:g} ×){verdict}"
