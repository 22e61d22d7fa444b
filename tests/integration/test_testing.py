"""The testing helpers on a real Kafka: a user's suite without a conftest, and its handles when things go wrong."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import textwrap

import pytest

from pipeline.settings import Settings, client
from pipeline.testing import Ledger, Stream, Worker, assert_record, chat, eventually, images, interleave, plugin, speech
from pipeline.testing.chunk import Document, chunk
from pipeline.testing.topic import append, committed
from pipeline.testing.waiting import run
from pipeline.topics.admin import describe

pytest_plugins = ["pytester"]

SUITE = textwrap.dedent((plugin.__doc__ or "").partition("::\n")[2].partition("\nFixtures:")[0])
"""The example of the plugin's documentation."""

AFTER = """

def test_settings_come_from_the_ini_file(streamledger_kafka, streamledger_ledger):
    settings = streamledger_ledger.settings
    print("topics", settings.chunk_topic, settings.record_topic, settings.dead_topic)
    assert (settings.bootstrap_servers, settings.partitions, settings.max_chunks) == (streamledger_kafka, 3, 77)
"""


def test_a_users_suite_needs_no_conftest(
    kafka: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documented example as it stands, strictly; on a Kafka that was named nothing is left behind."""
    monkeypatch.setenv("STREAMLEDGER_BOOTSTRAP_SERVERS", kafka)
    pytester.makeini(
        "[pytest]\naddopts = --strict-markers --strict-config -W error\n"
        "streamledger_settings =\n    partitions = 3\n    max_chunks = 77"
    )
    pytester.makepyfile(SUITE + AFTER)

    outcome = pytester.runpytest_subprocess("-s", "-p", "no:randomly")

    outcome.assert_outcomes(passed=3)
    (names,) = [line.partition("topics ")[2].split() for line in outcome.outlines if "topics t" in line]
    assert len(names) == 3
    assert asyncio.run(describe(client(Settings(bootstrap_servers=kafka)), names)) == {}


@pytest.mark.streamledger(finish_grace="300ms", session_window="60s")
def test_a_worker_is_killed_in_mid_stream(streamledger_ledger: Ledger, streamledger_worker: Worker) -> None:
    """What users test with it: records as their builders say and as the fold in process has them, to the byte."""
    ledger, worker = streamledger_ledger, streamledger_worker
    begun = chat("r-1", provider="openai", model="gpt-4o").text("Hel", "lo")
    streams: list[Stream] = [
        begun.usage(10, 5).finish().cost(0.0123),
        speech("r-2").audio(b"ab", b"cd").usage(7, 42).finish(),
        images("r-3", n=1).preview(b"p").picture(b"q", usage=(12, 272)),
        chat("r-4").text("a").error("no money").attempt(provider="azure").text("b").usage(1, 2).finish().duplicated(),
    ]
    refused: list[Document | bytes] = [chunk(-1, request_id="r-5"), b"nothing"]
    ledger.send(begun, *refused, partition=0)
    eventually(lambda: len(ledger.dead_letters()) == 2, watch=worker.check)
    worker.kill()
    ledger.send(*streams[:1], partition=0)
    ledger.send(*interleave(*streams[1:], seed=1))
    worker.start()

    records = ledger.records.wait(*(stream.request_id for stream in streams))

    for stream in streams:
        assert_record(records[stream.request_id], revision=0, **stream.expected)
    assert_record(records["r-1"], cost="0.0123", text="Hello", duplicate_count=2)
    assert [(each["reason"], each["request_id"]) for each in ledger.dead_letters(2)] == [
        ("invalid", "r-5"),
        ("not_json", ""),
    ]
    folded = ledger.fold()
    written = asyncio.run(committed(ledger.settings, ledger.settings.record_topic))
    assert sorted(folded.values) == sorted(each.value or b"" for each in written)
    assert [each["reason"] for each in folded.dead_letters] == ["invalid"] * 2  # a line of `fold` is always JSON
    check_waits(ledger, worker)


def check_waits(ledger: Ledger, worker: Worker) -> None:
    """What a wait says that ends badly."""
    with pytest.raises(AssertionError) as missing:
        ledger.records.wait("r-1", "r-5", "r-6", deadline=1)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(AssertionError, match="the worker ended by itself with status -9"):
        ledger.records.of("r-7")

    told = str(missing.value).splitlines()
    assert told[0] == "no record of r-5, r-6 within 1 s; 4 requests have records"
    assert told[1].startswith("  r-5: 1 chunks in the topic, dead letters: invalid (")
    assert told[2] == "  r-6: 0 chunks in the topic, dead letters: none"
    assert worker.stop() == -signal.SIGKILL
    assert '"assigned"' in worker.log
    revised = {**ledger.records.of("r-1"), "revision": 1}
    run(append(ledger.settings, ledger.settings.record_topic, [(b"r-1", json.dumps(revised).encode())]))
    assert ledger.records.of("r-1", revision=1) == revised
    assert [each["revision"] for each in ledger.records.revisions("r-1")] == [0, 1]
    assert len(ledger.records.all()) == 5
