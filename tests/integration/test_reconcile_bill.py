"""Records of a real topic against a database and against usage files."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline.ops.fold import fold_lines
from pipeline.ops.reconcile import bill, sink
from pipeline.ops.reconcile.finding import Cause, Kind, Result, State
from pipeline.ops.reconcile.ledger import Request
from pipeline.ops.reconcile.usage_file import UsageFile
from pipeline.pricing import valuation
from pipeline.settings import Settings
from pipeline.sinks.line import row_of
from pipeline.sinks.row import COLUMNS
from pipeline.sinks.row import Kind as Holds
from pipeline.testing.chunk import Document, chat, encoded, marker, usage
from pipeline.topics.selection import Selection
from tests.kafka import put

TYPES = {
    Holds.TEXT: "VARCHAR",
    Holds.COUNT: "BIGINT",
    Holds.FLAG: "BOOLEAN",
    Holds.INSTANT: "TIMESTAMP",
    Holds.USD: "DECIMAL(38,18)",
    Holds.RATE: "DOUBLE",
    Holds.DOCUMENT: "JSON",
}
CACHED = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
CACHED |= {"prompt_tokens_details": {"cached_tokens": 40}}  # type: ignore[dict-item]


def request(request_id: str, **last: Any) -> list[Document]:
    """A finished chat stream with a provider's id."""
    who: dict[str, Any] = {
        "request_id": request_id,
        "provider": "openai",
        "model": "gpt-4o",
        "labels": {"team": request_id[:1]},
    }
    first = chat(0, "a", finish="stop", **who)
    first["response"]["id"] = f"chatcmpl-{request_id}"
    counts = last.pop("counts", None)
    end = marker(1, **who) if counts is None else usage(1, counts, is_final=True, **who)
    return [first, end | last]


def chunks() -> list[Document]:
    """Requests by every way to have a cost; one is cut."""
    return [
        *request("a-stated", cost=0.5, counts=CACHED),
        *request("a-listed", counts=CACHED),
        *request("b-plain", cost=0.25),
        *request("b-unpriced"),
        chat(0, "x", request_id="b-cut", provider="openai", model="gpt-4o", cost=0.125),
    ]


@pytest.fixture
def records(settings: Settings, ledger_topics: object) -> list[Document]:
    """Their records, on the topic too, each in the partition of its first letter."""
    assert ledger_topics
    made = [
        json.loads(each)
        for each in fold_lines([encoded(each) for each in chunks()], settings.policy(), valuation(settings))
        if isinstance(each, bytes)
    ]
    keyed = [(record["request_id"].encode(), json.dumps(record).encode()) for record in made]
    put(settings, settings.record_topic, [(key, value, key[0] - ord("a")) for key, value in keyed])
    return made


