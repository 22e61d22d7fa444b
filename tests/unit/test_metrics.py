"""The closed list itself, and that processes show all of it and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pipeline.engine.telemetry import Telemetry
from pipeline.exposition.server import Shown
from pipeline.metrics import METRICS, SINK, WORKER, Metric
from pipeline.sinks import telemetry as sinks
from pipeline.sinks.plan import Summary
from pipeline.sinks.stop import Stop
from tests.unit.engine.fakes import config

OURS = "streamledger_"


def families(registry: CollectorRegistry) -> dict[str, tuple[str, str]]:
    """Kind and help of what a registry shows of ours, by name."""
    found = {family.name: (family.type, family.documentation) for family in registry.collect()}
    return {name: told for name, told in found.items() if not name.startswith(("process_", "python_"))}


def listed(metrics: tuple[Metric, ...]) -> dict[str, tuple[str, str]]:
    """The same of the list."""
    return {OURS + metric.name: (metric.kind, metric.help) for metric in metrics}


def worker(directory: Path) -> Shown:
    """Of a worker that has no partition."""
    return Telemetry(config(directory)).shown()


def sink(_: Path) -> Shown:
    """Of a sink that has opened nothing."""
    return sinks.Telemetry("ledger.duckdb", Summary(positions={0: 0}), Stop()).shown()


PARTITIONS = {OURS + metric.name for metric in METRICS if "partition" in metric.labels}
"""What is shown once there is a partition; tests/integration/engine/test_metrics.py has some."""


@pytest.mark.parametrize(("shown", "metrics"), [(worker, WORKER), (sink, SINK)], ids=["worker", "sink"])
def test_processes_show_the_list_and_nothing_else(
    shown: Callable[[Path], Shown], metrics: tuple[Metric, ...], tmp_path: Path
) -> None:
    """With its kinds and its words; what is of partitions needs one."""
    found, wanted = families(shown(tmp_path).registry), listed(metrics)
    assert found == {name: told for name, told in wanted.items() if name in found}
    assert wanted.keys() - found.keys() <= PARTITIONS


def test_names_are_those_of_prometheus() -> None:
    """Units in words at the end, no suffix that the format adds itself, no name twice."""
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    assert not [name for name in names if name.endswith(("_total", "_count", "_sum", "_bucket", "_info", "_created"))]
    assert all(metric.help for metric in METRICS)


def test_buckets_rise_and_belong_to_histograms() -> None:
    """Each histogram has some, nothing else has any."""
    for metric in METRICS:
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert bool(metric.buckets) == (metric.kind == "histogram")


def test_labels_can_not_say_who_asked_or_what() -> None:
    """No request, no content, no label of a request (G7): what may be in a series is in this list."""
    allowed = {
        "partition", "stream_type", "status", "closed_by", "reason", "provider", "model", "direction", "version",
        "ledger", "sink",
    }  # fmt: skip
    assert {label for metric in METRICS for label in metric.labels} <= allowed
