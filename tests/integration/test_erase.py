"""`streamledger erase` while a worker works: content goes from state and database, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner
from rocksdict import AccessType, Options, Rdict

from pipeline.cli import main
from pipeline.core.erasure import Standing
from pipeline.engine.config import configure
from pipeline.engine.erasure import look
from pipeline.errors import BAD_USAGE, FOUND_PROBLEM, OK
from pipeline.ingest.publish.item import Item
from pipeline.ingest.publish.spool import Spool
from pipeline.ops.spool import items
from pipeline.settings import Settings
from pipeline.sinks.migrations import migrate
from pipeline.sinks.writer import connect
from pipeline.topics.selection import Selection
from tests.billing import fill, record
from tests.billing import planted as planted_in
from tests.integration.canaries import canary, found
from tests.integration.engine.harness import (
    QUICK,
    SECONDS,
    Stream,
    Worker,
    committed,
    expectations,
    interleaved,
    running,
    send,
    streams,
    view,
)

ERASED, SPARED, OPEN = "erased", "spared", "open"
PLANTED: Final = (ERASED, SPARED, OPEN)
NAMED: Final = ("--request-id", f"r-{ERASED}", "--request-id", f"r-{OPEN}")
WEEK: Final = 604_800


def planted(name: str) -> list[tuple[str, bytes]]:
    """Chunks of a request whose text and label carry its name; it ends by its finish, so that it may be revised."""
    stream = Stream(f"r-{name}", (canary(name), " and more"), finished=name != OPEN)
    chunks = [json.loads(stream.chunk(index)) for index in range(len(stream.words))]
    made = [json.dumps(chunk | {"is_final": False, "labels": {"subject": name}}).encode() for chunk in chunks]
    return [(stream.request_id, chunk) for chunk in made]


def late(name: str) -> tuple[str, bytes]:
    """A chunk that comes after the close and would change the record."""
    stream = Stream(f"r-{name}", ("", "", canary(f"{name}-late")))
    chunk = json.loads(stream.chunk(2)) | {"is_final": False, "timestamp": "2026-01-01T00:00:02.000000Z"}
    chunk["response"].pop("usage")
    return stream.request_id, json.dumps(chunk).encode()


def database(settings: Settings) -> str:
    """A database that has content of the planted requests."""
    path = str(settings.data_dir / "records.duckdb")
    with closing(connect(path, threading.Event())) as writer:
        migrate(writer)
        records = [record(f"r-{name}", labels={"subject": name}) for name in PLANTED]
        fill(writer, records)
        planted_in(writer, records)
    return path


def run(settings: Settings, *arguments: str) -> tuple[int, Any]:
    """The command; its exit code, and what it printed as JSON."""
    names = ("bootstrap_servers", "ledger", "chunk_topic", "record_topic", "dead_topic", "partitions")
    told = [f"--set={name}={getattr(settings, name)}" for name in names]
    result = CliRunner().invoke(main, ["erase", "--json", f"--data-dir={settings.data_dir}", *told, *arguments])
    return result.exit_code, json.loads(result.stdout) if result.stdout else result.stderr


async def live(settings: Settings) -> dict[tuple[int, bytes], bytes]:
    """The requests changelog as compaction leaves it: the newest value of each key that has one."""
    rows: dict[tuple[int, bytes], bytes | None] = {}
    for row in await committed(settings, f"{settings.ledger}-requests-changelog"):
        rows[row.partition, row.key or b""] = row.value
    return {key: value for key, value in rows.items() if value is not None}


async def until(settings: Settings, wanted: Selection, standings: dict[str, Standing]) -> None:
    """Returns when these requests stand so in the changelog."""
    deadline = asyncio.get_running_loop().time() + SECONDS
    seen: dict[str, Standing] = {}
    while seen != standings:
        assert asyncio.get_running_loop().time() < deadline, seen
        seen = {}
        for number in range(settings.partitions):
            seen.update(await look(configure(settings), number, wanted))
        await asyncio.sleep(0.1)


def stored(settings: Settings) -> list[bytes]:
    """The rows of the workers' stores, which are compressed in their files."""
    values: list[bytes] = []
    for path in sorted((settings.data_dir / settings.ledger).rglob("*.db")):
        rows = Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only())
        values += [bytes(value) for value in rows.values()]
        rows.close()
    return values


def held_to_what_is_kept(told: Any, settings: Settings) -> None:
    """Of three topics it is said until when they keep the content at least: a week, or that they have none."""
    chunks, records, dead = (
        next(topic for topic in told["topics"] if topic["topic"] == name)
        for name in (settings.chunk_topic, settings.record_topic, settings.dead_topic)
    )
    assert (records["messages"], dead["messages"], dead["until_at_least"]) == (1, 0, None)
    for topic in (chunks, records):
        ends = [datetime.fromisoformat(topic[name]) for name in ("last_appended", "until_at_least")]
        assert (ends[1] - ends[0]).total_seconds() == topic["retention_ms"] / 1_000
    assert chunks["retention_ms"] == WEEK * 1_000


def held_to_what_is_left(settings: Settings, log: Path, *, still_open: int) -> None:
    """The erased content is in no live row and no store, others' is; a worker restores so many open requests."""
    for rows in (asyncio.run(live(settings)).values(), stored(settings)):
        assert ERASED not in found(rows)
        assert {SPARED, OPEN} <= found(rows)
    shutil.rmtree(settings.data_dir)
    with running(settings, log, timing=QUICK) as fresh:
        assert fresh.wait_for("assigned")["partitions"] == list(range(settings.partitions))
        assert sum(event["open"] for event in fresh.events("restored")) == still_open
        assert fresh.terminate()[0] == 0


