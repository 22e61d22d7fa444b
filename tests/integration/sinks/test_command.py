"""`streamledger sink` as a person runs it: exit status, summary, what is never printed; and a topic that grows."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from pipeline.settings import Settings, client
from pipeline.sinks.flow import Desk, Flow, Grown
from pipeline.sinks.plan import Plan, Summary
from pipeline.sinks.stop import Stop
from pipeline.sinks.store import Store
from pipeline.sinks.telemetry import Telemetry
from pipeline.topics.reader import Seen
from pipeline.topics.tail import following
from tests.integration.metrics import reasons, scraped
from tests.integration.sinks.process import ROOT, SECONDS, command, until
from tests.integration.sinks.topic import encoded, fill, held, record, rows, send, wanted

pytestmark = pytest.mark.usefixtures("ledger_topics")


def test_a_contradiction_is_exit_1_and_told(settings: Settings, db: str, tmp_path: Path) -> None:
    """Once: the next run has nothing to complain about."""
    send(settings, [(0, encoded(record(1))), (1, encoded(record(1, status="error"))), (0, b"{}")])
    with command(settings, db, tmp_path / "log", "--once") as sink:
        code, summary = sink.end()
    assert code == 1
    counts = {"rows": 1, "repeats": 0, "conflicts": 1, "rejects": 1, "split": 1, "positions": {"0": 2, "1": 1}}
    assert counts.items() <= summary.items()
    assert len(sink.events("a record differs from the one of the same id")) == 1
    assert len(sink.events("a request is on two partitions")) == 1
    assert len(sink.events("no record")) == 1
    with command(settings, db, tmp_path / "log", "--once") as sink:
        assert sink.end()[0] == 0


def test_the_file_is_by_default_in_data_dir_under_the_name_of_the_ledger(settings: Settings, tmp_path: Path) -> None:
    """And the summary is a sentence; days that were exported are counted."""
    fill(settings, range(10))
    options = ["--bootstrap-servers", settings.bootstrap_servers, "--record-topic", settings.record_topic]
    options += ["--data-dir", str(tmp_path / "data"), "--ledger", "mine", "--parquet", str(tmp_path / "out")]
    program = [sys.executable, "-m", "pipeline", "sink", "duckdb", "--once", *options]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS)
    file = tmp_path / "data" / "mine.duckdb"
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"10 rows written to {file} in ")
    assert f"{len(list((tmp_path / 'out').glob('day=*/records.parquet')))} days exported" in done.stdout
    assert not done.stderr
    assert held(str(file)) == wanted(range(10))


def test_a_sink_shows_its_rows_and_that_it_is_not_behind(settings: Settings, tmp_path: Path) -> None:
    """Over HTTP, while it follows the topic; told to stop it ends as ever."""
    fill(settings, range(10))
    with command(settings, str(tmp_path / "l.duckdb"), tmp_path / "log", "--metrics-address", ":0") as sink:
        until(lambda: bool(sink.events("metrics")), "the port", [sink])
        url = sink.events("metrics")[0]["url"].removesuffix("/metrics")
        seen = scraped(url, lambda seen: seen["sink_rows_total"] == 10 and seen["sink_ready"] == 1)
        assert seen.by("sink_rejects_total") == {}
        assert (seen["sink_lag_offsets"], seen["sink_commit_age_seconds"]) == (0, 0)
        send(settings, [(0, b"{}")])
        assert scraped(url, lambda seen: seen["sink_rejects_total"] == 1).by("sink_rejects_total") == {("duckdb",): 1}
        assert (reasons(url), reasons(url, "live")) == ([], [])
        assert sink.terminate()[0] == 1  # a record was refused


def test_a_password_in_the_url_is_printed_nowhere(settings: Settings, postgres: str, tmp_path: Path) -> None:
    """Neither in the summary nor in what is said when it goes wrong."""
    fill(settings, range(2))
    url = postgres.replace("postgres@", "postgres:topsecret@")
    for db, status in ((url, 0), (url.replace("?host=", "?host=/nowhere"), 1)):
        with command(settings, db, tmp_path / "log", "--once") as sink:
            code, summary = sink.end()
        assert code == status
        assert "topsecret" not in str(summary) + sink.text()
    assert rows(url, "SELECT count(*) FROM records") == [(2,)]


def test_new_partitions_are_noticed(settings: Settings, tmp_path: Path) -> None:
    """What was read is written; then the sink opens the topic anew, with all of it."""

    async def run() -> None:
        desk = Desk(
            topic=settings.record_topic,
            plan=Plan(str(tmp_path / "l.duckdb")),
            store=Store(str(tmp_path / "l.duckdb"), settings.record_topic),
            thread=ThreadPoolExecutor(1),
            stop=Stop(),
            summary=Summary(),
            progress=_ignored,
            well=lambda: None,
            telemetry=Telemetry("l.duckdb", Summary(), Stop()),
        )
        await desk.database(desk.store.positions)
        async with following(settings, desk.topic, {}) as tail:
            admin = AIOKafkaAdminClient(**client(settings))
            await admin.start()
            await admin.create_partitions({desk.topic: NewPartitions(3)})
            await admin.close()
            assert tail.count() == 2
            flow = asyncio.ensure_future(Flow(desk, tail, {}, {}).run())
            while not flow.done():
                await tail._consumer._client.force_metadata_update()
                await asyncio.wait((flow,), timeout=0.1)
            with pytest.raises(Grown):
                await flow
            assert tail.count() == 3
        await desk.database(desk.store.release)
        desk.thread.shutdown()

    fill(settings, range(10))
    asyncio.run(asyncio.wait_for(run(), SECONDS))
    assert held(str(tmp_path / "l.duckdb")) == wanted(range(10))


def _ignored(_: Seen) -> None:
    pass
