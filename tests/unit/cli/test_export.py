"""`streamledger export`: out of files, to files and to a receiver."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.receiver import Receiver, Reply, receiving
from tests.unit.cli.conftest import Invoke

EXAMPLES = sorted((Path(__file__).parents[3] / "schemas/examples").rglob("*.accumulated.json"))
RECORDS = b"".join(json.dumps(json.loads(path.read_bytes())).encode() + b"\n" for path in EXAMPLES)


@pytest.fixture
def records(tmp_path: Path) -> str:
    """A file of all examples."""
    path = tmp_path / "records.jsonl"
    path.write_bytes(RECORDS)
    return str(path)


@pytest.fixture
def server() -> Iterator[Receiver]:
    """A receiver."""
    with receiving() as server:
        yield server


def lines(text: str) -> list[dict[str, Any]]:
    """JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def test_events_go_to_standard_output_and_nothing_else_does(invoke: Invoke, records: str) -> None:
    """So that a pipe has events only."""
    for export in ("cloudevents", "otlp"):
        result = invoke("export", export, records)
        assert (result.exit_code, len(lines(result.stdout)), result.stderr) == (0, len(EXAMPLES), "")


def test_records_come_from_standard_input_and_are_chosen(invoke: Invoke) -> None:
    """By request id and by label; the subject is whatever label is named."""
    arguments = ("export", "cloudevents", "-", "--subject", "label.key", "--cluster", "eu", "--label", "tenant=acme")
    result = invoke(*arguments, stdin=RECORDS)
    (event,) = lines(result.stdout)
    assert (event["subject"], event["source"]) == ("vk-search", "streamledger/eu/llm.accumulated")
    assert invoke("export", "cloudevents", "-", "--request-id", "nobody", stdin=RECORDS).stdout == ""


def test_a_file_is_written_with_a_summary(invoke: Invoke, records: str, tmp_path: Path) -> None:
    """In words, or as JSON."""
    out = tmp_path / "events.jsonl"
    result = invoke("export", "otlp", records, "--out", str(out))
    assert result.stdout == f"{len(EXAMPLES)} events written to {out}\n"
    assert len(lines(out.read_text(encoding="utf-8"))) == len(EXAMPLES)
    result = invoke("export", "otlp", records, "--out", str(out), "--json")
    assert json.loads(result.stdout) == {"written": len(EXAMPLES), "out": str(out)}


def test_content_only_where_it_is_asked_for(invoke: Invoke, records: str) -> None:
    """The same command with and without it."""
    assert "Let me look." not in invoke("export", "otlp", records).stdout
    assert "Let me look." in invoke("export", "otlp", records, "--content").stdout


def _path(options: tuple[str, ...]) -> str:
    """Where the receiver is asked at an address that is a host alone."""
    if options[0] != "otlp":
        return ""
    return "/v1/traces" if "--spans" in options else "/v1/logs"