@pytest.mark.usefixtures("ledger_topics")
def test_erased_while_a_worker_works(settings: Settings, tmp_path: Path) -> None:
    """Its content is in no live row and no store, others' stays; every record comes once; a late chunk is refused.

    An open request is said to be open and left alone. The worker that was running goes on by itself, and one that
    starts with an empty directory restores what is left.
    """
    settings = settings.model_copy(update={"finish_grace": 300, "attempt_grace": 500, "clock_slack": 1_000})
    made = streams(60, seed=5)
    finished = [stream for stream in made if stream.finished]
    db = database(settings)

    async def scenario(worker: Worker) -> None:
        for name in PLANTED:
            await send(settings, iter(planted(name)))
        sending = asyncio.create_task(send(settings, interleaved(made, together=20, seed=5), per_second=150))
        wanted = Selection(request_ids=frozenset({f"r-{ERASED}", f"r-{OPEN}"}))
        await until(settings, wanted, {f"r-{ERASED}": Standing.KEPT, f"r-{OPEN}": Standing.OPEN})
        await committed(settings, settings.record_topic, at_least=2)

        code, dry = await asyncio.to_thread(run, settings, *NAMED, "--db", db)
        assert (code, dry["executed"], dry["refused"]) == (FOUND_PROBLEM, False, [f"r-{OPEN}"])
        assert set(PLANTED) <= found((await live(settings)).values())
        code, told = await asyncio.to_thread(run, settings, *NAMED, "--db", db, "--execute")
        assert (code, told["requests"]) == (FOUND_PROBLEM, {f"r-{ERASED}": "kept", f"r-{OPEN}": "open"}), told
        assert (told["state"]["requests"], told["state"]["rejoined"], told["contents"]) == ([f"r-{ERASED}"], 1, 2)
        held_to_what_is_kept(told, settings)

        await asyncio.to_thread(worker.wait_for, "assigned", count=2)
        await sending
        await send(settings, iter([late(ERASED), late(SPARED)]))
        seen = await committed(settings, settings.record_topic, at_least=len(finished) + 3)
        refused = await committed(settings, settings.dead_topic, at_least=1)
        assert [(each.key, dict(each.headers)["dl.reason"]) for each in refused] == [(b"r-erased", b"late")]
        all_records = [json.loads(each.value or b"{}") for each in seen]
        ours = sorted((each["request_id"], each["revision"]) for each in all_records if each["labels"])
        assert ours == [("r-erased", 0), ("r-spared", 0), ("r-spared", 1)]
        others = sorted(
            (view(each) for each in all_records if not each["labels"]), key=lambda each: str(each["request_id"])
        )
        assert expectations(finished) == others

        code, again = await asyncio.to_thread(run, settings, *NAMED[:2], "--db", db, "--execute")
        assert (code, again["state"]["requests"], again["state"]["rejoined"], again["contents"]) == (OK, [], 0, 0)

    with running(settings, tmp_path / "log", timing=QUICK) as worker:
        asyncio.run(scenario(worker))
        assert worker.process.poll() is None
        assert worker.terminate()[0] == 0
    held_to_what_is_left(settings, tmp_path / "again", still_open=1 + len(made) - len(finished))


def test_somebody_has_to_be_named(settings: Settings) -> None:
    """Without an id or a label nothing is looked at."""
    code, said = run(settings, "--execute")

    assert code == BAD_USAGE
    assert "whose content is to be erased?" in said


@pytest.mark.usefixtures("ledger_topics")
def test_what_nobody_has_is_no_problem(settings: Settings) -> None:
    """An erasure that is done again, or of somebody who was never here, says so and is done."""
    code, told = run(settings, "--label", "user=nobody", "--execute")

    assert (code, told["requests"], told["database"], told["state"]["rejoined"]) == (OK, {}, None, 0)
    assert [topic["messages"] for topic in told["topics"]] == [0, None, 0]


@pytest.mark.usefixtures("ledger_topics")
def test_a_publisher_s_spool_is_erased_where_it_is_named(settings: Settings, tmp_path: Path) -> None:
    """What Kafka refused goes; what is still to be sent for a request without a record is left, and said to be open."""
    value = json.dumps({"request_id": "r-kept", "labels": {"user": "nobody"}}).encode()
    publisher = Spool(tmp_path, settings.chunk_topic, 1 << 30, lambda *_: None)
    publisher.aside([Item(b"r-kept", value, b"", time.time_ns() // 1_000), Item(b"r-other", b"{}", b"", 1)])
    publisher.append([Item(b"r-unsent", value, b"", time.time_ns() // 1_000)])
    publisher.close()
    named = ("--label", "user=nobody", "--spool", str(tmp_path), "--execute")

    code, told = run(settings, *named)

    spooled = told["spools"][str(tmp_path)]
    assert (code, told["refused"]) == (FOUND_PROBLEM, ["r-unsent"])
    assert (spooled["chunks"], spooled["unsent"]) == ({"r-kept": 1}, {"r-unsent": 1})
    assert [item.key for path in sorted(tmp_path.glob(f"{publisher.owner}*.refused")) for item in items(path)] == [
        b"r-other"
    ]
    assert run(settings, "--request-id", "r-kept", *named[2:])[0] == OK
