"""Counters and histograms under the names of the list."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from pipeline.exposition.book import Book
from pipeline.exposition.family import Sample, families
from pipeline.metrics import WORKER, Metric

LATENCY = Metric("latency_seconds", "histogram", "Long", ("provider",), (0.1, 1.0))


def text(book: Book) -> list[str]:
    """What a scrape shows, without comments."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(book)
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_what_has_no_labels_begins_at_zero() -> None:
    """So that its first rise is a rise; what has labels begins when told, gauges are not kept."""
    book = Book([Metric("fenced", "counter", "F"), Metric("dead_letters", "counter", "D", ("reason",)), WORKER[1]])
    assert text(book) == ["streamledger_fenced_total 0.0"]
    book.begin("dead_letters", "late")
    assert text(book)[1:] == ['streamledger_dead_letters_total{reason="late"} 0.0']


def test_buckets_add_up_to_the_count() -> None:
    """A value on a bound is within it."""
    book = Book([LATENCY])
    book.begin("latency_seconds", "p")
    book.observe("latency_seconds", [0.05, 0.1, 0.5, 30], "p")
    name = "streamledger_latency_seconds"
    assert text(book) == [
        f'{name}_bucket{{le="0.1",provider="p"}} 2.0',
        f'{name}_bucket{{le="1.0",provider="p"}} 3.0',
        f'{name}_bucket{{le="+Inf",provider="p"}} 4.0',
        f'{name}_count{{provider="p"}} 4.0',
        f'{name}_sum{{provider="p"}} 30.65',
    ]


def test_a_scrape_sees_whole_commits() -> None:
    """It waits for whoever adds, and what it got does not change any more."""
    book = Book([LATENCY])
    book.observe("latency_seconds", [0.5], "p")
    seen = list(book.collect())
    book.observe("latency_seconds", [0.5], "p")
    assert [sample.value for sample in seen[0].samples][-2:] == [1.0, 0.5]


def test_a_name_that_is_not_in_the_list_is_an_error() -> None:
    """Of a counter as of a gauge."""
    with pytest.raises(KeyError):
        Book(WORKER).add("made_up")
    with pytest.raises(KeyError):
        list(families([Sample("made_up", 1)]))