@pytest.mark.parametrize("options", [("cloudevents",), ("otlp",), ("otlp", "--encoding", "json"), ("otlp", "--spans")])
def test_a_receiver_gets_everything(
    invoke: Invoke, records: str, server: Receiver, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    """With headers, and a token that stands in no command line."""
    monkeypatch.setenv("METER_TOKEN", "s3cret")
    url = ("--url", server.url, "--header", "X-Org=acme", "--token-env", "METER_TOKEN", "--batch", "5")
    result = invoke("export", *options, records, *url, "--json")
    expected = f"{server.url}{_path(options)}"
    assert json.loads(result.stdout) == {"sent": len(EXAMPLES), "refused": 0, "to": expected}
    assert len(server.events) == len(EXAMPLES)
    assert {(sent["X-Org"], sent["Authorization"]) for _, _, sent, _ in server.requests} == {("acme", "Bearer s3cret")}
    assert len(server.requests) == 3
    assert "s3cret" not in result.output


def test_what_is_refused_becomes_a_dead_letter_and_exit_1(
    invoke: Invoke, records: str, server: Receiver, tmp_path: Path
) -> None:
    """The rest arrives; a second run adds its own."""
    server.refuses.add("b8f0c1d2-weather")
    dead = tmp_path / "dead.jsonl"
    for runs in (1, 2):
        result = invoke("export", "cloudevents", records, "--url", server.url, "--dead-letters", str(dead))
        assert (result.exit_code, result.stdout) == (1, f"13 events sent to {server.url}, 1 refused\n")
        found = lines(dead.read_text(encoding="utf-8"))
        assert [(letter["id"], letter["status"]) for letter in found] == [("b8f0c1d2-weather", 400)] * runs
    result = invoke("export", "cloudevents", records, "--url", server.url)
    assert result.exit_code == 1
    assert "--dead-letters FILE keeps" in result.stderr


def test_a_receiver_that_stays_ill_is_exit_1(invoke: Invoke, records: str, server: Receiver) -> None:
    """After the time that it is given; one line says that it is waited for, the last one what to do."""
    server.script.extend([Reply(503)] * 99)
    result = invoke("export", "cloudevents", records, "--url", server.url, "--give-up-after", "300ms")
    assert result.exit_code == 1
    waiting, told = result.stderr.splitlines()
    assert '"event": "waiting"' in waiting
    assert "run again when it is well" in told


def test_costs_are_rows_in_files_of_both_kinds(invoke: Invoke, records: str, tmp_path: Path) -> None:
    """CSV to standard output; Parquet by the file's name; what has no price is counted."""
    note = "note: 5 of 14 records have no price: their costs are null, see x_CostReason\n"
    result = invoke("export", "focus", records)
    found = list(csv.DictReader(io.StringIO(result.stdout)))
    assert (len({row["x_RequestId"] for row in found}), result.stderr) == (len(EXAMPLES), note)
    out = tmp_path / "costs.parquet"
    result = invoke("export", "focus", records, "--by", "day", "--billing-account", "acme", "--out", str(out), "--json")
    assert json.loads(result.stdout) == {"records": 14, "unpriced": 5, "repeats": 0, "to": str(out)}
    with duckdb.connect() as connection:
        query = "SELECT DISTINCT BillingAccountId FROM read_parquet(?)"
        assert connection.execute(query, [str(out)]).fetchall() == [("acme",)]
    assert {path.name for path in tmp_path.iterdir()} == {"records.jsonl", "costs.parquet"}


@pytest.mark.parametrize(("kind", "content_type"), [("csv", "text/csv"), ("parquet", "application/vnd.apache.parquet")])
def test_a_file_of_costs_is_put_to_an_address(
    invoke: Invoke, records: str, server: Receiver, kind: str, content_type: str
) -> None:
    """Whole, and again while the address is not well; a refusal is exit 1."""
    server.script.append(Reply(503))
    result = invoke("export", "focus", records, "--as", kind, "--url", f"{server.url}/bucket/costs")
    assert (result.exit_code, result.stdout) == (0, f"14 records written to {server.url}/bucket/costs\n")
    assert [method for method, _, _, _ in server.requests] == ["PUT", "PUT"]
    assert set(server.events) == {content_type}
    server.script.append(Reply(400))
    result = invoke("export", "focus", records, "--as", kind, "--url", server.url)
    assert (result.exit_code, "status 400" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("cloudevents", "FILE", "--from", "-1h"), "--from is of Kafka"),
        (("otlp", "FILE", "--to", "5"), "--to is of Kafka"),
        (("focus", "FILE", "--partitions", "1"), "--partitions is of Kafka"),
        (("otlp", "FILE", "--follow"), "--follow is of Kafka"),
        (("otlp", "FILE", "--positions", "p"), "--positions is of Kafka"),
        (("otlp", "--follow"), "--follow needs --url and --positions"),
        (("otlp", "FILE", "--dead-letters", "d"), "--dead-letters is of --url"),
        (("otlp", "FILE", "--url", "http://x", "--out", "o"), "two targets"),
        (("otlp", "FILE", "--url", "x"), "no address of HTTP"),
        (("otlp", "FILE", "--url", "http://x", "--give-up-after", "soon"), "--give-up-after soon"),
        (("otlp", "FILE", "--url", "http://x", "--header", "x"), "--header has no value"),
        (("otlp", "FILE", "--url", "http://x", "--header", "x=a\nb"), "--header has no value"),
        (("otlp", "FILE", "--url", "http://x", "--token-env", "NO_SUCH"), "no NO_SUCH"),
        (("cloudevents", "FILE", "--subject", "label."), "names nobody"),
        (("focus", "FILE", "--as", "parquet"), "Parquet needs --out or --url"),
    ],
)
def test_what_makes_no_sense_is_bad_usage(invoke: Invoke, records: str, arguments: tuple[str, ...], text: str) -> None:
    """Before anything is read or sent."""
    result = invoke("export", *(records if word == "FILE" else word for word in arguments))
    assert result.exit_code == 2
    assert text in result.stderr


@pytest.mark.parametrize(
    ("export", "module", "extra"),
    [
        ("cloudevents", "cloudevents.core.v1.event", "export"),
        ("otlp", "opentelemetry.proto.logs.v1.logs_pb2", "export"),
        ("focus", "duckdb", "sinks"),
    ],
)
def test_a_library_that_is_not_installed_is_named(
    invoke: Invoke,
    records: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    export: str,
    module: str,
    extra: str,
) -> None:
    """With the extra that brings it."""
    monkeypatch.setitem(sys.modules, module, None)
    result = invoke("export", export, records, "--out", str(tmp_path / "costs.parquet"))
    assert result.exit_code == 2
    assert f"pip install 'streamledger[{extra}]'" in result.stderr
    assert not (tmp_path / "costs.parquet").exists()
