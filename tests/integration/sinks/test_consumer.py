"""The sink on a real topic, the same cases on both databases: what becomes of records, and where it begins and ends."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Fenced, FoundProblem, UsageError
from pipeline.settings import Settings
from pipeline.sinks.consumer import Sink
from pipeline.sinks.intake import Batch, Entry, Intake
from pipeline.sinks.plan import Plan, Summary
from pipeline.sinks.store import Store, Written
from pipeline.sinks.writer import connect
from pipeline.topics.bound import Bound
from tests.integration.sinks.topic import encoded, fill, held, record, rows, send, wanted
from tests.kafka import forget

pytestmark = pytest.mark.usefixtures("ledger_topics")


def sink(settings: Settings, db: str, **options: Any) -> Summary:
    """Run to the end of the topic."""

    async def run() -> Summary:
        return await Sink(settings, Plan(db, once=True, **options)).run()

    return asyncio.run(run())


def test_each_record_is_a_row_with_the_place_where_it_was_read(settings: Settings, db: str) -> None:
    """Amounts to the last digit, instants in UTC, documents that can be asked; and positions are past all of it."""
    fill(settings, range(500), transaction=settings.ledger)
    summary = sink(settings, db, batch=64)
    assert summary.written == Written(rows=500)
    assert held(db) == wanted(range(500))
    sums = {Decimal(made["cost_details"]["total"]) for made in map(record, range(500)) if made["cost"] is not None}
    found = rows(db, "SELECT DISTINCT cost FROM records WHERE cost IS NOT NULL")
    assert {cost for (cost,) in found} == sums
    places = rows(
        db, "SELECT record_partition, count(*), min(record_offset), max(record_offset) FROM records GROUP BY 1"
    )
    assert sorted(places) == [(0, 250, 0, 249), (1, 250, 0, 249)]
    made = record(7)
    asked = "SELECT CAST(start_timestamp AS VARCHAR), labels ->> 'team', end_timestamp > start_timestamp FROM records "
    instant, team, after = rows(db, asked + f"WHERE request_id = '{made['request_id']}'")[0]
    assert made["start_timestamp"].startswith(instant[:19].replace(" ", "T"))
    assert team == made["labels"].get("team")
    assert after == (made["end_timestamp"] > made["start_timestamp"])
    assert rows(db, "SELECT partition, next_offset FROM positions ORDER BY 1") == [(0, 251), (1, 251)]


def test_a_second_run_reads_only_what_is_new(settings: Settings, db: str) -> None:
    """The position of the database decides."""
    fill(settings, range(20))
    sink(settings, db)
    fill(settings, range(20, 30))
    assert sink(settings, db).written == Written(rows=10)
    assert sink(settings, db).written == Written()
    assert held(db) == wanted(range(30))


def test_a_record_that_comes_again_is_counted_and_nothing_else(settings: Settings, db: str) -> None:
    """In the same batch, in a later one, and after positions were set back."""
    fill(settings, range(10))
    fill(settings, range(5))
    assert sink(settings, db).written == Written(rows=10, repeats=5)
    fill(settings, range(10))
    assert sink(settings, db).written == Written(repeats=10)
    writer = connect(db, threading.Event())
    writer.change("DELETE FROM positions")
    writer.close()
    assert sink(settings, db).written == Written(repeats=25)
    assert held(db) == wanted(range(10))


def test_a_record_that_contradicts_one_is_kept_beside_it(settings: Settings, db: str) -> None:
    """The first stays; the other is whole in `conflicts`, once, whether they come in one batch or two."""
    other = record(1, cost=99.5, cost_details=None)
    send(settings, [(1, encoded(record(1))), (1, encoded(other)), (0, encoded(record(2)))])
    assert sink(settings, db).written == Written(rows=2, conflicts=1)
    send(settings, [(0, encoded(record(2, status="error")))])
    assert sink(settings, db).written == Written(conflicts=1)
    assert held(db) == wanted([1, 2])
    found = rows(db, "SELECT request_id, digest, cost, record_partition, record_offset FROM conflicts ORDER BY 1")
    assert found[0] == (other["request_id"], other["digest"], Decimal("99.5"), 1, 1)
    assert len(found) == 2


def test_a_request_on_two_partitions_is_told(settings: Settings, db: str) -> None:
    """It has two records of one id, which differ or not: a foreign partitioner, or another count of partitions."""
    send(settings, [(0, encoded(record(1))), (0, encoded(record(2)))])
    sink(settings, db)
    send(settings, [(1, encoded(record(1))), (1, encoded(record(2, chunk_count=77)))])
    assert sink(settings, db).written == Written(repeats=1, conflicts=1, split=2)


def test_a_revision_stands_beside_the_original(settings: Settings, db: str) -> None:
    """Two rows; the view has the later one."""
    send(settings, [(0, encoded(record(4))), (1, encoded(record(5))), (0, encoded(record(4, revision=1)))])
    assert sink(settings, db).written == Written(rows=3)
    found = rows(db, "SELECT request_id, revision FROM latest_records ORDER BY 1")
    assert found == [("r-0000004", 1), ("r-0000005", 0)]


def test_what_is_no_record_is_kept_by_its_place(settings: Settings, db: str) -> None:
    """Others around it are rows; the reason names the field and nothing that stood in it (G7)."""
    secret = "what-somebody-said"
    broken = [
        None,
        b"\xff" + secret.encode(),
        b'["' + secret.encode() + b'"]',
        b"{}",
        encoded(record(3) | {"revision": secret}),
        encoded(record(3, request_id=None)),
        encoded(record(3, start_timestamp=secret)),
        encoded(record(3, missing_indexes=secret)),
        encoded(record(3, cost=1, cost_details={"total": "1e25"})),
        encoded(record(3, chunk_count=1 << 70)),
    ]
    send(settings, [(0, encoded(record(0))), *((0, value) for value in broken), (0, encoded(record(1)))])
    assert sink(settings, db).written == Written(rows=2, rejects=len(broken))
    found = rows(db, "SELECT record_offset, reason, detail FROM rejects ORDER BY 1")
    assert [offset for offset, _, _ in found] == list(range(1, 1 + len(broken)))
    assert secret not in str(found)
    assert [detail for _, _, detail in found][3:8] == [
        "Object missing required field `cost`",
        "Expected `int`, got `str` - at `$.revision`",
        "Expected `str`, got `null` - at `$.request_id`",
        "start_timestamp is no instant",
        "Expected `array`, got `str` - at `$.missing_indexes`",
    ]


def test_odd_text_is_kept(settings: Settings, db: str) -> None:
    """Quotes, line ends, separators, the empty text; NUL, which PostgreSQL can't hold, becomes U+FFFD."""
    labels = {'"': "a,b", "\n\r\t": "\\N", "\\": "", "é\u2028": "\0", "'": "''"}
    send(settings, [(0, encoded(record(0, labels=labels, model='a"\nb, \0', provider="")))])
    assert sink(settings, db).written == Written(rows=1)
    model, provider, document = rows(db, "SELECT model, provider, CAST(labels AS VARCHAR) FROM records")[0]
    assert (model, provider) == ('a"\nb, \ufffd', "")
    assert json.loads(document) == labels | {"é\u2028": "\ufffd"}


