"""The load generator on a real Kafka: its ledger against what a real worker makes of it, and its end by Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.ops.fold import fold_lines
from pipeline.ops.reconcile import bill, ledger
from pipeline.ops.reconcile.finding import Result, State
from pipeline.ops.reconcile.ledger import Request
from pipeline.ops.reconcile.usage_file import UsageFile
from pipeline.settings import Settings, client
from pipeline.topics.admin import create, definitions
from pipeline.topics.selection import Selection
from tests.integration.engine.harness import ROOT, SECONDS, Seen, committed, running
from tests.integration.spoiling import altered, copied

REQUESTS = 200
WINDOWS = {"finish_grace": 300, "attempt_grace": 500, "session_window": 3_000, "clock_slack": 1_000}
"""A second or two, so that streams without an end and late chunks are over soon."""


def load(settings: Settings, book: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """`streamledger load` as a process."""
    where = ["--bootstrap-servers", settings.bootstrap_servers, "--chunk-topic", settings.chunk_topic]
    command = [sys.executable, "-m", "pipeline", "load", *where, "--json", "--ledger", str(book), *arguments]
    return subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def ended(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The summary of one that ends well."""
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err.decode()
    told: dict[str, Any] = json.loads(out)
    return told


def rows(book: Path) -> list[dict[str, Any]]:
    """Lines of a ledger file."""
    return [json.loads(line) for line in book.read_text(encoding="utf-8").splitlines()]


def billed(settings: Settings, book: Path) -> Result:
    """Records against the ledger file, as `streamledger reconcile --usage-file` compares them."""
    file = UsageFile.of(book, "plain", ())
    return asyncio.run(bill.reconcile(settings, file, asked(), lambda _: None))


def asked() -> Request:
    """Everything, as of now."""
    return Request(Selection(), int(time.time() * 1_000), 5_000)


def until_equal(settings: Settings, book: Path) -> Result:
    """The first comparison without a finding."""
    deadline = time.monotonic() + 2 * SECONDS
    while (result := billed(settings, book)).found:
        assert time.monotonic() < deadline, (result.kinds, result.listed[:5])
        time.sleep(0.5)
    return result


def test_what_was_sent_is_billed_and_a_loss_is_named(settings: Settings, tmp_path: Path) -> None:
    """Six types, every trouble, a real worker: no difference; a lost and an altered record are named, nothing else."""
    brisk, book = settings.model_copy(update=WINDOWS), tmp_path / "sent.jsonl"
    asyncio.run(create(client(brisk), definitions(brisk)))
    mixture = ["--profile", "mixed", "--requests", f"{REQUESTS}", "--open", "40", "--chaos", "0.4", "--seed", "5"]
    with running(brisk, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        told = ended(load(brisk, book, *mixture, "--set", "finish_grace=300ms"))
        equal = until_equal(brisk, book)
        counted = asyncio.run(ledger.reconcile(brisk, asked(), lambda _: None))
        assert worker.terminate()[0] == 0

    sent = rows(book)
    assert (told["requests"], len(sent), equal.states[State.OK]) == (REQUESTS,) * 3
    assert set(told["by_stream_type"]) == {row["stream_type"] for row in sent}
    assert len(told["by_stream_type"]) == 6
    assert set(told["troubles"]) == {"duplicates", "reordered", "gap", "cut", "retry", "late"}
    assert not counted.found, counted.listed[:5]
    assert counted.counts["chunks"] == told["chunks"]
    records = asyncio.run(committed(brisk, brisk.record_topic))
    revisions = Counter(str(each.key, "utf-8") for each in records if each.key is not None)
    assert revisions.keys() == {row["request_id"] for row in sent}
    assert max(revisions.values()) > 1, "no chunk was late"

    once = [name for name, count in revisions.items() if count == 1]
    lost, wrong = [row["request_id"] for row in sent if row["trouble"] is None and row["request_id"] in once][:2]
    kept = [each for each in records if each.key != lost.encode()]
    spoiled = copied(brisk, [_altered(each) if each.key == wrong.encode() else each for each in kept])
    found = {(finding.kind.value, finding.request_id) for finding in billed(spoiled, book).listed}
    assert found == {("missing", lost), ("different", wrong)}


def _altered(record: Seen) -> Seen:
    return replace(record, value=altered(json.loads(record.value or b"")))


@pytest.mark.usefixtures("ledger_topics")
def test_ctrl_c_leaves_nothing_open(settings: Settings, tmp_path: Path) -> None:
    """In the middle of streams in real time: exit 0, each open request gets its end, and the ledger lists it."""
    book = tmp_path / "sent.jsonl"
    process = load(settings, book, "--timing", "real", "--open", "30", "--seconds", "600")
    deadline = time.monotonic() + SECONDS
    while len(asyncio.run(committed(settings, settings.chunk_topic))) < 500:
        assert time.monotonic() < deadline
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    told = ended(process)

    chunks = asyncio.run(committed(settings, settings.chunk_topic, at_least=told["chunks"]))
    lines = [each.value or b"" for each in chunks]
    records = {each["request_id"]: each for each in map(json.loads, map(_record, fold_lines(lines, settings.policy())))}
    sent = {row["request_id"]: row for row in rows(book)}
    assert told["interrupted"]
    assert len(chunks) == told["chunks"]
    assert sent.keys() == records.keys()
    assert told["states"]["cancelled"] == sum(row["state"] == "cancelled" for row in sent.values()) > 0
    for name, row in sent.items():
        assert records[name]["closed_by"] == ("error" if row["state"] == "cancelled" else "final")
        assert (records[name]["token_usage"] or {}).get("total_tokens") == row["total_tokens"]


def _record(each: object) -> bytes:
    assert isinstance(each, bytes), "a dead letter"
    return each
