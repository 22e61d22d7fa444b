"""A replay on a real Kafka: equal to what the worker wrote, and exact about what is not."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from pipeline.cli.shell import main
from pipeline.core.canonical import canonical
from pipeline.errors import UsageError
from pipeline.ops.bench.load import Load
from pipeline.ops.bench.load import send as fill
from pipeline.settings import Settings, client
from pipeline.topics.admin import create, definitions
from schemas.topics import Topic
from tests.chunk import Document, chat, encoded, error
from tests.integration.engine.harness import SECONDS, Seen, committed, running
from tests.kafka import ledger_settings

ROOT = Path(__file__).parents[2]
TOLD = ("bootstrap_servers", "ledger", "chunk_topic", "record_topic", "session_window", "finish_grace", "clock_slack")
USAGE = {"prompt_tokens": 1_000, "completion_tokens": 200, "total_tokens": 1_200}
PRICED: Any = {"provider": "openai", "model": "gpt-4o"}


def arguments(settings: Settings) -> list[str]:
    """Settings as flags of a command."""
    told = {name: getattr(settings, name) for name in TOLD}
    return [f"--{name.replace('_', '-')}={value}{'ms' * isinstance(value, int)}" for name, value in told.items()]


def replay(settings: Settings, *options: str) -> int:
    """The exit code of the command."""
    code: int = main.main(["replay", *arguments(settings), *options], standalone_mode=False)
    return code


def diff(settings: Settings, capfd: pytest.CaptureFixture[str], *options: str) -> tuple[int, Document]:
    """Exit code and document of a comparison."""
    capfd.readouterr()
    code = replay(settings, "--diff", "--json", "--processes=1", *options)
    document: Document = json.loads(capfd.readouterr().out)
    return code, document


def counted(document: Document) -> dict[str, int]:
    """The findings that there are."""
    return {name: count for name, count in document["diff"]["counts"].items() if count}


async def put(
    settings: Settings, topic: str, rows: Iterable[tuple[int, bytes | None, bytes | None, Sequence[Any]]]
) -> None:
    """Rows (partition, key, value, headers) to a topic."""
    producer = AIOKafkaProducer(**client(settings), acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for partition, key, value, headers in rows:
            await producer.send(topic, value, key=key, partition=partition, headers=list(headers))
        await producer.flush()
    finally:
        await producer.stop()


def request(number: int, words: int = 4, *, final: bool = True) -> list[Document]:
    """The chunks of a request of one of two tenants; one that is not final has no end."""
    envelope: Any = {"request_id": f"r-{number:03d}", "labels": {"tenant": "ab"[number % 2]}, **PRICED}
    chunks = [chat(index, f"w{index} ", **envelope) for index in range(words)]
    if final:
        chunks.append(chat(words, finish="stop", usage=USAGE, is_final=True, **envelope))
    return chunks


def rows_of(chunks: Iterable[Document]) -> list[tuple[int, bytes, bytes, list[tuple[str, bytes]]]]:
    """Chunks as rows of the chunk topic, each request in the partition of its number."""
    trace = [("traceparent", b"00-1-2-01")]
    return [(int(each["request_id"][-1]) % 2, each["request_id"].encode(), encoded(each), trace) for each in chunks]


@dataclass(frozen=True)
class Billed:
    """A ledger whose worker has done its work and still runs."""

    settings: Settings
    records: list[Seen]


@pytest.fixture(scope="module")
def billed(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Thirty whole requests, three without an end, one revised after its close, repeats, and chunks that were refused."""
    folder = tmp_path_factory.mktemp("billed")
    settings = ledger_settings(
        kafka, f"replay{os.getpid()}", folder / "data", session_window=2_500, finish_grace=300, clock_slack=1_000
    )
    asyncio.run(create(client(settings), definitions(settings)))
    whole = [chunk for number in range(30) for chunk in request(number)]
    endless = [chunk for number in range(30, 33) for chunk in request(number, final=False)]
    failed = [error(0, request_id="r-033", is_final=True)]
    chunks = rows_of([*whole[: len(whole) // 2], *whole[:7], *endless, *whole[len(whole) // 2 :], *failed])
    refused: list[Any] = [(0, b"x", b"no json", []), (1, b"r-999", b'{"request_id": 5}', [])]
    asyncio.run(put(settings, settings.chunk_topic, [*chunks, *refused]))
    with running(settings, folder / "log", timing={}) as worker:
        asyncio.run(committed(settings, settings.record_topic, at_least=34))
        late = chat(4, "late ", request_id="r-030", labels={"tenant": "a"}, **PRICED)
        asyncio.run(put(settings, settings.chunk_topic, rows_of([late])))
        records = asyncio.run(committed(settings, settings.record_topic, at_least=35))
        yield Billed(settings, records)
        assert worker.process.poll() is None, worker.text()[-2_000:]


def test_a_replay_gives_the_bytes_of_the_worker(
    billed: Billed, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """G3: revisions, expired requests and all; chunks that were refused are counted."""
    out = tmp_path / "records.jsonl"
    assert replay(billed.settings, f"--out={out}", "--json") == 0
    told = json.loads(capfd.readouterr().out)
    assert sorted(out.read_bytes().splitlines()) == sorted(record.value or b"" for record in billed.records)
    assert (told["records"], told["revisions"], told["open"], told["cut"]) == (35, 1, 0, 0)
    assert told["dead_letters"] == {"invalid": 1, "not_json": 1}


def test_a_replay_of_the_same_prices_and_settings_finds_no_difference(
    billed: Billed, capfd: pytest.CaptureFixture[str]
) -> None:
    """What the worker wrote is the same, record by record."""
    code, told = diff(billed.settings, capfd)
    assert (code, counted(told)) == (0, {"same": 35})
    assert told["diff"]["differences"] == []


def test_other_prices_and_other_settings_are_told_apart(
    billed: Billed, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither is a problem: the records say of themselves what they were made under."""
    overlay = tmp_path / "prices.toml"
    overlay.write_text(PRICES)
    code, told = diff(billed.settings, capfd, f"--price-overlay={overlay}")
    assert (code, counted(told)) == (0, {"same": 5, "price": 30})
    code, told = diff(billed.settings, capfd, "--capture=metadata")
    assert (code, counted(told)) == (0, {"config": 35})


def test_what_was_altered_lost_doubled_or_made_up_is_named(billed: Billed, capfd: pytest.CaptureFixture[str]) -> None:
    """Each of the four exactly, and nothing else; then corrections make all good that chunks can speak for."""
    settings, doctored = doctor(billed)
    code, told = diff(settings, capfd)
    assert code == 1
    assert counted(told) == {"same": 32, "DIFFERENT": 2, "missing": 1, "extra": 1, "double": 1}
    found = {(each["kind"], each["request_id"]) for each in told["diff"]["differences"]}
    assert found == doctored
    fields = {each["request_id"]: each["fields"] for each in told["diff"]["differences"] if each["fields"]}
    assert fields["r-000"][:2] == ["token_usage.completion_tokens", "token_usage.total_tokens"]
    assert "digest (does not hold: the record was changed after it was made)" in fields["r-001"]

    code, told = diff(settings, capfd, "--emit")
    assert (code, told["emit"]["sent"], told["emit"]["revisions"], told["emit"]["missing"]) == (1, False, 2, 1)
    code, told = diff(settings, capfd, "--emit", "--execute")
    assert (told["emit"]["sent"], told["emit"]["revisions"], told["emit"]["missing"]) == (True, 2, 1)
    code, told = diff(settings, capfd, "--emit", "--execute")
    assert (told["emit"]["revisions"], told["emit"]["missing"]) == (0, 0)
    assert counted(told) == {"same": 35, "extra": 1, "double": 1}
    assert told["diff"]["corrected"] == 2
    sent = asyncio.run(committed(settings, settings.record_topic, at_least=38))[-40:]
    revised = [json.loads(each.value or b"{}") for each in sent if json.loads(each.value or b"{}")["revision"] == 1]
    assert {
        each["request_id"]: each["delta"]["token_usage"]["completion_tokens"]
        for each in revised
        if each["closed_by"] == "final"
    } == {
        "r-000": 200 - 777,
        "r-001": 200 - 778,
    }


PRICES = """
[models."openai/gpt-4o"]
input = 1.0
output = 2.0
"""


def doctor(billed: Billed) -> tuple[Settings, set[tuple[str, str]]]:
    """Records on a topic of their own, five of them wrong; and which those are."""
    settings = billed.settings.model_copy(update={"record_topic": f"{billed.settings.ledger}.doctored"})
    asyncio.run(create(client(settings), [_named(topic, settings) for topic in definitions(settings)]))
    rows: list[Any] = []
    for seen in billed.records:
        record = json.loads(seen.value or b"{}")
        number, value = record["request_id"], seen.value
        if number in ("r-000", "r-001"):
            record["token_usage"]["completion_tokens"] = 777 + (number == "r-001")
            record["token_usage"]["total_tokens"] = 1_777 + (number == "r-001")
            if number == "r-000":
                record["digest"] = digest(record)
            value = json.dumps(record).encode()
        if number == "r-002":
            continue
        rows.append((seen.partition, seen.key, value, seen.headers))
        if number == "r-003":
            rows.append(rows[-1])
        if number == "r-004":
            made_up = value.replace(b"r-004", b"r-404") if value else None
            rows.append((seen.partition, b"r-404", made_up, seen.headers))
    asyncio.run(put(settings, settings.record_topic, rows))
    wrong = {("DIFFERENT", "r-000"), ("DIFFERENT", "r-001"), ("missing", "r-002"), ("double", "r-003")}
    return settings, {*wrong, ("extra", "r-404")}


def _named(topic: Topic, settings: Settings) -> Topic:
    return topic.model_copy(update={"name": settings.record_topic}) if topic.role == "records" else topic


def digest(record: Document) -> str:
    """That of a record that was changed by somebody who knows how records are made."""
    return sha256(canonical(record)).hexdigest()