def test_a_value_that_only_the_database_refuses_costs_its_own_record(settings: Settings, db: str) -> None:
    """Found by halving, in the order of the partition; the others of its batch are rows."""
    fill(settings, range(40))
    store = Store(db, settings.record_topic)
    sink(settings, db)
    positions = store.positions()

    class Message:
        partition, offset = 0, positions[0]
        value = encoded(record(100))

    good = Intake(settings.record_topic, content=False).read(Message())
    assert isinstance(good, Entry)
    bad = good._replace(offset=good.offset + 1, line=good.line.replace("2026-", "2026-99-", 1))
    last = good._replace(offset=good.offset + 2, line=good.line.replace("r-0000100", "r-0000101"))
    last = last._replace(line=last.line.replace(record(100)["record_id"], record(101)["record_id"]))
    last = last._replace(line=last.line.replace(f",{good.offset}\n", f",{last.offset}\n"))
    batch = Batch(settings.record_topic, [good, bad, last], {0: positions[0] + 3, 1: positions[1]})
    assert store.write(batch) == Written(rows=2, rejects=1)
    store.release()
    assert rows(db, "SELECT record_offset, reason FROM rejects") == [(positions[0] + 1, "refused_by_database")]
    assert rows(db, "SELECT next_offset FROM positions WHERE partition = 0") == [(positions[0] + 3,)]


def test_content_is_kept_only_if_asked_for(settings: Settings, db: str) -> None:
    """In a table of its own, once for each record, of the one that is kept."""
    fill(settings, range(12))
    sink(settings, db)
    assert rows(db, "SELECT count(*) FROM contents") == [(0,)]
    fill(settings, range(12, 24))
    send(settings, [(0, encoded(record(3, status="error")))])
    sink(settings, db, content=True)
    found = dict(rows(db, "SELECT request_id, CAST(document AS VARCHAR) FROM contents"))
    assert sorted(found) == [made["request_id"] for made in map(record, range(12, 24))]
    made = next(made for made in map(record, range(12, 24)) if (made["output_message"] or {}).get("content"))
    assert made["output_message"]["content"] in found[made["request_id"]]


