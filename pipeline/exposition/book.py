"""Counters and histograms of the closed list: counted in one thread, read in another, whole commits at a time.

A library's own would lock and look up for each value; here a commit is counted at once. Imports the standard library,
prometheus_client's collector and `pipeline.metrics`.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from pipeline.exposition.family import counter, histogram
from pipeline.metrics import Metric

Labels = tuple[str, ...]


class Book(Collector):
    """Values since the process began.

    Attributes:
        lock: held by whoever adds, over all that belongs together.
    """

    def __init__(self, metrics: Iterable[Metric]) -> None:
        """Of these; gauges are not kept here. What has no labels begins at 0, the rest with `begin`."""
        listed = list(metrics)
        self.lock = threading.Lock()
        self._counters = {each.name: each for each in listed if each.kind == "counter"}
        self._histograms = {each.name: each for each in listed if each.kind == "histogram"}
        self._values: dict[str, dict[Labels, float]] = {name: {} for name in self._counters}
        self._counts: dict[str, dict[Labels, tuple[list[int], float]]] = {name: {} for name in self._histograms}
        for each in listed:
            if not each.labels and each.kind != "gauge":
                self.begin(each.name)

    def begin(self, name: str, *labels: str) -> None:
        """Show a series before it has a value, so that its first rise is seen."""
        if name in self._counters:
            self.add(name, 0.0, *labels)
        else:
            self.observe(name, (), *labels)

    def add(self, name: str, amount: float = 1.0, *labels: str) -> None:
        """Raise a counter."""
        values = self._values[name]
        values[labels] = values.get(labels, 0.0) + amount

    def observe(self, name: str, values: Iterable[float], *labels: str) -> None:
        """Take values into a histogram."""
        bounds, series = self._histograms[name].buckets, self._counts[name]
        counts, total = series.get(labels) or ([0] * (len(bounds) + 1), 0.0)
        for value in values:
            counts[bisect_left(bounds, value)] += 1
            total += value
        series[labels] = counts, total

    def collect(self) -> Iterator[Family]:
        """All of them, as of one moment."""
        with self.lock:
            values = {name: list(series.items()) for name, series in self._values.items()}
            counts = {
                name: [(labels, (list(counts), total)) for labels, (counts, total) in series.items()]
                for name, series in self._counts.items()
            }
        for name, of in self._counters.items():
            yield counter(of, values[name])
        for name, of in self._histograms.items():
            yield histogram(of, counts[name])
