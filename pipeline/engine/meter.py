"""What a worker counts: added up when a transaction is committed, so that counters agree with the topics.

Owns the label values that exist from the start, and the bound of those that come from chunks. Imports the checkpoint's
outcome and the book.
"""

from __future__ import annotations

from typing import Final

from pipeline.core.tally import Sums, Tally
from pipeline.engine.checkpoint import Done
from pipeline.exposition.book import Book
from pipeline.metrics import MODELS, WORKER
from schemas.chunk import StreamType
from schemas.deadletter import DeadLetterReason

OTHER: Final = "other"
UNKNOWN: Final = "unknown"
"""Label of a provider or model that no chunk named."""

LONGEST: Final = 100
"""Characters of a label; who names a model longer than this is counted as other."""

REASONS: Final = 50
"""Reasons for having no cost, which are few; the rest would be other."""

ENDS: Final = (
    *(("success", closed_by) for closed_by in ("final", "finish")),
    *(("error", closed_by) for closed_by in ("final", "finish", "error", "expiry", "limit")),
    *(("incomplete", closed_by) for closed_by in ("final", "finish", "error", "expiry", "limit")),
)
"""(status, closed_by) of records, as far as they go together."""


class Bounded:
    """Label values from outside: the first so many as they are, the rest as `other`."""

    def __init__(self, most: int) -> None:
        """None seen yet."""
        self._most = most
        self._seen: dict[tuple[str | None, ...], tuple[str, ...]] = {}

    def of(self, *values: str | None) -> tuple[str, ...]:
        """The labels for these values."""
        found = self._seen.get(values)
        if found is None:
            labels = tuple(value or UNKNOWN for value in values)
            if len(self._seen) >= self._most or max(map(len, labels)) > LONGEST:
                return (OTHER,) * len(values)
            found = self._seen[values] = labels
        return found


class Meter:
    """Of one worker.

    Attributes:
        book: its counters and histograms.
    """

    def __init__(self) -> None:
        """Everything at 0."""
        self.book = book = Book(WORKER)
        self._models, self._reasons = Bounded(MODELS), Bounded(REASONS)
        for kind in StreamType:
            for name in ("chunks", "revisions", "records_with_gaps"):
                book.begin(name, kind)
            for end in ENDS:
                book.begin("records", kind, *end)
        for reason in DeadLetterReason:
            book.begin("dead_letters", reason)

    def committed(self, done: Done, seconds: float) -> None:
        """A checkpoint is through; `seconds` from its snapshot to the store."""
        with self.book.lock:
            self._add("checkpoints")
            self.book.observe("checkpoint_seconds", (seconds,))
            self.book.observe("checkpoint_rows", (done.rows,))
            self._take(done.tally)

    def restored(self, rows: int) -> None:
        """Rows of changelogs were read."""
        with self.book.lock:
            self._add("recovery_rows", rows)

    def aborted(self) -> None:
        """A transaction failed."""
        with self.book.lock:
            self._add("transaction_aborts")

    def fenced(self) -> None:
        """A partition has another owner."""
        with self.book.lock:
            self._add("fenced")

    def _add(self, name: str, amount: float = 1.0, *labels: str) -> None:
        self.book.add(name, amount, *labels)

    def _take(self, tally: Tally) -> None:
        self._add("requests_opened", tally.opened)
        self._add("duplicates", tally.duplicates)
        self._add("conflicts", tally.conflicts)
        self._add("late_chunks", tally.late)
        self._add("payload_anomalies", tally.anomalies)
        self._add("internal_errors", tally.internal)
        for name, counts in (
            ("chunks", tally.chunks),
            ("records_with_gaps", tally.gaps),
            ("revisions", tally.revisions),
            ("dead_letters", tally.dead),
        ):
            for label, count in counts.items():
                self._add(name, count, label)
        for labels, count in tally.records.items():
            self._add("records", count, *labels)
        for (provider, model), sums in tally.models.items():
            self._bill(self._models.of(provider, model), sums)

    def _bill(self, whose: tuple[str, ...], sums: Sums) -> None:
        """Times, tokens and money of one provider and model."""
        self.book.observe("first_token_seconds", (ms / 1_000 for ms in sums.first_token), *whose)
        self.book.observe("latency_seconds", (ms / 1_000 for ms in sums.latency), *whose)
        for direction, count in sums.tokens.items():
            self._add("tokens", count, *whose, direction)
        for direction, count in sums.tokens_back.items():
            self._add("token_corrections", count, *whose, direction)
        self._add("cost_usd", sums.cost, *whose)
        self._add("cost_corrections_usd", sums.cost_back, *whose)
        for reason, count in sums.unpriced.items():
            self._add("unpriced_records", count, *whose, *self._reasons.of(reason))