def table(path: Path, records: Iterable[Mapping[str, Any]], topic: str, *, positions: Sequence[int] = ()) -> str:
    """A database with a row for each record, as a sink makes it."""
    columns = ", ".join(f"{column.name} {TYPES[column.kind]}" for column in COLUMNS)
    offsets = {0: 0, 1: 0}
    with duckdb.connect(str(path)) as database:
        database.execute(
            f"CREATE TABLE records ({columns}, record_topic VARCHAR, record_partition BIGINT, record_offset BIGINT)"
        )
        for record in records:
            number = ord(record["request_id"][0]) - ord("a")
            row = (*row_of(json.dumps(record).encode()), topic, number, record.get("offset", offsets[number]))
            database.execute(f"INSERT INTO records VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 (marks)
            offsets[number] += 1
        if positions:
            database.execute("CREATE TABLE positions (topic VARCHAR, partition BIGINT, next_offset BIGINT)")
            for number, offset in enumerate(positions):
                database.execute("INSERT INTO positions VALUES (?, ?, ?)", (topic, number, offset))
    return str(path)


def asked(**changes: Any) -> Request:
    """All of the records, as of now."""
    return replace(Request(Selection(), int(time.time() * 1_000), 0), **changes)


def held(settings: Settings, db: str, **changes: Any) -> Result:
    """Records against a database."""
    return asyncio.run(sink.reconcile(settings, db, asked(**changes), lambda _: None))


def billed(settings: Settings, path: Path, preset: str = "plain", *columns: str, db: str | None = None) -> Result:
    """Records against a usage file."""
    file = UsageFile.of(path, preset, columns)
    return asyncio.run(bill.reconcile(settings, file, asked(), lambda _: None, db=db))


def told(result: Result) -> set[tuple[str, str | None, str]]:
    """Class, name and cause of each finding."""
    return {(each.kind.value, each.request_id, each.cause.value) for each in result.listed}


def test_a_database_that_has_it_all_is_equal(settings: Settings, records: list[Document], tmp_path: Path) -> None:
    """Every column of every row; what is billed is the sum of the records."""
    result = held(settings, table(tmp_path / "db", records, settings.record_topic))

    assert not result.found, result.listed
    assert result.states[State.OK] == len(records) == 5
    assert result.usd == sum(Decimal(each["cost_details"]["total"]) for each in records if each["cost"] is not None)


def test_rows_lost_doubled_altered_mispriced_and_foreign_are_told(
    settings: Settings, records: list[Document], tmp_path: Path
) -> None:
    """Each of them and nothing else; with their money."""
    by_id = {each["request_id"]: each for each in records}
    dear = json.loads(json.dumps(by_id["a-listed"]))
    dear["cost_details"]["total"] = "9"
    altered = json.loads(json.dumps(by_id["b-plain"])) | {"chunk_count": 7}
    stranger = json.loads(json.dumps(by_id["a-stated"])) | {"request_id": "a-stranger", "record_id": "x", "offset": 1}
    rows = [by_id["a-stated"], by_id["a-stated"], dear, stranger, altered, by_id["b-cut"]]

    result = held(settings, table(tmp_path / "db", rows, settings.record_topic))

    assert told(result) == {
        ("duplicate", "a-stated", "duplicates"),
        ("mispriced", "a-listed", "other"),
        ("different", "a-stranger", "other"),
        ("different", "b-plain", "other"),
        ("missing", "b-unpriced", "other"),
    }
    assert result.bar[Cause.DUPLICATES].usd == Decimal("0.5")


def test_a_record_that_no_row_can_hold_is_missing(settings: Settings, records: list[Document], tmp_path: Path) -> None:
    """The sink has it among its rejects; whoever compares must not take that for equal."""
    odd = records[0] | {"request_id": "a-odd", "record_id": "odd", "chunk_count": "two"}
    put(settings, settings.record_topic, [(b"a-odd", json.dumps(odd).encode(), 0), (b"a", b"no record", 0)])

    result = held(settings, table(tmp_path / "db", records, settings.record_topic))

    assert told(result) == {("missing", "a-odd", "other")}


def test_a_sink_that_is_behind_has_lost_nothing(settings: Settings, records: list[Document], tmp_path: Path) -> None:
    """Records beyond its position are open; before it they are missing."""
    some = [each for each in records if each["request_id"] == "a-stated"]
    db = table(tmp_path / "db", some, settings.record_topic, positions=(2, 0))

    result = held(settings, db)

    assert told(result) == {("missing", "a-listed", "other")}
    assert (result.states[State.OK], result.states[State.OPEN]) == (1, 3)


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A CSV file with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def spend(record: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A row as LiteLLM writes it: its request_id is the id of the response."""
    counts = record["token_usage"] or {}
    return {
        "request_id": (record["origin"] or {}).get("response_id") or record["request_id"],
        "model": record["model"],
        "startTime": "2026-01-01 00:00:00",
        "prompt_tokens": counts.get("prompt_tokens", 0),
        "completion_tokens": counts.get("completion_tokens", 0),
        "total_tokens": counts.get("total_tokens", 0),
        "spend": record["cost"] or 0,
    } | changes


@pytest.mark.parametrize("source", ["topic", "database"])
def test_litellm_spend_is_joined_by_response_id(
    settings: Settings, records: list[Document], tmp_path: Path, source: str
) -> None:
    """Equal rows are equal; each way to differ is told with its cause and its money."""
    db = table(tmp_path / "db", records, settings.record_topic) if source == "database" else None
    by_id = {each["request_id"]: each for each in records}
    equal = write_csv(tmp_path / "equal.csv", [spend(each, spend=each["cost"]) for each in records])
    rows = [
        spend(by_id["a-stated"], prompt_tokens=60),
        spend(by_id["a-listed"], spend=0),
        spend(by_id["b-cut"], spend=0.0625),
        spend(by_id["b-plain"]),
        spend(by_id["b-plain"]),
        spend(by_id["b-plain"], request_id="nobody", spend=2),
    ]

    assert not billed(settings, equal, "litellm", db=db).found
    result = billed(settings, write_csv(tmp_path / "spend.csv", rows), "litellm", db=db)

    assert told(result) == {
        ("different", "a-stated", "cached tokens"),
        ("mispriced", "a-listed", "unpriced"),
        ("mispriced", "b-cut", "cut streams"),
        ("duplicate", "chatcmpl-b-plain", "duplicates"),
        ("missing", "nobody", "other"),
        ("missing", "b-unpriced", "other"),
    }
    assert result.bar[Cause.CUT_STREAMS].usd == Decimal("0.0625")
    assert result.bar[Cause.DUPLICATES].usd == Decimal("-0.25")
    assert result.bar[Cause.OTHER].usd == Decimal(-2)


def test_a_gateways_log_is_joined_by_request_id(settings: Settings, records: list[Document], tmp_path: Path) -> None:
    """Bifrost's answer of /api/logs; the cached tokens of its details are looked at too."""
    logs = [
        {"id": each["request_id"], "model": each["model"], "timestamp": "2026-01-01T00:00:00Z"}
        | {"token_usage": each["token_usage"], "cost": each["cost"]}
        for each in records
    ]
    path = tmp_path / "logs.json"
    path.write_text(json.dumps({"logs": logs}), encoding="utf-8")
    assert not billed(settings, path, "bifrost").found

    logs[0]["token_usage"] = json.loads(json.dumps(logs[0]["token_usage"]))
    logs[0]["token_usage"]["prompt_tokens_details"] = {"cached_tokens": 0}
    path.write_text(json.dumps({"logs": logs}), encoding="utf-8")
    assert told(billed(settings, path, "bifrost")) == {("different", "a-stated", "cached tokens")}


@pytest.mark.usefixtures("records")
def test_totals_of_a_provider_are_held_by_day_and_model(settings: Settings, tmp_path: Path) -> None:
    """OpenAI's usage buckets have no ids: requests and tokens of a day are compared."""
    total = {"input_tokens": 200, "output_tokens": 20, "input_cached_tokens": 80, "num_model_requests": 5}
    path = tmp_path / "usage.json"

    def write(**changes: Any) -> Path:
        results = [{"model": "gpt-4o", **total, **changes}]
        buckets = [{"object": "bucket", "start_time": 1_767_225_600, "results": results}]
        path.write_text(json.dumps({"object": "page", "data": buckets}), encoding="utf-8")
        return path

    assert not billed(settings, write(), "openai").found
    result = billed(settings, write(input_tokens=203), "openai")

    (finding,) = result.listed
    assert (finding.kind, finding.request_id, finding.tokens) == (Kind.DIFFERENT, "2026-01-01 gpt-4o", -3)
    assert [tuple(each) for each in finding.differences] == [("prompt_tokens", 203, 200)]


def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The whole program."""
    names = ("bootstrap_servers", "ledger", "chunk_topic", "record_topic", "dead_topic")
    variables = {f"STREAMLEDGER_{name.upper()}": str(getattr(settings, name)) for name in names}
    words = [sys.executable, "-m", "pipeline", "reconcile", *arguments]
    return subprocess.run(words, env=os.environ | variables, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_prints_a_table_or_json_and_exits_1(
    settings: Settings, records: list[Document], tmp_path: Path
) -> None:
    """The same figures in both; the money bar stands below."""
    db = table(tmp_path / "db", records[1:], settings.record_topic)
    shown, said = command(settings, "--db", db), command(settings, "--db", db, "--json")
    wrong = command(settings, "--state", str(tmp_path / "s"))

    assert (shown.returncode, said.returncode, wrong.returncode) == (1, 1, 2), shown.stderr + said.stderr
    document = json.loads(said.stdout)
    assert document["findings"] == {"missing": 1, "duplicate": 0, "different": 0, "mispriced": 0}
    assert document["listed"][0]["request_id"] == records[0]["request_id"]
    assert records[0]["request_id"] in shown.stdout
    assert "billed" in shown.stdout
    assert "--state is of --follow" in wrong.stderr
