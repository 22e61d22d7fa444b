"""Records against a usage file: joined by request or response id, or in totals by day and model where there is none.

Owns the join, in an SQLite file, and what a difference in money is put down to.  Imports `pipeline.sinks` and
`pipeline.topics` for the records.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from pipeline.errors import UsageError
from pipeline.ops.reconcile.finding import Cause, Difference, Finding, Kind, Result, State
from pipeline.ops.reconcile.ledger import Request
from pipeline.ops.reconcile.store import sqlite_errors
from pipeline.ops.reconcile.usage_file import Billed, UsageFile
from pipeline.settings import Settings
from pipeline.sinks.database import opened
from pipeline.sinks.line import Unfit, row_of
from pipeline.sinks.row import COLUMNS
from pipeline.topics.bound import Bound
from pipeline.topics.reader import Progress, reading

TITLE: Final = "records against the usage file"
TOLERANCE: Final = Decimal("1e-9")
PAGE: Final = 20_000
BATCH: Final = 1_000

_TAKEN: Final = (
    *("request_id", "revision", "response_id", "model", "start_timestamp", "status"),
    *("prompt_tokens", "completion_tokens", "total_tokens", "cached_read_tokens", "cost", "labels"),
)
_AT: Final = [[column.name for column in COLUMNS].index(name) for name in _TAKEN]
_SCHEMA: Final = """
CREATE TABLE records (id TEXT PRIMARY KEY, revision INTEGER, response TEXT, value TEXT, met INTEGER DEFAULT 0);
CREATE TABLE rows (id TEXT, response TEXT, number INTEGER PRIMARY KEY, value TEXT);
"""


class Ours(NamedTuple):
    """What a record bills."""

    request_id: str
    revision: int
    response_id: str | None
    model: str | None
    at: datetime
    status: str
    prompt: int | None
    completion: int | None
    total: int | None
    cached: int | None
    cost: Decimal | None


@dataclass
class Total:
    """A day of a model."""

    requests: int = 0
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cost: Decimal = Decimal(0)
    told: frozenset[str] = frozenset()

    def add(self, each: Ours | Billed) -> None:
        """Add a record or a row; `told` is what any of them says."""
        self.requests += each.requests if isinstance(each, Billed) else 1
        for name in ("prompt", "completion", "cached", "cost"):
            value = getattr(each, name)
            if value is not None:
                setattr(self, name, getattr(self, name) + value)
                self.told |= {name}


async def reconcile(
    settings: Settings,
    file: UsageFile,
    asked: Request,
    progress: Progress,
    *,
    db: str | None = None,
    tolerance: Decimal = TOLERANCE,
) -> Result:
    """Hold records, of the topic or of a database, against a usage file.

    Raises:
        UsageError: the file can't be read, or the database is not there.
        KafkaUnreachable: no broker answers.
    """
    result = Result(TITLE, asked.limit)
    records = _of_topic(settings, asked, progress) if db is None else _of_database(db, asked)
    with (
        tempfile.TemporaryDirectory(prefix="streamledger-") as folder,
        sqlite_errors(folder),
        closing(sqlite3.connect(Path(folder) / "bill.db", isolation_level=None)) as store,
    ):
        store.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA} BEGIN;")
        by_id, span = _keep_rows(store, file)
        async with aclosing(records):
            async for each in records:
                _keep_record(store, each)
        store.execute("CREATE INDEX responses ON records (response)")
        if by_id:
            _join(store, result, file, span, tolerance)
        else:
            _total(store, result, file, tolerance)
    return result


# ---- reading --------------------------------------------------------------------------------------------------------


async def _of_topic(settings: Settings, asked: Request, progress: Progress) -> AsyncGenerator[Ours, None]:
    topic = settings.record_topic
    async with reading(settings, progress) as topics:
        for number in asked.selection.numbers(topics.partitions(topic), topic):
            span = await topics.bounds(topic, number, asked.selection.since, asked.selection.until)
            async for record in topics.read(f"records {number}", topic, number, *span):
                try:
                    row = row_of(record.value or b"")
                except Unfit:
                    continue  # no record: chunks against records tells
                if (ours := _ours([row[at] for at in _AT], asked)) is not None:
                    yield ours


async def _of_database(db: str, asked: Request) -> AsyncGenerator[Ours, None]:
    since, until = (_moment(bound) for bound in (asked.selection.since, asked.selection.until))
    columns = ", ".join(_TAKEN)
    sql = f"SELECT {columns} FROM records WHERE request_id > $1 ORDER BY request_id, revision LIMIT {PAGE}"  # noqa: S608
    with opened(db) as database:
        last = ""
        while rows := database.query(sql, (last,)):
            whole = rows if len(rows) < PAGE else [row for row in rows if row[0] != rows[-1][0]]
            if not whole:
                raise UsageError("a request has too many revisions", hint="look at it: streamledger explain")
            last = whole[-1][0]
            for row in whole:
                ours = _ours(list(row), asked)
                if ours is not None and (since is None or ours.at >= since) and (until is None or ours.at < until):
                    yield ours


def _moment(bound: Bound | None) -> datetime | None:
    """A bound as the time that a request began; offsets are of a topic."""
    if bound is None or bound.text in ("earliest", "latest"):
        return None
    if bound.time is None:
        raise UsageError(f"{bound.text} is an offset, and a database is read", hint="give a time")
    return datetime.fromtimestamp(bound.time / 1_000, UTC)


def _ours(row: list[Any], asked: Request) -> Ours | None:
    labels = row.pop()
    wanted = json.loads(labels) if isinstance(labels, str) else labels or {}
    if not asked.selection.wants(row[0], wanted):
        return None
    at = datetime.fromisoformat(row[4]) if isinstance(row[4], str) else row[4]
    row[4] = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return Ours(*row)


def _keep_rows(store: sqlite3.Connection, file: UsageFile) -> tuple[bool, tuple[datetime, datetime] | None]:
    """Put the file's rows into the store; whether they have ids, and the time that they span."""
    ids, times = 0, list[datetime]()
    batch = []
    for row in file.rows():
        ids += row.request_id is not None or row.response_id is not None
        if row.at is not None:
            times = [min([*times, row.at]), max([*times, row.at])]
        batch.append((row.request_id, row.response_id, row.number, _packed(row)))
        if len(batch) >= BATCH:
            store.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", batch)
            batch = []
    store.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", batch)
    return ids > 0, (times[0], times[1]) if times else None


