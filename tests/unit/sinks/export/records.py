"""Records for tests of exports: the examples, variants of them, and revisions with the core's own delta."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from pipeline.core.revision import change
from pipeline.sinks.export.entry import Entry, entry_of
from pipeline.sinks.export.payer import Payer

EXAMPLES: Final = sorted((Path(__file__).parents[4] / "schemas/examples").rglob("*.accumulated.json"))
GOLDEN: Final = Path(__file__).parent / "golden"
TRACEPARENT: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TENANT: Final = Payer.of("label.tenant")
KEY: Final = Payer.of("label.key")

Json = dict[str, Any]


def example(name: str, **changes: Any) -> Json:
    """An example whose file begins with the name, with changes."""
    (path,) = (path for path in EXAMPLES if path.name.startswith(name))
    record: Json = json.loads(path.read_text(encoding="utf-8"))
    return record | changes


def entry(record: Json, traceparent: str | None = None) -> Entry:
    """A record as an entry, through its bytes."""
    return entry_of(json.dumps(record).encode(), traceparent)


def entries() -> list[Entry]:
    """All examples, in the order of their files."""
    return [entry_of(path.read_bytes(), TRACEPARENT) for path in EXAMPLES]


def revised(before: Json, usage: Json | None, total: str | None) -> Json:
    """The next revision of a record, with another usage and another cost; its delta is the core's."""
    cost = None if total is None else float(total)
    return before | {
        "revision": before["revision"] + 1,
        "supersedes": before["record_id"],
        "token_usage": usage,
        "cost": cost,
        "cost_details": {**(before["cost_details"] or {}), "total": total, "input": None, "output": None},
        "delta": change((before["token_usage"], before["cost"]), (usage, cost)),
    }
