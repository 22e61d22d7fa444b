"""Exports out of a real record topic to a real receiver: ranges, positions, following, and a kill in mid-run."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.settings import Settings
from pipeline.testing.topic import append
from tests.kafka import forget
from tests.receiver import SECONDS, SILENT, Receiver, Reply, attributes, receiving

pytestmark = pytest.mark.usefixtures("ledger_topics")

EXAMPLE: Final = Path(__file__).parents[2] / "schemas/examples/chat.completion/tool-call.accumulated.json"
TRACEPARENT: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def server() -> Iterator[Receiver]:
    """A receiver."""
    with receiving() as server:
        yield server


def names(begin: int, end: int) -> list[str]:
    """Request ids."""
    return [f"r{number:03}" for number in range(begin, end)]


def put(settings: Settings, ids: Iterable[str], **changes: Any) -> None:
    """Records to the record topic, one after the other in turn to its two partitions."""
    record = json.loads(EXAMPLE.read_bytes()) | changes

    trace = [("traceparent", TRACEPARENT.encode())]
    values = {request_id: json.dumps(record | {"request_id": request_id}).encode() for request_id in ids}
    messages = [(name.encode(), value, number % 2, trace) for number, (name, value) in enumerate(values.items())]
    asyncio.run(append(settings, settings.record_topic, messages))


def environment(settings: Settings) -> dict[str, str]:
    """The ledger by variables."""
    told = ("bootstrap_servers", "ledger", "record_topic")
    return os.environ | {f"STREAMLEDGER_{name.upper()}": str(getattr(settings, name)) for name in told}


@contextmanager
def exporting(settings: Settings, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command as a process of its own, dead at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "export", *arguments],
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def export(settings: Settings, *arguments: str) -> tuple[int, str, str]:
    """The command from its start to its end: status, output, errors."""
    result = CliRunner().invoke(main, ["export", *arguments], env=environment(settings))
    return result.exit_code, result.stdout, result.stderr


def test_a_range_is_exported_with_its_trace_contexts(settings: Settings) -> None:
    """Partition by partition; the header of a record is the extension of its event."""
    put(settings, names(0, 10))
    status, out, err = export(settings, "cloudevents", "--partitions", "1", "--from", "1", "--to", "4")
    events = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (0, "")
    assert [event["id"] for event in events] == ["r003", "r005", "r007"]
    assert {event["traceparent"] for event in events} == {TRACEPARENT}
    assert {event["source"] for event in events} == {f"streamledger/{settings.ledger}/{settings.record_topic}"}


def test_costs_come_out_of_the_topic(settings: Settings) -> None:
    """The same rows as out of a file."""
    put(settings, names(0, 4))
    status, out, _ = export(settings, "focus", "--by", "day")
    header, row = out.splitlines()
    assert (status, row.split(",")[0]) == (0, "0.00157")
    assert header.startswith("BilledCost,")


def test_positions_say_where_the_next_run_begins(settings: Settings, server: Receiver, tmp_path: Path) -> None:
    """Nothing twice, nothing left out; another receiver has a file of its own."""
    command = ("otlp", "--url", server.url, "--positions", str(tmp_path / "positions.json"), "--batch", "3")
    put(settings, names(0, 10))
    assert export(settings, *command)[:2] == (0, f"10 events sent to {server.url}/v1/logs, 0 refused\n")
    put(settings, names(10, 14))
    assert export(settings, *command)[:2] == (0, f"4 events sent to {server.url}/v1/logs, 0 refused\n")
    assert sorted(server.taken) == names(0, 14)
    log = server.events["r003"]
    assert (log.trace_id.hex(), attributes(log)["streamledger.cost.total"]) == (TRACEPARENT[3:35], "0.0003925")
    asyncio.run(forget(settings, settings.record_topic, 0, 7))
    assert export(settings, *command)[0] == 0
    put(settings, names(14, 18))
    asyncio.run(forget(settings, settings.record_topic, 1, 8))
    status, _, err = export(settings, *command)
    assert status == 1
    assert "the position 7 is not kept" in err
    for other in ((*command[:2], f"{server.url}/other", *command[3:]), (*command, "--label", "tenant=acme")):
        status, _, err = export(settings, *other)
        assert status == 2
        assert "positions of another export" in err


def test_what_comes_is_followed_until_it_is_told_to_stop(settings: Settings, server: Receiver, tmp_path: Path) -> None:
    """SIGTERM is its ordinary end; the next one goes on where it was."""
    command = ("cloudevents", "--url", server.url, "--positions", str(tmp_path / "positions.json"), "--follow")
    put(settings, names(0, 4))
    with exporting(settings, *command) as process:
        server.wait_for(4)
        put(settings, names(4, 8))
        server.wait_for(8)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=SECONDS)
        assert (process.returncode, err) == (0, "")
        assert out == f"8 events sent to {server.url}, 0 refused\n"
    put(settings, names(8, 12))
    with exporting(settings, *command):
        server.wait_for(12)
    assert sorted(server.events) == names(0, 12)


def test_a_kill_in_mid_run_makes_repeats_and_no_more(settings: Settings, server: Receiver, tmp_path: Path) -> None:
    """SIGKILL after a batch was taken and before that was known: the next run sends it again under the same ids."""
    command = ("cloudevents", "--url", server.url, "--positions", str(tmp_path / "positions.json"), "--batch", "10")
    put(settings, names(0, 200))
    server.script.extend([*[Reply(204)] * 12, SILENT])
    with exporting(settings, *command) as process:
        server.wait_for(130)
        process.kill()
        process.communicate(timeout=SECONDS)
    assert len(server.taken) == 130
    assert export(settings, *command)[:2] == (0, f"80 events sent to {server.url}, 0 refused\n")
    assert sorted(server.events) == names(0, 200)
    assert len(server.taken) == 210


def test_kafka_that_does_not_answer_is_exit_3(settings: Settings) -> None:
    """As of every command."""
    away = settings.model_copy(update={"bootstrap_servers": "127.0.0.1:9"})
    assert export(away, "cloudevents")[0] == 3


def test_something_else_on_the_topic_is_told_by_its_offset(settings: Settings) -> None:
    """Not skipped, and not shown."""
    put(settings, names(0, 2), revision="one")
    status, out, err = export(settings, "cloudevents")
    assert (status, out) == (1, "")
    assert "no record: revision" in err
    assert "offset 0" in err