def _keep_record(store: sqlite3.Connection, ours: Ours) -> None:
    """Keep the highest revision of a request."""
    sql = (
        "INSERT INTO records (id, revision, response, value) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "revision = excluded.revision, response = excluded.response, value = excluded.value "
        "WHERE excluded.revision > records.revision"
    )
    store.execute(sql, (ours.request_id, ours.revision, ours.response_id, _packed(ours)))


def _packed(each: Ours | Billed) -> str:
    return json.dumps([_text(value) for value in each])


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else f"{value}" if isinstance(value, Decimal) else value


def _ours_in(text: str) -> Ours:
    packed = json.loads(text)
    ours = Ours(*packed)
    cost = None if ours.cost is None else Decimal(ours.cost)
    return ours._replace(at=datetime.fromisoformat(packed[4]), cost=cost)


def _row_in(text: str) -> Billed:
    value = json.loads(text)
    value[4] = None if value[4] is None else datetime.fromisoformat(value[4])
    value[9] = None if value[9] is None else Decimal(value[9])
    return Billed(*value)


# ---- by id ----------------------------------------------------------------------------------------------------------


def _join(
    store: sqlite3.Connection,
    result: Result,
    file: UsageFile,
    span: tuple[datetime, datetime] | None,
    tolerance: Decimal,
) -> None:
    for text in _values(store, "SELECT value FROM rows ORDER BY number"):
        row = _row_in(text)
        result.counts["rows"] += 1
        found = store.execute("SELECT value, met, id FROM records WHERE id = ?", (row.request_id,)).fetchone()
        if found is None and row.response_id is not None:
            sql = "SELECT value, met, id FROM records WHERE response = ?"
            found = store.execute(sql, (row.response_id,)).fetchone()
        name = row.request_id or row.response_id
        place = f"{file.path.name} row {row.number}"
        if found is None:
            usd = None if row.cost is None else -row.cost
            finding = Finding(Kind.MISSING, name, "no record of this row", place, (), Cause.OTHER, usd, -_tokens(row))
            result.add(finding)
            continue
        ours = _ours_in(found[0])
        if found[1]:
            usd = None if row.cost is None else -row.cost
            what = f"in the file again, after row {found[1]}"
            result.add(Finding(Kind.DUPLICATE, name, what, place, (), Cause.DUPLICATES, usd, -_tokens(row)))
            continue
        store.execute("UPDATE records SET met = ? WHERE id = ?", (row.number, found[2]))
        _compare(result, ours, row, place, tolerance)
    for text in _values(store, "SELECT value FROM records WHERE NOT met ORDER BY id"):
        ours = _ours_in(text)
        if span is not None and span[0] <= ours.at <= span[1]:
            cause = _cause(ours, None, set())
            what = "not in the file"
            finding = Finding(Kind.MISSING, ours.request_id, what, file.path.name, (), cause, ours.cost, ours.total)
            result.add(finding)
        else:
            result.states[State.CUT] += 1


def _values(store: sqlite3.Connection, sql: str) -> Iterator[str]:
    for (value,) in store.execute(sql):
        yield value


