"""Tables, ratios and JSON of the benchmark."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.ops.bench.load import FULL
from pipeline.ops.bench.measure import Result
from pipeline.ops.bench.report import Report, Section

RESULT = Result(
    seconds=10.0,
    rate=200_000.0,
    cpu=6.25,
    broker_cpu=1.5,
    peak=300 << 20,
    state_bytes=5 << 20,
    output_bytes=1 << 20,
    disk_bytes=2 << 20,
    doubles=0,
)


def result(rate: float, **other: Any) -> Result:
    """A result with this rate."""
    return replace(RESULT, rate=rate, rates=[rate], **other)


def section(**rates: float) -> Section:
    """A load with a result for each participant; dashes are underscores."""
    made = Section(FULL[0], chunk_bytes=700_000_000)
    for name, rate in rates.items():
        made.add(name.replace("_", "-"), result(rate))
    return made


def report(*sections: Section, judged: bool = True) -> Report:
    """A report of these loads."""
    return Report(list(sections), commit_ms=1_000, judged=judged, machine="a machine", kafka="4.3.1")


def test_ratios_are_ours_over_theirs() -> None:
    """With what is asked for, peer by peer."""
    ratios = section(streamledger=150.0, kafka_streams=100.0, quixstreams=100.0, consume=300.0).ratios()

    assert [(ratio.peer, ratio.ratio, ratio.reached) for ratio in ratios] == [
        ("kafka-streams", 1.5, True),
        ("quixstreams", 1.5, False),
        ("consume", 0.5, True),
    ]


def test_without_the_worker_there_is_no_ratio() -> None:
    """Peers may be run alone."""
    assert section(kafka_streams=100.0).ratios() == []


def test_the_best_round_counts_and_all_rates_are_kept() -> None:
    """Whatever their order: a shared machine has bad moments, never good ones by mistake."""
    rising, falling = Section(FULL[0]), Section(FULL[0])
    for rate in (100.0, 300.0, 200.0):
        rising.add("consume", result(rate))
    for rate in (300.0, 200.0):
        falling.add("consume", result(rate))

    assert (rising.results["consume"].rate, rising.results["consume"].rates) == (300.0, [100.0, 300.0, 200.0])
    assert (falling.results["consume"].rate, falling.results["consume"].rates) == (300.0, [300.0, 200.0])


@pytest.mark.parametrize(("judged", "passed"), [(True, False), (False, True)])
def test_a_missed_ratio_fails_the_full_load_only(judged: bool, passed: bool) -> None:
    """A small load shows ratios and judges none."""
    made = report(section(streamledger=90.0, kafka_streams=100.0), judged=judged)
    text = "\n".join(made.as_text())

    assert made.passed is passed
    assert "streamledger is 0.90 × kafka-streams (asked for: 1 ×)  missed" in text
    assert ("not judged" in text) is not judged


def test_who_is_not_there_fails_nothing_and_who_comes_to_no_end_does() -> None:
    """Both are said, with the reason."""
    made = section(streamledger=100.0)
    made.skipped["quixstreams"] = "not installed"
    before = report(made).passed
    made.failed["kafka-streams"] = "it stands still"
    text = report(made).as_text()

    assert (before, report(made).passed) == (True, False)
    assert "  quixstreams: skipped, not installed" in text
    assert "  kafka-streams: failed, it stands still" in text


def test_the_table_is_aligned() -> None:
    """Numbers at the right, and conditions above."""
    made = section(streamledger=150_000.0)
    made.add("consume", result(1_250_000.0, doubles=3))

    assert report(made).as_text()[:6] == [
        "Kafka 4.3.1 on a machine; 4 partitions, commits every 1 s",
        "",
        "200: 2,000,000 chunks, 20,000 requests of 100 chunks, 200 open at a time",
        "  participant    chunks/s  CPU s/M  broker  peak MiB  state MiB  disk MiB  promise",
        "  streamledger    150,000      6.2     1.5       300        5.0       2.0  exactly once, whole fold",
        "  consume       1,250,000      6.2     1.5       300        5.0       2.0  no state, 3 doubles",
    ]


def test_json_has_every_figure() -> None:
    """Sizes in bytes, times in seconds, and nothing that was not run."""
    found = report(section(streamledger=150.0, consume=100.0)).as_json()
    (load,) = found["loads"]

    assert (found["passed"], found["commit_interval_ms"]) == (True, 1_000)
    assert (load["name"], load["total"], load["chunk_bytes"]) == ("200", 2_000_000, 700_000_000)
    assert load["results"]["streamledger"] == {
        "seconds": 10.0,
        "rate": 150,
        "cpu": 6.25,
        "broker_cpu": 1.5,
        "peak": 300 << 20,
        "state_bytes": 5 << 20,
        "output_bytes": 1 << 20,
        "disk_bytes": 2 << 20,
        "doubles": 0,
        "rates": [150],
        "own": {},
    }
    assert found["ratios"] == [{"load": "200", "peer": "consume", "ratio": 1.5, "needed": 0.5, "reached": True}]