@pytest.mark.parametrize(
    ("since", "count"), [("earliest", 10), ("latest", 0), ("-1h", 10), ("2100-01-01T00:00:00Z", 0)]
)
def test_a_new_database_begins_where_it_is_told(settings: Settings, tmp_path: Path, since: str, count: int) -> None:
    """And stays there: what came before is not read by a later run either."""
    db = str(tmp_path / "l.duckdb")
    fill(settings, range(10))
    now = int(time.time() * 1_000)
    assert sink(settings, db, since=Bound.of(since, now)).written.rows == count
    fill(settings, range(10, 12))
    assert sink(settings, db).written.rows == 2
    with pytest.raises(UsageError, match="for a new database"):
        sink(settings, db, since=Bound.of(since, now))


def test_retention_that_went_over_the_position_is_refused(settings: Settings, db: str) -> None:
    """Nobody would notice the hole otherwise; --skip-lost goes on behind it and writes it down."""
    fill(settings, range(20))
    sink(settings, db)
    fill(settings, range(20, 40))
    asyncio.run(forget(settings, settings.record_topic, 0, 15))
    with pytest.raises(FoundProblem, match="not kept any more: partition 0 at 10"):
        sink(settings, db)
    assert rows(db, "SELECT count(*) FROM records WHERE record_partition = 0") == [(10,)]
    sink(settings, db, skip_lost=True)
    assert held(db) == wanted([*range(20), *(number for number in range(20, 40) if number % 2 or number >= 30)])
    assert rows(db, "SELECT partition, first_offset, next_offset FROM gaps") == [(0, 10, 15)]


def test_control_records_at_the_end_are_behind_the_position(settings: Settings, db: str) -> None:
    """Retention that empties the topic afterwards has taken nothing that was not read."""
    fill(settings, range(20), transaction=settings.ledger)
    sink(settings, db)
    asyncio.run(forget(settings, settings.record_topic, 0, 11))
    fill(settings, range(20, 22))
    assert sink(settings, db).written == Written(rows=2)


def test_a_topic_that_was_made_anew_is_refused(settings: Settings, db: str) -> None:
    """Its offsets say nothing of those in the database."""
    fill(settings, range(4))
    sink(settings, db)
    writer = connect(db, threading.Event())
    writer.change("UPDATE positions SET next_offset = 1000")
    writer.close()
    with pytest.raises(FoundProblem, match="before the position of the database"):
        sink(settings, db)


def test_whoever_finds_the_position_moved_writes_nothing(settings: Settings, db: str) -> None:
    """Two sinks of one database: the slower one ends, and the rows are those of the faster."""
    fill(settings, range(10))
    slow = Store(db, settings.record_topic)
    sink(settings, db)
    slow.positions()
    slow.release()
    fill(settings, range(10, 20))
    sink(settings, db)
    with pytest.raises(Fenced, match="somebody else has written"):
        slow.write(Batch(settings.record_topic, after={0: 7}))
    slow.release()
    assert held(db) == wanted(range(20))
    assert rows(db, "SELECT partition, next_offset FROM positions ORDER BY 1") == [(0, 10), (1, 10)]


def test_another_topic_keeps_its_own_positions(settings: Settings, db: str) -> None:
    """One database may hold several ledgers."""
    fill(settings, range(6))
    sink(settings, db)
    store = Store(db, "another.topic")
    assert store.positions() == {}
    store.write(Batch("another.topic", after={0: 3}))
    store.release()
    assert sink(settings, db).written == Written()


def test_parquet_has_each_day_once_and_a_day_anew_when_it_grows(settings: Settings, tmp_path: Path) -> None:
    """Only days with new rows are written; a file that is gone comes back."""
    db, out = str(tmp_path / "l.duckdb"), tmp_path / "it's out"

    def day(number: int, text: str) -> bytes:
        return encoded(record(number, start_timestamp=f"{text}T23:59:59.999999Z"))

    send(settings, [(0, day(1, "2026-01-01")), (0, day(2, "2026-01-02")), (1, day(3, "2026-01-02"))])
    names = [str(out / f"day=2026-01-0{number}" / "records.parquet") for number in (1, 2, 3)]
    assert [str(file) for file in sink(settings, db, parquet=out).files] == names[:2]
    assert sink(settings, db, parquet=out).files == []
    send(settings, [(1, day(4, "2026-01-02")), (1, day(5, "2026-01-03"))])
    assert [str(file) for file in sink(settings, db, parquet=out).files] == names[1:]
    Path(names[0]).unlink()
    assert [str(file) for file in sink(settings, db, parquet=out).files] == names[:1]
    pattern = str(out).replace("'", "''")
    found = rows(db, f"SELECT CAST(day AS VARCHAR), request_id FROM read_parquet('{pattern}/*/*.parquet') ORDER BY 2")  # noqa: S608 (ours)
    assert [day for day, _ in found] == ["2026-01-01", "2026-01-02", "2026-01-02", "2026-01-02", "2026-01-03"]
    assert sorted(path.name for path in out.rglob("*") if path.is_file()) == ["records.parquet"] * 3
