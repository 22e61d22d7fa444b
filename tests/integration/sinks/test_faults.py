"""What dies: the sink in mid-batch, the database, Kafka, one of two sinks. The table equals the topic afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import threading
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import duckdb
import psycopg
import pytest
from aiokafka import AIOKafkaProducer

from pipeline.ops import postgres
from pipeline.ops.broker import Cluster
from pipeline.settings import Settings, client
from pipeline.testing.ledger import ledger_settings
from pipeline.topics.admin import create, definitions
from tests.integration.sinks.process import SECONDS, Command, command, start, until
from tests.integration.sinks.topic import encoded, fill, held, record, rows, wanted

pytestmark = pytest.mark.usefixtures("ledger_topics")

KILLS = 20


def test_twenty_kills_in_mid_batch_lose_and_double_nothing(settings: Settings, db: str) -> None:
    """SIGKILL before a call of the database that is drawn: between BEGIN and COMMIT, or beside; migration included."""
    draw = random.Random(7)
    fill(settings, range(4_000))
    for _ in range(KILLS):
        process = start(settings, db, calls=draw.randrange(40), once=True, batch=50, flush_ms=10, content=True)
        process.join(SECONDS)
        assert process.exitcode == -signal.SIGKILL
    left = start(settings, db, once=True, content=True)
    left.join(SECONDS)
    assert left.exitcode == 0
    assert held(db) == wanted(range(4_000))
    assert rows(db, "SELECT count(*) FROM contents") == [(4_000,)]
    assert rows(db, "SELECT count(*) FROM conflicts") == rows(db, "SELECT count(*) FROM rejects") == [(0,)]
    assert rows(db, "SELECT partition, next_offset FROM positions ORDER BY 1") == [(0, 2_000), (1, 2_000)]


def test_a_restart_of_the_database_is_waited_for(settings: Settings, tmp_path: Path) -> None:
    """One line, no loss, no double; and SIGTERM ends it within 10 s with the sum of both halves."""
    with postgres.server() as server:
        db = server.create()
        with command(settings, db, tmp_path / "log", "--batch", "20", "--flush", "10ms") as sink:
            fill(settings, range(300))
            until(
                lambda: rows(db, "SELECT count(*) FROM pg_tables WHERE tablename = 'records'")[0][0] == 1,
                "tables",
                [sink],
            )
            until(lambda: rows(db, "SELECT count(*) FROM records")[0][0] > 100, "rows", [sink])
            server.stop(signal.SIGQUIT)
            fill(settings, range(300, 600))
            until(lambda: len(sink.events("waiting")) > 0, "its line", [sink])
            server.start()
            until(lambda: rows(db, "SELECT count(*) FROM records")[0][0] == 600, "all rows", [sink])
            assert held(db) == wanted(range(600))
            assert len(sink.events("going on")) == 1
            code, summary, seconds = sink.terminate()
        assert (code, summary["repeats"], summary["conflicts"]) == (0, 0, 0)
        assert seconds < 10


def test_a_database_that_hangs_does_not_keep_the_sink(settings: Settings, postgres: str, tmp_path: Path) -> None:
    """SIGTERM ends it within 10 s, what it could not write is written by the next."""
    fill(settings, range(10))
    with command(settings, postgres, tmp_path / "log", "--once") as sink:
        assert sink.end()[0] == 0
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with psycopg.connect(postgres) as connection:
        connection.execute("LOCK TABLE records IN ACCESS EXCLUSIVE MODE")
        with command(settings, postgres, tmp_path / "log", "--flush", "10ms") as sink:
            fill(settings, range(10, 20))
            until(lambda: rows(postgres, waiting)[0][0] > 0, "that it hangs", [sink])
            code, summary, seconds = sink.terminate()
    assert (code, summary["rows"]) == (0, 0)
    assert seconds < 10
    with command(settings, postgres, tmp_path / "log", "--once") as sink:
        assert sink.end()[1]["rows"] == 10
    assert held(postgres) == wanted(range(20))


def test_a_sink_lets_go_of_a_file_that_it_does_not_write_to(settings: Settings, tmp_path: Path) -> None:
    """Readers come in between while it runs, and it goes on after them."""
    db = str(tmp_path / "l.duckdb")
    with command(settings, db, tmp_path / "log", "--flush", "10ms") as sink:
        fill(settings, range(10))
        until(Path(db).is_file, "a file", [sink])
        until(lambda: len(held(db)) == 10, "rows", [sink])
        fill(settings, range(10, 20))
        until(lambda: len(held(db)) == 20, "more rows", [sink])
        code, summary, _ = sink.terminate()
    assert (code, summary["rows"]) == (0, 20)


def test_records_that_trickle_in_leave_gaps_for_readers(settings: Settings, tmp_path: Path) -> None:
    """However steadily they come, nobody has to wait for an end of them."""
    db, done = str(tmp_path / "l.duckdb"), threading.Event()

    async def trickle() -> None:
        producer = AIOKafkaProducer(**client(settings))
        await producer.start()
        number = 0
        while not done.is_set():
            await producer.send_and_wait(settings.record_topic, encoded(record(number)), partition=number % 2)
            number += 1
            await asyncio.sleep(0.05)
        await producer.stop()

    feeder = threading.Thread(target=lambda: asyncio.run(trickle()))
    with command(settings, db, tmp_path / "log", "--flush", "500ms") as sink:
        feeder.start()
        try:
            seen = [0]
            while len(seen) < 5:
                until(lambda: _rows(db) > seen[-1], "more rows", [sink])
                seen.append(_rows(db))
        finally:
            done.set()
            feeder.join()
        assert sink.terminate()[0] == 0


def test_a_file_that_another_process_holds_is_waited_for(settings: Settings, tmp_path: Path) -> None:
    """With a line that says so; `--once` too."""
    db = str(tmp_path / "l.duckdb")
    fill(settings, range(10))
    connection = duckdb.connect(db)
    with contextlib.closing(connection), command(settings, db, tmp_path / "log", "--once") as sink:
        until(lambda: len(sink.events("waiting")) > 0, "its line", [sink])
        assert "held open by another process" in sink.events("waiting")[0]["reason"]
        connection.close()
        code, summary = sink.end()
    assert (code, summary["rows"]) == (0, 10)


def test_of_two_sinks_at_once_each_record_is_written_by_one(settings: Settings, db: str, tmp_path: Path) -> None:
    """Whoever finds that the other has written ends and says so; the one that is left writes the rest."""
    fill(settings, range(20))
    options = ("--batch", "10", "--flush", "10ms", "--log-format", "json")
    with command(settings, db, tmp_path / "a", *options) as one, command(settings, db, tmp_path / "b", *options) as two:
        sinks = [one, two]
        until(lambda: _rows(db) == 20, "the first rows")
        sent = 20
        while not _ended(sinks):
            assert sent < 600
            fill(settings, range(sent, sent + 20))
            sent += 20
            until(partial(_ended_or_written, sinks, db, sent), "rows")
        loser, winner = (one, two) if one.process.poll() is not None else (two, one)
        assert loser.end()[0] == 1
        assert "somebody else has written to the database" in loser.text()
        until(lambda: _rows(db) == sent, "the rest", [winner])
        code, summary, _ = winner.terminate()
    assert (code, summary["repeats"], summary["conflicts"]) == (0, 0, 0)
    assert held(db) == wanted(range(sent))


def _ended(sinks: Iterable[Command]) -> bool:
    return any(sink.process.poll() is not None for sink in sinks)


def _ended_or_written(sinks: Iterable[Command], db: str, count: int) -> bool:
    return _ended(sinks) or _rows(db) == count


def _rows(db: str) -> int:
    if "://" not in db and not Path(db).is_file():
        return 0
    tables = rows(db, "SELECT count(*) FROM information_schema.tables WHERE table_name = 'records'")
    return int(rows(db, "SELECT count(*) FROM records")[0][0]) if tables[0][0] else 0


def test_kafka_that_goes_and_comes_back_is_waited_for(tmp_path: Path) -> None:
    """One line; what it has afterwards is written as if nothing had been."""
    with Cluster(tmp_path / "kafka") as cluster:
        settings = ledger_settings(cluster.bootstrap_servers, "outage", tmp_path / "data")
        asyncio.run(create(client(settings), definitions(settings)))
        fill(settings, range(50))
        db = str(tmp_path / "l.duckdb")
        with command(settings, db, tmp_path / "log", "--flush", "10ms") as sink:
            until(lambda: _rows(db) == 50, "rows", [sink])
            cluster.nodes[0].kill()
            until(lambda: len(sink.events("waiting")) > 0, "its line", [sink])
            cluster.nodes[0].start()
            fill(settings, range(50, 100))
            until(lambda: _rows(db) == 100, "the rest", [sink])
            assert len(sink.events("going on")) == 1
            code, summary, _ = sink.terminate()
    assert (code, summary["rows"], summary["repeats"]) == (0, 100, 0)


def test_a_kafka_that_was_never_there_ends_it(settings: Settings, tmp_path: Path) -> None:
    """A wrong address is exit 3; nobody waits for it."""
    nowhere = settings.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    with command(nowhere, str(tmp_path / "l.duckdb"), tmp_path / "log", "--once") as sink:
        code, _ = sink.end()
    assert code == 3
    assert "no Kafka answers at 127.0.0.1:1" in sink.text()
