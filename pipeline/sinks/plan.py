"""What a sink is to do, and what it has done. Imports `topics.bound`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pipeline.sinks.database import masked
from pipeline.sinks.store import Written
from pipeline.topics.bound import Bound

BATCH: Final = 20_000
FLUSH_MS: Final = 1_000


@dataclass(frozen=True)
class Plan:
    """What a sink is to do.

    Attributes:
        db: Path of a DuckDB file, or a postgresql:// URL.
        once: End at the end that the topic has now.
        since: Where a new database begins; None: with the first record that is kept.
        batch: Most records in a transaction.
        flush_ms: Longest time that a record waits for others.
        content: Keep content too.
        parquet: Directory of the export; None: none. Of DuckDB.
        skip_lost: Where the topic no longer has what comes next, go on with what it has, and note the gap.
    """

    db: str
    once: bool = False
    since: Bound | None = None
    batch: int = BATCH
    flush_ms: int = FLUSH_MS
    content: bool = False
    parquet: Path | None = None
    skip_lost: bool = False


@dataclass
class Summary:
    """What a sink has done.

    Attributes:
        written: What became of the records that it read.
        batches: Transactions with records in them.
        seconds: From start to end.
        positions: Next offset by partition.
        files: Of the export.
    """

    written: Written = field(default_factory=Written)
    batches: int = 0
    seconds: float = 0.0
    positions: dict[int, int] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)

    def document(self, db: str, topic: str) -> dict[str, Any]:
        """The same as JSON."""
        rate = self.written.rows / self.seconds if self.seconds else 0.0
        return {
            "db": masked(db),
            "topic": topic,
            **vars(self.written),
            "batches": self.batches,
            "positions": {str(number): offset for number, offset in sorted(self.positions.items())},
            "parquet": [str(file) for file in self.files],
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(rate),
        }
