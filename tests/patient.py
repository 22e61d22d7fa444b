"""A worker and a sink as Prometheus sees them: healthy, sick in every way at once, restoring, or gone.

Owns the figures of each state and the pages that show them. Imports the closed list of metrics, whose every name is
shown, and prometheus_client.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pipeline.metrics import PREFIX, SINK, WORKER, Metric

State = Literal["healthy", "sick", "restoring", "gone"]
Page = Literal["worker", "sink"]

PROCESS: Final = ("process_open_fds", "process_max_fds", "process_start_time_seconds")

GAUGES: Final[dict[State, dict[str, float]]] = {
    "healthy": {
        "ready": 1,
        "partitions_assigned": 2,
        "partitions_restored": 2,
        "open_requests": 5,
        "oldest_open_request_seconds": 20,
        "store_bytes": 1e9,
        "sink_ready": 1,
        "process_open_fds": 100,
        "process_max_fds": 1_000,
    },
    "sick": {
        "ready": 0,
        "oldest_open_request_seconds": 7_200,
        "checkpoint_age_seconds": 120,
        "lag_offsets": 5_000,
        "lag_seconds": 1_000,
        "clock_alarm": 1,
        "store_bytes": 30 * 2**30,
        "sink_ready": 0,
        "sink_commit_age_seconds": 300,
        "sink_lag_offsets": 20_000,
        "process_open_fds": 950,
    },
    "restoring": {"ready": 0, "partitions_restored": 1},
    "gone": {},
}
"""Each state over the healthy one; what no state names is 0."""

RISES: Final = ("lag_seconds", "sink_lag_offsets", "process_start_time_seconds")
"""Gauges that rise with each scrape while sick."""

COUNTS: Final[dict[State, dict[str, float]]] = {
    "healthy": {"chunks": 100, "requests_opened": 10, "records": 10, "checkpoints": 1},
    "sick": {
        "records": 3,
        "records status=incomplete closed_by=expiry": 2,
        "records_with_gaps": 2,
        "transaction_aborts": 1,
        "fenced": 1,
        "dead_letters reason=invalid": 20,
        "internal_errors": 1,
        "unpriced_records": 1,
        "sink_rejects": 1,
    },
    "restoring": {"chunks": 0},
    "gone": {},
}
"""What is counted between two scrapes, each state over the healthy one; sick, half of the requests get no record."""

_CHECKPOINT: Final[dict[State, float]] = {"healthy": 0.05, "sick": 4, "restoring": 0.05, "gone": 0.05}
"""Seconds of the checkpoint between two scrapes."""

_LABELS: Final = {"stream_type": "chat.completion", "status": "success", "closed_by": "final", "reason": "late"}
_KINDS: Final = {"counter": Counter, "gauge": Gauge}


class Patient:
    """Changes with each page that is asked for, as its state says; a lost scrape loses nothing."""

    def __init__(self) -> None:
        self._pages = {"worker": CollectorRegistry(), "sink": CollectorRegistry()}
        self._made: dict[str, Any] = {}
        self._page_of: dict[str, Page] = {}
        for metric in WORKER:
            self._add("worker", metric)
        for metric in SINK:
            self._add("sink", metric)
        for name in PROCESS:
            self._made[name] = Gauge(name, "of the process", registry=self._pages["worker"])
            self._page_of[name] = "worker"
        self._gauges = [name for name, made in self._made.items() if isinstance(made, Gauge)]
        for table in COUNTS.values():
            for key in table:
                self._series(key)  # a counter is shown at 0 before it counts, as the worker's are
        self.become("healthy")

    def become(self, state: State) -> None:
        """Change; what rises begins at the state's figure."""
        self._state: State = state
        for name in self._gauges:
            self._series(name).set((GAUGES["healthy"] | GAUGES[state]).get(name, 0))

    def page(self, page: Page) -> bytes:
        """The page of a process, one scrape interval later.

        Raises:
            ConnectionError: the process is gone.
        """
        if self._state == "gone":
            raise ConnectionError
        for key, amount in (COUNTS["healthy"] | COUNTS[self._state]).items():
            if self._page_of[key.partition(" ")[0]] == page:
                self._series(key).inc(amount)
        for name in RISES:
            if self._state == "sick" and self._page_of[name] == page:
                self._series(name).inc(10)
        if page == "worker":
            self._series("checkpoint_seconds").observe(_CHECKPOINT[self._state])
        return generate_latest(self._pages[page])

    def _add(self, page: Page, metric: Metric) -> None:
        """One metric of the closed list on a page."""
        name, registry = PREFIX + metric.name, self._pages[page]
        if metric.kind == "histogram":
            made: Any = Histogram(name, metric.help, metric.labels, registry=registry, buckets=metric.buckets)
        else:
            made = _KINDS[metric.kind](name, metric.help, metric.labels, registry=registry)
        self._made[metric.name], self._page_of[metric.name] = made, page

    def _series(self, key: str) -> Any:
        """The series of `name label=value …`; a label that is not named has one value for all."""
        name, *given = key.split()
        made = self._made[name]
        labels = dict(pair.split("=") for pair in given)
        values = [labels.get(label, _LABELS.get(label, "1")) for label in made._labelnames]
        return made.labels(*values) if values else made
