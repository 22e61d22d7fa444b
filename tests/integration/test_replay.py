"""A replay on a real Kafka: equal to what the worker wrote, and exact about what is not."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.shell import main
from pipeline.core.canonical import canonical
from pipeline.errors import UsageError
from pipeline.ops.replay.openings import Opening, openings
from pipeline.settings import Settings, client
from pipeline.testing.chunk import Document, chat, encoded, error
from pipeline.testing.ledger import ledger_settings
from pipeline.testing.topic import Message
from pipeline.topics.admin import create, definitions
from pipeline.topics.selection import Selection
from schemas.topics import Topic
from tests.integration.engine.harness import SECONDS, Seen, committed, running
from tests.integration.replaying import arguments, replay
from tests.kafka import put

ROOT = Path(__file__).parents[2]
USAGE = {"prompt_tokens": 1_000, "completion_tokens": 200, "total_tokens": 1_200}
PRICED: Any = {"provider": "openai", "model": "gpt-4o"}


def diff(settings: Settings, capfd: pytest.CaptureFixture[str], *options: str) -> tuple[int, Document]:
    """Exit code and document of a comparison."""
    capfd.readouterr()
    code = replay(settings, "--diff", "--json", "--processes=1", *options)
    document: Document = json.loads(capfd.readouterr().out)
    return code, document


def counted(document: Document) -> dict[str, int]:
    """The findings that there are."""
    return {name: count for name, count in document["diff"]["counts"].items() if count}


def request(number: int, words: int = 4, *, final: bool = True) -> list[Document]:
    """The chunks of a request of one of two tenants; one that is not final has no end."""
    envelope: Any = {"request_id": f"r-{number:03d}", "labels": {"tenant": "ab"[number % 2]}, **PRICED}
    chunks = [chat(index, f"w{index} ", **envelope) for index in range(words)]
    if final:
        chunks.append(chat(words, finish="stop", usage=USAGE, is_final=True, **envelope))
    return chunks


def rows_of(chunks: Iterable[Document]) -> list[Message]:
    """Chunks as rows of the chunk topic, each request in the partition of its number."""
    trace = [("traceparent", b"00-1-2-01")]
    return [(each["request_id"].encode(), encoded(each), int(each["request_id"][-1]) % 2, trace) for each in chunks]


@dataclass(frozen=True)
class Billed:
    """A ledger whose worker has done its work and still runs."""

    settings: Settings
    records: list[Seen]


@pytest.fixture(scope="module")
def billed(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Thirty whole requests, three without an end, one revised after its close, repeats, and refused chunks."""
    folder = tmp_path_factory.mktemp("billed")
    settings = ledger_settings(
        kafka, f"replay{os.getpid()}", folder / "data", session_window=2_500, finish_grace=300, clock_slack=1_000
    )
    asyncio.run(create(client(settings), definitions(settings)))
    whole = [chunk for number in range(30) for chunk in request(number)]
    endless = [chunk for number in range(30, 33) for chunk in request(number, final=False)]
    failed = [error(0, request_id="r-033", is_final=True)]
    chunks = rows_of([*whole[: len(whole) // 2], *whole[:7], *endless, *whole[len(whole) // 2 :], *failed])
    refused: list[Message] = [(b"x", b"no json", 0), (b"r-999", b'{"request_id": 5}', 1)]
    put(settings, settings.chunk_topic, [*chunks, *refused])
    with running(settings, folder / "log", timing={}) as worker:
        asyncio.run(committed(settings, settings.record_topic, at_least=34))
        late = chat(4, "late ", request_id="r-030", labels={"tenant": "a"}, **PRICED)
        put(settings, settings.chunk_topic, rows_of([late]))
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
        rows.append((seen.key, value, seen.partition, seen.headers))
        if number == "r-003":
            rows.append(rows[-1])
        if number == "r-004":
            made_up = value.replace(b"r-004", b"r-404") if value else None
            rows.append((b"r-404", made_up, seen.partition, seen.headers))
    put(settings, settings.record_topic, rows)
    wrong = {("DIFFERENT", "r-000"), ("DIFFERENT", "r-001"), ("missing", "r-002"), ("double", "r-003")}
    return settings, {*wrong, ("extra", "r-404")}


def _named(topic: Topic, settings: Settings) -> Topic:
    return topic.model_copy(update={"name": settings.record_topic}) if topic.role == "records" else topic


def digest(record: Document) -> str:
    """That of a record that was changed by somebody who knows how records are made."""
    return sha256(canonical(record)).hexdigest()


def test_records_go_to_another_topic_as_the_worker_sends_them(
    billed: Billed, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Key, partition, value and headers; once, also if it is sent again from the same directory; dry unless told."""
    settings = billed.settings
    topic = f"{settings.ledger}.copy"
    mine = settings.model_copy(update={"record_topic": topic})
    asyncio.run(create(client(settings), [_named(each, mine) for each in definitions(mine)]))
    assert replay(settings, f"--to-topic={topic}", "--json") == 0
    assert json.loads(capfd.readouterr().out)["to_topic"] == {"topic": topic, "sent": 0}
    assert asyncio.run(committed(settings, topic)) == []
    work = tmp_path / "work"
    broken = subprocess.run(
        [sys.executable, "-c", SENDING, *arguments(settings), f"--to-topic={topic}", "--execute", f"--resume={work}"],
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert broken.returncode == -signal.SIGKILL
    assert 0 < len(asyncio.run(committed(settings, topic))) < len(billed.records)
    assert replay(settings, f"--to-topic={topic}", "--execute", f"--resume={work}", "--json") == 0
    told = json.loads(capfd.readouterr().out)
    sent = asyncio.run(committed(settings, topic, at_least=len(billed.records)))
    assert 0 < told["to_topic"]["sent"] < len(billed.records)
    assert sorted(map(seen, sent)) == sorted(map(seen, billed.records))
    assert not work.exists()


SENDING = """
import os, signal, sys
from pipeline.cli.shell import main
from pipeline.engine.transaction import Transactions
from pipeline.ops.replay import delivery
delivery.BATCH = 10
commit = Transactions.commit
async def dying(self, scope, parcels, **options):
    receipts = await commit(self, scope, parcels, **options)
    if parcels[0].partition == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return receipts
Transactions.commit = dying
main.main(["replay", *sys.argv[1:]])
"""
"""Dies behind the first transaction of the second partition, before anything can be noted."""


def seen(record: Seen) -> tuple[Any, ...]:
    """What a consumer sees of a record, without where it lies."""
    return record.partition, record.key, record.value, record.headers


def test_a_replay_never_sends_to_a_topic_of_its_ledger(billed: Billed) -> None:
    """It would bill everything twice."""
    for topic in (billed.settings.record_topic, billed.settings.chunk_topic):
        with pytest.raises(UsageError, match="of this ledger"):
            replay(billed.settings, f"--to-topic={topic}", "--execute")


def test_rows_go_to_parquet_exactly(billed: Billed, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One row for each record, amounts to the last digit; labels choose, too."""
    import duckdb  # noqa: PLC0415 (optional)

    path = tmp_path / "it's.parquet"
    assert replay(billed.settings, f"--parquet={path}", "--label=tenant=a", "--processes=1") == 0
    capfd.readouterr()
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT request_id, revision, cost, start_timestamp FROM read_parquet($1)", [str(path)]
        ).fetchall()
    expected = [json.loads(record.value or b"{}") for record in billed.records]
    mine = [record for record in expected if record["labels"].get("tenant") == "a"]
    costs = {(r["request_id"], r["revision"]): (r["cost_details"] or {}).get("total") for r in mine}
    assert {(row[0], row[1]): None if row[2] is None else row[2] for row in rows} == {
        key: None if cost is None else Decimal(cost) for key, cost in costs.items()
    }
    assert all(row[3].isoformat() == "2026-01-01T00:00:00" for row in rows)


def test_a_part_of_the_topic_gives_its_requests_and_lists_the_cut_ones(
    billed: Billed, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each record of a range by offset is one of the whole; what may have begun before is named, not emitted."""
    out, cut = tmp_path / "records", tmp_path / "cut"
    span = ["--from=20", "--to=60", "--partitions=0"]
    assert replay(billed.settings, *span, f"--out={out}", f"--cut={cut}", "--json", "--processes=1") == 0
    told = json.loads(capfd.readouterr().out)
    whole = {record.value for record in billed.records}
    made = out.read_bytes().splitlines()
    firsts = {json.loads(record)["source"]["first_offset"] for record in made}
    assert made
    assert set(made) <= whole
    assert all(20 <= first < 60 for first in firsts)
    expected = [json.loads(value or b"{}")["source"] for value in whole]
    expected_firsts = {s["first_offset"] for s in expected if s["partition"] == 0 and 20 <= s["first_offset"] < 60}
    listed = {json.loads(line)["first_offset"] for line in cut.read_bytes().splitlines()}
    assert firsts | listed >= expected_firsts
    assert told["cut"] == len(listed)
    assert told["partitions"][0]["from"] == 20


@pytest.mark.usefixtures("ledger_topics")
def test_what_is_open_at_a_moment_is_told_with_its_usage_so_far(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    """A request that ended before, one that began after, and one in between: the last, as far as it had come."""
    envelope: Any = {"request_id": "r-100", "labels": {"tenant": "a"}, **PRICED}
    before = [*request(0), chat(0, "a", **envelope), chat(1, "b", usage=USAGE, **envelope)]
    after = [*request(2), chat(2, "c", finish="stop", is_final=True, **envelope)]
    put(settings, settings.chunk_topic, rows_of(before))
    deadline = time.monotonic() + SECONDS
    moment = int(time.time() * 1_000) + 1
    while time.time() * 1_000 <= moment:
        assert time.monotonic() < deadline
    put(settings, settings.chunk_topic, rows_of(after))

    async def told(selection: Selection) -> list[Opening]:
        return [opening async for opening in openings(settings, moment, selection, lambda _: None)]

    (found,) = asyncio.run(told(Selection()))
    assert (found.request_id, found.labels, found.chunks, found.whole) == ("r-100", {"tenant": "a"}, 2, True)
    assert (found.token_usage or {})["completion_tokens"] == 200
    assert found.cost == Decimal("0.0045")
    assert (found.closed_by, found.due) == ("expiry", found.last + settings.session_window)
    assert found.first <= found.last < moment
    assert asyncio.run(told(Selection(labels={"tenant": "b"}))) == []

    at = datetime.fromtimestamp(moment / 1_000, UTC).isoformat()
    flags = [flag for flag in arguments(settings) if not flag.startswith(("--record-topic", "--clock-slack"))]
    capfd.readouterr()
    assert main.main(["usage", *flags, "--open", "--at", at, "--json"], standalone_mode=False) == 0
    (shown,) = json.loads(capfd.readouterr().out)["open"]
    assert (shown["request_id"], shown["cost"], shown["closed_by"]) == ("r-100", "0.0045", "expiry")
    assert main.main(["usage", *flags, "--open", "--at", at, "--label", "tenant=b"], standalone_mode=False) == 0
    assert capfd.readouterr().out.splitlines()[-1].startswith("0 open at ")