def _compare(result: Result, ours: Ours, row: Billed, place: str, tolerance: Decimal) -> None:
    """Hold a record against its row, in what the row says; an unknown cost of ours is a difference to a known one."""
    wrong = []
    for name in ("prompt", "completion", "total", "cached"):
        expected, found = getattr(row, name), getattr(ours, name)
        if expected is not None and expected != (found or 0):
            wrong.append(Difference(f"{name}_tokens", expected, found))
    if row.cost is not None and (ours.cost is None or abs(row.cost - ours.cost) > tolerance):
        wrong.append(Difference("cost", row.cost, ours.cost))
    result.usd += ours.cost or 0
    result.tokens += ours.total or 0
    if not wrong:
        result.states[State.OK] += 1
        return
    names = {each.field for each in wrong}
    kind = Kind.MISPRICED if names == {"cost"} else Kind.DIFFERENT
    usd = None if row.cost is None else (ours.cost or Decimal(0)) - row.cost
    tokens = (ours.total or 0) - _tokens(row) if names - {"cost", "cached_tokens"} else 0
    cause = _cause(ours, row, names)
    result.add(Finding(kind, ours.request_id, "not what the file says", place, tuple(wrong), cause, usd, tokens))


def _tokens(row: Billed) -> int:
    return row.total if row.total is not None else (row.prompt or 0) + (row.completion or 0)


def _cause(ours: Ours, row: Billed | None, names: set[str]) -> Cause:
    """What a difference is put down to."""
    if row is not None and row.cost is not None and not (ours.cost and row.cost):
        return Cause.UNPRICED
    if ours.status == "incomplete":
        return Cause.CUT_STREAMS
    cached = ours.cached or (None if row is None else row.cached)
    if cached and (names <= {"cost", "cached_tokens"} or (row is not None and _beside(ours, row, cached))):
        return Cause.CACHED_TOKENS if row is not None else Cause.OTHER
    return Cause.OTHER


def _beside(ours: Ours, row: Billed, cached: int) -> bool:
    """Whether the inputs differ by just the cached tokens: one of them does not count these."""
    return abs((ours.prompt or 0) - (row.prompt or 0)) == cached


# ---- in totals ------------------------------------------------------------------------------------------------------


def _total(store: sqlite3.Connection, result: Result, file: UsageFile, tolerance: Decimal) -> None:
    """By day (UTC) and model; by one of them, or neither, where the file has no more."""
    theirs: dict[tuple[str, str], Total] = {}
    dated = named = False
    for text in _values(store, "SELECT value FROM rows"):
        row = _row_in(text)
        dated, named = dated or row.at is not None, named or row.model is not None
    for text in _values(store, "SELECT value FROM rows"):
        result.counts["rows"] += 1
        row = _row_in(text)
        theirs.setdefault(_key(row, dated=dated, named=named), Total()).add(row)
    days = {day for day, _ in theirs}
    mine: dict[tuple[str, str], Total] = {}
    for text in _values(store, "SELECT value FROM records"):
        ours = _ours_in(text)
        key = _key(ours, dated=dated, named=named)
        if key[0] not in days:
            result.states[State.CUT] += 1
            continue
        mine.setdefault(key, Total()).add(ours)
        result.usd += ours.cost or 0
        result.tokens += ours.total or 0
    for key in sorted(theirs.keys() | mine.keys()):
        _compare_totals(result, file, key, theirs.get(key), mine.get(key), tolerance)


def _key(each: Ours | Billed, *, dated: bool, named: bool) -> tuple[str, str]:
    day = each.at.date().isoformat() if dated and each.at is not None else ""
    return day, (each.model or "") if named else ""


def _compare_totals(
    result: Result,
    file: UsageFile,
    key: tuple[str, str],
    theirs: Total | None,
    mine: Total | None,
    tolerance: Decimal,
) -> None:
    name = " ".join(part for part in key if part) or "all"
    told = (theirs or Total()).told
    there, here = theirs or Total(), mine or Total()
    wrong = []
    for field in ("requests", "prompt", "completion", "cached", "cost"):
        expected, found = getattr(there, field), getattr(here, field)
        if field != "requests" and theirs is not None and field not in told:
            continue
        if abs(expected - found) > (tolerance if field == "cost" else 0):
            wrong.append(Difference(field if field in ("requests", "cost") else f"{field}_tokens", expected, found))
    if not wrong:
        result.states[State.OK] += 1
        return
    kind = Kind.MISSING if theirs is None or mine is None else Kind.DIFFERENT
    what = "not in the file" if theirs is None else "no record" if mine is None else "another total"
    usd = here.cost - there.cost if theirs is None or "cost" in told else None
    tokens = here.prompt + here.completion - there.prompt - there.completion
    result.add(Finding(kind, name, what, file.path.name, tuple(wrong), Cause.OTHER, usd, tokens))
