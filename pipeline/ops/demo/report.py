"""What the demo says at the end, as text and as JSON; every figure is computed from what the topics hold.

Owns the words. Imports its siblings.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from pipeline.ops.demo.accident import Accident
from pipeline.ops.demo.audit import FOLD, HAND, Audit
from pipeline.ops.demo.streams import Stream, recording
from pipeline.ops.demo.table import render, rows

SHOWN: Final = 20
"""Complaints that are printed; the JSON has them all."""

EXAMPLE: Final = ("notes", "anthropic-messages")
"""A sample, and its format, for the reader's own first try."""


@dataclass(kw_only=True)
class Outcome:
    """All that came out of a run.

    Attributes:
        sent: The requests.
        delivered: Chunks in the topic, repeats included.
        accident: What happened when the worker was killed.
        records: The records as JSON objects, all of them.
        audit: What was found about them.
        dead: Dead letters by reason.
        worker_status: Exit status of the worker; None if it had to be killed.
        seconds: How long each step took.
        kafka: Which Kafka it was, in words.
        db: The DuckDB file with the records; None: there is none.
    """

    sent: Sequence[Stream]
    delivered: int
    accident: Accident
    records: Sequence[Mapping[str, Any]]
    audit: Audit
    dead: Counter[str]
    worker_status: int | None
    seconds: dict[str, float]
    kafka: str = ""
    db: Path | None = None

    @property
    def passed(self) -> bool:
        """Whether all is as it should be."""
        return not self.complaints()

    @property
    def chunks(self) -> int:
        """Different chunks that were sent."""
        return sum(len(stream.chunks) for stream in self.sent)

    @property
    def dropped(self) -> int:
        """Repeats that the worker dropped: what is in the topic but in no record and no dead letter."""
        kept: int = sum(record["chunk_count"] for record in self.records)
        return self.delivered - kept - self.dead.total()

    @property
    def gaps(self) -> int:
        """Ranges of missing chunks that the records name."""
        return sum(len(record["missing_indexes"]) for record in self.records)

    @property
    def cost_sources(self) -> Counter[str]:
        """Records with a cost, by who says it."""
        return Counter(record["cost_details"]["source"] for record in self.records if record["cost"] is not None)

    @property
    def unpriced(self) -> Counter[str]:
        """Records without a cost, by the reason; they are not in the sums."""
        found = [(record["cost_details"] or {}).get("reason") for record in self.records if record["cost"] is None]
        return Counter(str(reason) for reason in found)

    def complaints(self) -> list[str]:
        """What is wrong, a line each."""
        said = self.audit.complaints() if not self.audit.passed else []
        said += self.accident.complaints()
        said += [f"{count} dead letters: {reason}" for reason, count in sorted(self.dead.items())]
        if self.worker_status != 0:
            ended = "had to be killed" if self.worker_status is None else f"ended with status {self.worker_status}"
            said.append(f"the worker {ended} when it was asked to stop")
        return said


def as_text(outcome: Outcome) -> list[str]:
    """The lines of ECOSYSTEM's first minute: head, steps, table, audit, what to try next."""
    audit, complaints = outcome.audit, outcome.complaints()
    standards = f"every record held to {HAND} and to {FOLD}"
    counts = f"{audit.equal}/{audit.requests} equal    lost {len(audit.lost)}   double {len(audit.double)}"
    return [
        *_head(outcome),
        "",
        *(f"  {line}" for line in render(rows(outcome.records))),
        f"  audit: {standards} … {counts}",
        *(f"  wrong: {line}" for line in complaints[:SHOWN]),
        *([f"  wrong: and {len(complaints) - SHOWN} more, see --json"] if len(complaints) > SHOWN else []),
        "",
        *_next(outcome.db),
    ]


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The same as one JSON object."""
    audit = outcome.audit
    *kinds, total = rows(outcome.records)
    return {
        "passed": outcome.passed,
        "version": metadata.version("streamledger"),
        "kafka": outcome.kafka,
        "db": None if outcome.db is None else str(outcome.db),
        "requests": audit.requests,
        "chunks": outcome.chunks,
        "delivered": outcome.delivered,
        "accidents": dict(_accidents(outcome)),
        "kill": outcome.accident.as_json(),
        "records": len(outcome.records),
        "duplicates_dropped": outcome.dropped,
        "gaps": outcome.gaps,
        "cost_sources": dict(outcome.cost_sources),
        "unpriced": dict(outcome.unpriced),
        "dead_letters": dict(outcome.dead),
        "kinds": [row.as_json() for row in kinds],
        "total": total.as_json(),
        "audit": {
            "equal": audit.equal,
            "lost": audit.lost,
            "double": audit.double,
            "strange": audit.strange,
            "differences": [difference._asdict() for difference in audit.differences],
        },
        "complaints": outcome.complaints(),
        "seconds": outcome.seconds,
    }


def _head(outcome: Outcome) -> list[str]:
    """What ran, and the steps with their figures."""
    requests, records = len(outcome.sent), len(outcome.records)
    kinds = len({stream.expected["stream_type"] for stream in outcome.sent})
    repeated = (outcome.delivered - outcome.chunks) / outcome.chunks
    accidents = "".join(f", {count} {accident}" for accident, count in _accidents(outcome).items())
    what = f"{requests} LLM streams, {kinds} kinds, {outcome.chunks:,} chunks"
    found = f"duplicates dropped {outcome.dropped}   gaps found {outcome.gaps}"
    return [
        f"streamledger {metadata.version('streamledger')}  demo: {what}   ({outcome.kafka})",
        f"  1 publish   {outcome.delivered:,} chunks   shuffled, {repeated:.0%} sent twice{accidents}",
        f"  2 accident  {outcome.accident.as_text()}",
        f"  3 ledger    {records} records from {requests} requests      {found}",
        f"  4 cost      {_cost(outcome)}",
    ]


def _accidents(outcome: Outcome) -> Counter[str]:
    return Counter(stream.accident for stream in outcome.sent if stream.accident is not None)


def _cost(outcome: Outcome) -> str:
    """Who said what the requests cost, and why nobody could."""
    sources, reasons = outcome.cost_sources, outcome.unpriced
    stated = sources["gateway"] + sources["provider"]
    listed = sources["catalog"] + sources["overlay"]
    zeros = sum((record["cost_details"] or {}).get("reason") == "gateway_zero" for record in outcome.records)
    overruled = f" ({zeros} where the gateway said 0)" if zeros else ""
    why = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
    without = f"   {reasons.total()} unpriced: {why}" if reasons else ""
    return f"{stated} stated by gateway or provider   {listed} by list price{overruled}{without}"


def _next(db: Path | None) -> list[str]:
    """What to try, with commands that work as they stand here."""
    ask = (
        f"streamledger usage --db {'demo.duckdb' if db is None else shlex.quote(str(db))} --by label.tenant --by model"
    )
    name, provider = EXAMPLE
    path = recording(name)
    near = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    sample = f"streamledger chunks --provider {provider} --request-id r1 {shlex.quote(str(near))}"
    return [
        "Next:",
        f"  {sample} | streamledger fold",
        "      a provider's recorded stream → its record, without Kafka",
        "  streamledger broker        then, in other terminals:  streamledger topics && streamledger worker",
        f"  {sample} | streamledger produce",
        *(["  streamledger demo --db demo.duckdb        keeps the records of such a run; then:"] if db is None else []),
        f"  {ask}",
    ]
