"""Values under the names of the closed list, as prometheus_client has them; a name that is not in it is an error.

Owns the registry of a process. Imports prometheus_client and `pipeline.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from pipeline.metrics import METRICS, PREFIX, Metric

_BY_NAME: Final = {metric.name: metric for metric in METRICS}


class Sample(NamedTuple):
    """A value of a gauge or counter."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


def metric(name: str) -> Metric:
    """The metric of the closed list that has a name.

    Raises:
        KeyError: it is not in the list.
    """
    return _BY_NAME[name]


def counter(of: Metric, values: Iterable[tuple[tuple[str, ...], float]]) -> CounterMetricFamily:
    """Values of a counter by its labels."""
    family = CounterMetricFamily(PREFIX + of.name, of.help, labels=of.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def histogram(of: Metric, values: Iterable[tuple[tuple[str, ...], tuple[list[int], float]]]) -> HistogramMetricFamily:
    """Counts by bucket, the last one without a bound, and sums of a histogram by its labels."""
    family = HistogramMetricFamily(PREFIX + of.name, of.help, labels=of.labels)
    bounds = [*map(str, of.buckets), "+Inf"]
    for labels, (counts, total) in values:
        reached, buckets = 0, list[tuple[str, float]]()
        for bound, count in zip(bounds, counts, strict=True):
            reached += count
            buckets.append((bound, reached))
        family.add_metric(labels, buckets, total)
    return family


def families(samples: Iterable[Sample]) -> Iterator[Family]:
    """Families of these values, in the order in which names first come."""
    found: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
    for name, value, labels in samples:
        family = found.get(name)
        if family is None:
            of = metric(name)
            made = CounterMetricFamily if of.kind == "counter" else GaugeMetricFamily
            family = found[name] = made(PREFIX + name, of.help, labels=of.labels)
        family.add_metric(labels, value)
    yield from found.values()


class Looked(Collector):
    """Values that are read when somebody looks."""

    def __init__(self, read: Callable[[], Iterable[Sample]]) -> None:
        """`read` is called in the thread of whoever looks."""
        self._read = read

    def collect(self) -> Iterator[Family]:
        """All of them, now."""
        return families(list(self._read()))


def registry(*collectors: Collector) -> CollectorRegistry:
    """These collectors, and figures of the process and of Python."""
    made = CollectorRegistry(auto_describe=False)
    for each in (*collectors, PLATFORM_COLLECTOR, GC_COLLECTOR):
        made.register(each)
    ProcessCollector(registry=made)
    return made
