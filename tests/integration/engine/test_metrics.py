"""A worker's metrics and health over HTTP, on a real Kafka: counters agree with the topics, to the last one."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline.metrics import WORKER
from pipeline.settings import Settings
from pipeline.testing.chunk import Document, chat, error, marker, speech
from pipeline.testing.topic import append, committed
from pipeline.testing.waiting import eventually
from tests.integration.engine.harness import Worker, running
from tests.integration.metrics import Scrape, reasons, scraped

CHAT: Final = "chat.completion"
TRACE: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MONEY: Final = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}
GPT: Final[dict[str, Any]] = {"provider": "openai", "model": "gpt-4o"}


@contextmanager
def showing(settings: Settings, log: Path) -> Iterator[tuple[Worker, str]]:
    """A worker, and the address of its port."""
    with running(settings.model_copy(update={"metrics_address": ":0"}), log) as worker:
        yield worker, worker.wait_for("metrics")["url"].removesuffix("/metrics")


def put(settings: Settings, *chunks: Document | tuple[bytes, bytes]) -> None:
    """Chunks to partition 0, in order; a pair is a key and a value."""
    pairs = [
        chunk if isinstance(chunk, tuple) else (str(chunk["request_id"]).encode(), json.dumps(chunk).encode())
        for chunk in chunks
    ]
    made = [(key, value, 0, [("traceparent", TRACE.encode())]) for key, value in pairs]
    asyncio.run(append(settings, settings.chunk_topic, made))


def send_all_that_can_go_wrong(settings: Settings) -> None:
    """Four requests that end, one that never does, and what becomes dead letters."""
    put(
        settings,
        *(chat(index, "a", request_id="well", **GPT) for index in range(3)),
        chat(1, "a", request_id="well", **GPT),  # a repeat
        chat(3, finish="stop", usage=MONEY, is_final=True, request_id="well", **GPT),
        *(chat(index, "a", request_id="gap") for index in range(2)),
        chat(4, "e", finish="stop", usage=MONEY, is_final=True, request_id="gap"),  # and nobody knows its price
        chat(0, "a", request_id="fails"),
        error(1, is_final=True, request_id="fails"),
        speech(0, b"abc", request_id="cut"),
        chat(0, "one", request_id="conflicts"),
        chat(0, "other", request_id="conflicts"),
        marker(1, request_id="conflicts"),
        (b"not json", b"{"),
        (b"not json", b"{"),
        (b"another key", json.dumps(chat(0, "a", request_id="well")).encode()),
    )


@pytest.mark.usefixtures("ledger_topics")
def test_a_scrape_agrees_with_the_topics(brisk: Settings, tmp_path: Path) -> None:
    """Of traffic with all that can go wrong every counter has the number that was made to happen, late chunks too."""
    with showing(brisk, tmp_path / "log") as (worker, url):
        send_all_that_can_go_wrong(brisk)
        scraped(url, lambda seen: seen["records_total"] == 5 and seen["duplicates_total"] == 1)
        put(brisk, chat(2, "c", request_id="gap"), chat(1, "a", request_id="well", **GPT))
        seen = scraped(url, lambda seen: seen["revisions_total"] == 1 and seen["duplicates_total"] == 2)
        assert reasons(url) == []
        assert reasons(url, "live") == []
        assert worker.terminate()[0] == 0
    _check_counts(seen)
    _check_money(seen)
    _check_gauges(seen)
    records = asyncio.run(committed(brisk, brisk.record_topic, at_least=6))
    letters = asyncio.run(committed(brisk, brisk.dead_topic, at_least=4))
    assert len(records) == seen["records_total"] + seen["revisions_total"]
    assert len(letters) == seen["dead_letters_total"]
    assert {dict(record.headers)["traceparent"] for record in records} == {TRACE.encode()}


def _check_counts(seen: Scrape) -> None:
    assert seen.by("records_total") == {  # closed_by, status, stream_type
        ("final", "success", CHAT): 2,  # well, gap
        ("error", "error", CHAT): 1,
        ("final", "incomplete", CHAT): 1,  # a marker, and no finish_reason
        ("expiry", "incomplete", "audio.speech"): 1,
    }
    assert seen.by("chunks_total") == {(CHAT,): 4 + 3 + 2 + 2 + 1, ("audio.speech",): 1}
    assert (seen["requests_opened_total"], seen["conflicts_total"], seen["late_chunks_total"]) == (5, 1, 1)
    assert seen.by("revisions_total") == seen.by("records_with_gaps_total") == {(CHAT,): 1}
    assert seen.by("dead_letters_total") == {("not_json",): 2, ("key_mismatch",): 1, ("conflict",): 1}
    assert [seen[f"{name}_total"] for name in ("internal_errors", "transaction_aborts", "fenced")] == [0, 0, 0]


def _check_money(seen: Scrape) -> None:
    assert seen.by("cost_usd_total") == {("gpt-4o", "openai"): pytest.approx(0.0035)}  # model, provider
    assert seen.by("unpriced_records_total") == {("unknown", "unknown", "no_provider"): 1}
    assert seen.by("tokens_total") == {  # direction, model, provider
        ("input", "gpt-4o", "openai"): 1_000,
        ("output", "gpt-4o", "openai"): 100,
        ("input", "unknown", "unknown"): 1_000,
        ("output", "unknown", "unknown"): 100,
    }
    assert seen.by("latency_seconds_count") == {("gpt-4o", "openai"): 1, ("unknown", "unknown"): 4}
    assert seen.by("latency_seconds_sum")["gpt-4o", "openai"] == pytest.approx(0.3)
    assert seen.by("first_token_seconds_count") == {("gpt-4o", "openai"): 1, ("unknown", "unknown"): 4}


def _check_gauges(seen: Scrape) -> None:
    """Nothing is left to do; and every name of the list is there."""
    assert (seen["partitions_assigned"], seen["partitions_restored"], seen["recovery_progress_ratio"]) == (2, 2, 2)
    for name in ("open_requests", "closing_requests", "oldest_open_request_seconds", "lag_offsets", "lag_seconds"):
        assert seen[name] == 0, name
    assert seen["checkpoint_seconds_count"] == seen["checkpoint_rows_count"] == seen["checkpoints_total"] > 0
    assert seen["recovery_rows_total"] == 4  # our own fence rows
    assert seen["store_bytes"] > 0 < seen["store_memory_bytes"]
    assert seen["clock_alarm"] == 0
    suffixes = {"counter": "_total", "gauge": "", "histogram": "_count"}
    silent = {metric.name for metric in WORKER if metric.name + suffixes[metric.kind] not in seen}
    assert silent == {"token_corrections"}  # nobody took tokens back


def test_the_port_is_there_before_kafka_is(settings: Settings, tmp_path: Path) -> None:
    """Alive and not ready, with the reason; it leaves at once when told to."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]  # where nobody ever answers as a broker
        lonely = settings.model_copy(update={"bootstrap_servers": f"127.0.0.1:{port}"})
        with showing(lonely, tmp_path / "log") as (worker, url):
            assert reasons(url) == ["waiting for Kafka"]
            assert reasons(url, "live") == []
            assert scraped(url)["ready"] == 0
            assert worker.terminate()[0] == 0


@pytest.mark.usefixtures("ledger_topics")
def test_open_requests_are_seen_and_restored(settings: Settings, tmp_path: Path) -> None:
    """What is open is counted and ages; elsewhere the rows that bring it back are counted, and it is open again."""
    with showing(settings, tmp_path / "log") as (worker, url):
        put(settings, *(chat(0, "a", request_id=f"open-{number}") for number in range(3)))
        seen = scraped(url, lambda seen: seen["requests_opened_total"] == 3 and seen["checkpoint_age_seconds"] == 0)
        assert seen["open_requests"] == 3
        assert eventually(lambda: scraped(url)["oldest_open_request_seconds"] > seen["oldest_open_request_seconds"])
        assert worker.terminate()[0] == 0
    quick = settings.model_copy(update={"data_dir": tmp_path / "elsewhere"})
    with showing(quick, tmp_path / "log-2") as (_, url):
        waiting = scraped(url, lambda seen: seen["partitions_restored"] == 2)
        assert (waiting["open_requests"], waiting["requests_opened_total"]) == (3, 0)
        assert waiting["recovery_rows_total"] >= 3 + 4
