"""The closed list of metrics: every name that a process of this project shows, with its kind, labels and meaning.

Owns names, labels and buckets, so that dashboards, alerts and tests are held to one list. What a label may say is
bounded: partitions, closed vocabularies of the contract, and `MODELS` pairs of provider and model, the rest as `other`.
No metric carries content, a request id or a label of a request (G7). Imports the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PREFIX: Final = "streamledger_"

MODELS: Final = 100
"""Pairs of provider and model that get series of their own; the rest is counted as provider `other`, model `other`."""

SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Buckets of latencies as callers feel them, in seconds."""

FIRST_TOKEN: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Buckets of the time to the first token, in seconds."""

CHECKPOINT: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Buckets of a checkpoint, in seconds; at five it fails."""

ROWS: Final = (1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0)
"""Buckets of the changelog rows of a checkpoint."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: Without prefix, and without the `_total` that Prometheus adds to a counter.
        kind: As Prometheus names it.
        help: What it counts, and in which unit.
        labels: Names of its labels.
        buckets: Upper bounds of a histogram's buckets.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def exposed(self) -> str:
        """The name a query begins with: a counter ends in `_total`, a histogram is the stem of its three series."""
        return f"{PREFIX}{self.name}{'_total' if self.kind == 'counter' else ''}"


WORKER: Final = (
    Metric("build", "gauge", "1, of the version and ledger in its labels", ("version", "ledger")),
    Metric("ready", "gauge", "1 when all assigned partitions are restored and move, else 0"),
    Metric("partitions_assigned", "gauge", "Partitions that the group gave this worker"),
    Metric("partitions_restored", "gauge", "Of those, the ones that take chunks"),
    Metric("recovery_progress_ratio", "gauge", "Share of its changelogs that is read", ("partition",)),
    Metric("recovery_rows", "counter", "Changelog rows read to restore partitions"),
    Metric("open_requests", "gauge", "Requests without a record yet", ("partition",)),
    Metric("oldest_open_request_seconds", "gauge", "Append time since the oldest open request began", ("partition",)),
    Metric("closing_requests", "gauge", "Requests that are closed and whose record is not committed", ("partition",)),
    Metric("requests_opened", "counter", "Requests that began; with records, opened against emitted"),
    Metric("chunks", "counter", "Chunks folded and committed", ("stream_type",)),
    Metric("records", "counter", "Records committed, revision 0", ("stream_type", "status", "closed_by")),
    Metric("revisions", "counter", "Records committed that correct an earlier one", ("stream_type",)),
    Metric("duplicates", "counter", "Repeats of chunks, dropped"),
    Metric("conflicts", "counter", "Chunks with other content under a known identity"),
    Metric("records_with_gaps", "counter", "Records of revision 0 whose chunks miss an index", ("stream_type",)),
    Metric("late_chunks", "counter", "Chunks after the close: of a revision, adding nothing, or refused as late"),
    Metric("payload_anomalies", "counter", "Leaves of an unexpected shape in the payloads of records, ignored"),
    Metric("dead_letters", "counter", "Messages that became dead letters", ("reason",)),
    Metric("internal_errors", "counter", "Requests given up to an exception of ours: must stay 0"),
    Metric("checkpoints", "counter", "Transactions committed"),
    Metric("checkpoint_seconds", "histogram", "Time of a checkpoint: snapshot, transaction, store", buckets=CHECKPOINT),
    Metric("checkpoint_rows", "histogram", "Changelog rows of a transaction", buckets=ROWS),
    Metric("checkpoint_age_seconds", "gauge", "Time since the last commit of what waits for one", ("partition",)),
    Metric("transaction_aborts", "counter", "Transactions of ours that failed; but for a fence, the worker ends"),
    Metric("fenced", "counter", "Partitions lost to another owner's epoch"),
    Metric("lag_offsets", "gauge", "Chunks between our position and the end", ("partition",)),
    Metric("lag_seconds", "gauge", "Append time between what is folded and now; 0 at the end", ("partition",)),
    Metric("store_bytes", "gauge", "Files of the RocksDB stores of this worker"),
    Metric("store_memory_bytes", "gauge", "Memory of RocksDB: blocks, filters, write buffers"),
    Metric("clock_difference_seconds", "gauge", "Worker's clock minus the broker's, as last measured"),
    Metric("clock_alarm", "gauge", "1 while clocks differ by more than clock_slack: idle requests are not closed"),
    Metric(
        "first_token_seconds",
        "histogram",
        "Time to the first token of what shows any",
        ("provider", "model"),
        FIRST_TOKEN,
    ),
    Metric("latency_seconds", "histogram", "Start to end of records, revision 0", ("provider", "model"), SECONDS),
    Metric("tokens", "counter", "Tokens of records and of what revisions add", ("provider", "model", "direction")),
    Metric("token_corrections", "counter", "Tokens that revisions took back", ("provider", "model", "direction")),
    Metric("cost_usd", "counter", "Cost of records in USD, as far as it rose", ("provider", "model")),
    Metric("cost_corrections_usd", "counter", "USD that revisions took back", ("provider", "model")),
    Metric("unpriced_records", "counter", "Records with usage and no cost", ("provider", "model", "reason")),
)
"""What `streamledger worker` shows."""

SINK: Final = (
    Metric("sink_ready", "gauge", "1 when Kafka and the database answer, else 0", ("sink",)),
    Metric("sink_rows", "counter", "Rows committed to the database", ("sink",)),
    Metric("sink_rejects", "counter", "Records that no row can hold", ("sink",)),
    Metric("sink_lag_offsets", "gauge", "Records between the database and the end of the topic", ("sink", "partition")),
    Metric("sink_commit_age_seconds", "gauge", "Time since the last commit while records wait, else 0", ("sink",)),
)
"""What `streamledger sink` shows."""

METRICS: Final = WORKER + SINK
