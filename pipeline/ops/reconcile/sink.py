"""Records against a sink's database: every record of a range has its row, once, and says the same.

Owns the comparison column by column.  Reads the table `records` and, where there is one, `positions`.  Imports
`pipeline.sinks` for the columns and the way in, `pipeline.topics` for the records.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from pipeline.errors import FoundProblem
from pipeline.ops.reconcile.finding import Cause, Difference, Finding, Kind, Result, State
from pipeline.ops.reconcile.ledger import Request
from pipeline.settings import Settings
from pipeline.sinks.database import Database, opened
from pipeline.sinks.line import Unfit, row_of
from pipeline.sinks.row import COLUMNS
from pipeline.sinks.row import Kind as Holds
from pipeline.topics.reader import Progress, Topics, reading

TITLE: Final = "records against the database"
NO_ROW: Final = "no row"
BATCH: Final = 500
FINEST: Final = Decimal("1e-18")
"""USD that a column keeps."""
_NAMES: Final = tuple(column.name for column in COLUMNS)
_PLACE: Final = ("record_topic", "record_partition", "record_offset")
_MONEY: Final = frozenset(name for name in _NAMES if name.startswith(("cost", "price_"))) | {"delta_cost"}
_COST, _TOKENS = _NAMES.index("cost"), _NAMES.index("total_tokens")
_ID, _REQUEST, _STATUS = _NAMES.index("record_id"), _NAMES.index("request_id"), _NAMES.index("status")
_LABELS: Final = _NAMES.index("labels")


class Written(NamedTuple):
    """A record of the topic as a row, and its offset."""

    offset: int
    row: tuple[Any, ...]


async def reconcile(settings: Settings, db: str, asked: Request, progress: Progress) -> Result:
    """Hold the records of a range against the rows of a database.

    Raises:
        UsageError: there is no such database, or its library is not installed.
        FoundProblem: it can't be read.
        KafkaUnreachable: no broker answers.
    """
    result = Result(TITLE, asked.limit)
    async with reading(settings, progress) as topics:
        topic = settings.record_topic
        for number in asked.selection.numbers(topics.partitions(topic), topic):
            span = await topics.bounds(topic, number, asked.selection.since, asked.selection.until)
            with opened(db) as database:
                await _Partition(database, result, asked, topic, number).hold(topics, span)
    return result


class _Partition:
    """One partition of the record topic."""

    def __init__(self, database: Database, result: Result, asked: Request, topic: str, number: int) -> None:
        self._database, self._result, self._asked = database, result, asked
        self._topic, self._number = topic, number
        self._behind = _position(database, topic, number)

    async def hold(self, topics: Topics, span: tuple[int, int]) -> None:
        """Hold its records, batch by batch, against their rows; what lies beyond the range is not looked at."""
        begin, end = span
        batch: list[Written] = []
        first = begin
        async for record in topics.read(f"records {self._number}", self._topic, self._number, begin, end):
            try:
                batch.append(Written(record.offset, row_of(record.value or b"")))
            except Unfit:
                self._unfit(record.offset, record.value or b"")
            if len(batch) >= BATCH:
                self._batch(batch, first, record.offset + 1)
                batch, first = [], record.offset + 1
        self._batch(batch, first, end)

    def _batch(self, batch: Sequence[Written], first: int, end: int) -> None:
        rows = self._rows([each.row[_ID] for each in batch]) if batch else {}
        told: set[str] = set()
        for each in batch:
            if not self._asked.selection.wants(each.row[_REQUEST], _parsed(each.row[_LABELS]) or {}):
                continue
            self._result.counts["records"] += 1
            self._one(each, rows.get(each.row[_ID], []), repeated=each.row[_ID] in told)
            told.add(each.row[_ID])
        self._strangers(first, end, told | {each.row[_ID] for each in batch})

    def _rows(self, ids: Sequence[str]) -> Mapping[str, list[tuple[Any, ...]]]:
        """The rows of records, by record id; the columns, then where they were read."""
        unique = list(dict.fromkeys(ids))
        places = ", ".join(f"${number}" for number in range(1, len(unique) + 1))
        columns = ", ".join((*_NAMES, *_PLACE))
        sql = f"SELECT {columns} FROM records WHERE record_id IN ({places})"  # noqa: S608 (names of our own)
        found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for row in self._database.query(sql, unique):
            found[row[_ID]].append(row)
        return found

    def _one(self, record: Written, rows: Sequence[tuple[Any, ...]], *, repeated: bool) -> None:
        """Hold one record against its rows."""
        cost, tokens = record.row[_COST], record.row[_TOKENS] or 0
        place = f"{self._topic}/{self._number}/{record.offset}"
        request_id = record.row[_REQUEST]
        if not rows:
            if self._behind is not None and record.offset >= self._behind:
                self._result.states[State.OPEN] += 1
                return
            usd = None if cost is None else -cost
            self._result.add(Finding(Kind.MISSING, request_id, NO_ROW, place, (), _cause(record), usd, -tokens))
            return
        wrong = [difference for difference in map(_compare, COLUMNS, record.row, rows[0]) if difference is not None]
        if wrong:
            self._result.add(_differing(request_id, place, record, rows[0], wrong))
        elif repeated or (self._topic, self._number, record.offset) not in [row[-3:] for row in rows]:
            self._result.counts["repeats on the topic"] += 1
        else:
            self._result.usd += cost or 0
            self._result.tokens += tokens
        if len(rows) > 1 and not repeated:
            more = len(rows) - 1
            usd = None if cost is None else cost * more
            differences = (Difference("rows", 1, len(rows)),)
            finding = Finding(
                Kind.DUPLICATE, request_id, "several rows", place, differences, Cause.DUPLICATES, usd, tokens * more
            )
            self._result.add(finding)
        elif not wrong:
            self._result.states[State.OK] += 1

    def _unfit(self, offset: int, value: bytes) -> None:
        """A record that no row can hold: the sink rejects it. What is no record at all chunks against records tells."""
        try:
            record = json.loads(value)
        except (ValueError, RecursionError):
            return
        request_id = record.get("request_id") if isinstance(record, dict) else None
        labels = record.get("labels") if isinstance(record, dict) else None
        if not isinstance(request_id, str):
            return
        if self._asked.selection.wants(request_id, labels if isinstance(labels, dict) else {}):
            self._result.counts["records"] += 1
            place = f"{self._topic}/{self._number}/{offset}"
            self._result.add(Finding(Kind.MISSING, request_id, NO_ROW, place, (), Cause.OTHER, None, 0))

    def _strangers(self, first: int, end: int, known: set[str]) -> None:
        """Rows that name an offset of the range where the topic has no such record."""
        sql = (
            "SELECT record_id, request_id, record_offset, cost, total_tokens FROM records "
            "WHERE record_topic = $1 AND record_partition = $2 AND record_offset >= $3 AND record_offset < $4"
        )
        for record_id, request_id, offset, cost, tokens in self._database.query(
            sql, (self._topic, self._number, first, end)
        ):
            if record_id not in known:
                place = f"{self._topic}/{self._number}/{offset}"
                what = "a row of no record"
                finding = Finding(Kind.DIFFERENT, request_id, what, place, (), Cause.OTHER, cost, tokens)
                self._result.add(finding)


def _position(database: Database, topic: str, number: int) -> int | None:
    """The next offset that the sink reads; None where it says nothing of it."""
    sql = "SELECT next_offset FROM positions WHERE topic = $1 AND partition = $2"
    try:
        rows = database.query(sql, (topic, number))
    except FoundProblem:  # a table that is made by hand
        return None
    return int(rows[0][0]) if rows else 0


def _cause(record: Written) -> Cause:
    return Cause.CUT_STREAMS if record.row[_STATUS] == "incomplete" else Cause.OTHER


def _differing(
    request_id: str, place: str, record: Written, row: Sequence[Any], wrong: Sequence[Difference]
) -> Finding:
    """The finding of a row that says something else."""
    names = {each.field for each in wrong}
    kind = Kind.MISPRICED if names <= _MONEY else Kind.DIFFERENT
    cached = names & {"cached_read_tokens", "cached_write_tokens"}
    unpriced = (record.row[_COST] is None) != (row[_COST] is None)
    cause = Cause.UNPRICED if unpriced else Cause.CACHED_TOKENS if cached else _cause(record)
    usd = (row[_COST] or Decimal(0)) - (record.row[_COST] or Decimal(0))
    tokens = (row[_TOKENS] or 0) - (record.row[_TOKENS] or 0)
    return Finding(kind, request_id, "another value in the row", place, tuple(wrong), cause, usd, tokens)


def _compare(column: Any, expected: Any, found: Any) -> Difference | None:
    """A difference between a record's value and a row's; of texts and documents only that they differ."""
    if column.kind is Holds.DOCUMENT:
        same = _parsed(expected) == _parsed(found)
    elif column.kind is Holds.INSTANT:
        same = _instant(expected) == _instant(found)
    elif column.kind is Holds.USD and expected is not None and found is not None:
        same = abs(Decimal(expected) - Decimal(found)) < FINEST
    elif column.kind is Holds.TEXT and isinstance(expected, str) and isinstance(found, str):
        same = _kept(expected) == _kept(found)
    else:
        same = expected == found
    if same:
        return None
    if column.kind in (Holds.DOCUMENT, Holds.TEXT):
        told = ["null" if value is None else "another value" for value in (expected, found)]
        return Difference(column.name, *told)
    return Difference(column.name, expected, found)


def _kept(text: str) -> str:
    """A text as every database can keep it: PostgreSQL has no NUL."""
    return text.replace("\x00", "\ufffd")


def _parsed(value: Any) -> Any:
    if isinstance(value, str):
        return json.loads(_kept(value).replace("\\u0000", "\\ufffd"))
    return value


def _instant(value: Any) -> datetime | None:
    """A time in UTC, however a database gives it."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if value is None or value.tzinfo is not None:
        return None if value is None else value.astimezone(UTC)
    return value.replace(tzinfo=UTC)  # type: ignore[no-any-return]
