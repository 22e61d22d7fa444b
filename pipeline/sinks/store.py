"""The ledger in a database: records and the position behind them, changed in one transaction or not at all.

The argument: a batch is written together with its next offsets, and only where the database's offsets are those that
this store wrote last (or read first). So each record of the topic is taken once, whoever else writes, whatever dies;
no consumer group is asked. Owns the SQL of that. Imports the other modules of `sinks`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pipeline.errors import DatabaseAway, Fenced, StreamledgerError, ValueRefused
from pipeline.log import get_logger
from pipeline.sinks.intake import Batch, Entry, Reject
from pipeline.sinks.line import quoted
from pipeline.sinks.migrations import migrate
from pipeline.sinks.writer import Writer, connect

_log = get_logger(__name__)

_KEPT: Final = "r.record_topic, r.record_partition, r.record_offset"
_READ: Final = "s.record_topic, s.record_partition, s.record_offset"


@dataclass(frozen=True)
class Written:
    """What became of records.

    Attributes:
        rows: New ones.
        repeats: Were there already, the same.
        conflicts: Of a record_id that is there with another digest; kept in the table of that name.
        rejects: Are no records; kept by place and reason in the table of that name.
        split: Of the repeats and conflicts, those whose request was seen on another partition too (CONTRACT §3).
    """

    rows: int = 0
    repeats: int = 0
    conflicts: int = 0
    rejects: int = 0
    split: int = 0

    def __add__(self, other: Written) -> Written:
        """Both."""
        return Written(
            self.rows + other.rows,
            self.repeats + other.repeats,
            self.conflicts + other.conflicts,
            self.rejects + other.rejects,
            self.split + other.split,
        )


class _Met(NamedTuple):
    """A record that met one of the same id."""

    partition: int
    offset: int
    request_id: str
    kept_partition: int
    kept_offset: int
    differs: bool
    split: bool

    @property
    def place(self) -> dict[str, str | int]:
        """For the log."""
        return {name: value for name, value in self._asdict().items() if name not in ("differs", "split")}


class Store:
    """The records of one topic in one database; used by one thread at a time, `interrupt` by any."""

    def __init__(self, db: str, topic: str) -> None:
        """Nothing is opened yet."""
        self._db, self._topic = db, topic
        self._writer: Writer | None = None
        self._migrated = False
        self._expected: dict[int, int] = {}
        self._stopped = threading.Event()

    def positions(self) -> dict[int, int]:
        """The next offset of each partition as the database has it, which holds for this store from now on.

        Raises:
            DatabaseAway: it does not answer, or another process holds the file.
            FoundProblem: it is newer than this program, or refuses.
            UsageError: its library is not installed.
        """
        with self._session() as writer:
            if not self._migrated:
                migrate(writer)
                self._migrated = True
            with writer.transaction():
                writer.exclude(self._topic)
                self._expected = self._found(writer)
        return dict(self._expected)

    def write(self, batch: Batch) -> Written:
        """Write a batch with the positions behind it.

        A value that the database refuses makes a reject of its record, found by halving; nothing else is held up.

        Raises:
            Fenced: somebody else has written to the database since.
            DatabaseAway, FoundProblem: as `positions`; whether it was written is for the next `positions` to say.
        """
        try:
            written = self._written(batch)
        except ValueRefused as error:
            if not any(isinstance(item, Entry) for item in batch.items):
                raise
            if len(batch.items) == 1:
                return self.write(batch.rejected("refused_by_database", str(error.hint)))
            first, second = batch.halves()
            return self.write(first) + self.write(second)
        self._expected |= batch.after
        return written

    def skip(self, after: Mapping[int, int]) -> None:
        """Go on at these offsets, leaving out what is before them, and note the gaps.

        Raises:
            As `write`.
        """
        with self._session() as writer, writer.transaction():
            self._fence(writer)
            for partition, offset in after.items():
                gap = (self._topic, partition, self._expected[partition], offset)
                writer.change("INSERT INTO gaps VALUES ($1, $2, $3, $4)", gap)
            self._advance(writer, after)
        self._expected |= after

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement.

        Raises:
            As `positions`.
        """
        with self._session() as writer:
            return writer.query(sql, parameters)

    def rest(self) -> None:
        """Let go of the database until it is needed again, if others wait for that."""
        if self._writer is not None and self._writer.alone:
            self.release()

    def release(self) -> None:
        """Let go of the database until it is needed again."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def interrupt(self) -> None:
        """Break off what the store's thread is waiting for; it waits for no lock any more."""
        self._stopped.set()
        writer = self._writer
        if writer is not None:
            with contextlib.suppress(Exception):  # it may have been closed in this moment, and the way out is the same
                writer.interrupt()

    @contextlib.contextmanager
    def _session(self) -> Iterator[Writer]:
        """The open database; where it breaks off it is opened anew the next time."""
        if self._writer is None:
            self._writer = connect(self._db, self._stopped)
        try:
            yield self._writer
        except DatabaseAway:
            with contextlib.suppress(StreamledgerError):
                self.release()
            raise

    def _written(self, batch: Batch) -> Written:
        entries = [item for item in batch.items if isinstance(item, Entry)]
        rejects = [item for item in batch.items if isinstance(item, Reject)]
        with self._session() as writer, writer.transaction():
            self._fence(writer)
            written = self._insert(writer, entries) if entries else Written()
            if rejects:
                self._reject(writer, rejects)
            self._advance(writer, batch.after)
        return written + Written(rejects=len(rejects))

    def _fence(self, writer: Writer) -> None:
        """Go on alone, and only where nobody else has been."""
        writer.exclude(self._topic)
        found = self._found(writer)
        if found != self._expected:
            partition = min(found.items() ^ self._expected.items())[0]
            raise Fenced(
                "somebody else has written to the database: its position is not ours any more",
                topic=self._topic,
                partition=partition,
                offset=found.get(partition),
                hint="one sink for each database: end the other one, or give it a database of its own",
            )

    def _found(self, writer: Writer) -> dict[int, int]:
        return dict(writer.query("SELECT partition, next_offset FROM positions WHERE topic = $1", (self._topic,)))

    def _insert(self, writer: Writer, entries: list[Entry]) -> Written:
        staged = writer.staged("records", [entry.line for entry in entries])
        rows = writer.change(f"INSERT INTO records SELECT * FROM {staged} ON CONFLICT DO NOTHING")  # noqa: S608 (ours)
        met = [] if rows == len(entries) else self._met(writer, staged)
        old = {(each.partition, each.offset) for each in met}
        contents = [
            entry.content
            for entry in entries
            if entry.content is not None and (entry.partition, entry.offset) not in old
        ]
        if contents:
            staged = writer.staged("contents", contents)
            writer.change(f"INSERT INTO contents SELECT * FROM {staged} ON CONFLICT DO NOTHING")  # noqa: S608 (ours)
        conflicts = sum(each.differs for each in met)
        return Written(rows, len(entries) - rows - conflicts, conflicts, split=sum(each.split for each in met))

    def _met(self, writer: Writer, staged: str) -> list[_Met]:
        """What was not inserted: its record_id is there, from another place. Those that differ are kept aside."""
        join = f"FROM {staged} s JOIN records r USING (record_id) WHERE ({_READ}) IS DISTINCT FROM ({_KEPT})"
        columns = (
            "s.record_partition, s.record_offset, s.request_id, r.record_partition, r.record_offset, "
            "s.digest <> r.digest, s.record_topic = r.record_topic AND s.record_partition <> r.record_partition"
        )
        rows = writer.query(f"SELECT {columns} {join} ORDER BY 1, 2")
        met = [_Met(*row) for row in rows]
        if any(each.differs for each in met):
            writer.change(f"INSERT INTO conflicts SELECT s.* {join} AND s.digest <> r.digest ON CONFLICT DO NOTHING")
        for what, found in (
            ("a record differs from the one of the same id", [each for each in met if each.differs]),
            ("a request is on two partitions", [each for each in met if each.split]),
        ):
            if found:
                _log.error(what, count=len(found), topic=self._topic, **found[0].place)
        return met

    def _reject(self, writer: Writer, rejects: list[Reject]) -> None:
        topic = quoted(self._topic)
        lines = [
            f"{topic},{each.partition},{each.offset},{quoted(each.reason)},{quoted(each.detail)}\n" for each in rejects
        ]
        staged = writer.staged("rejects", lines)
        writer.change(f"INSERT INTO rejects SELECT * FROM {staged} ON CONFLICT DO NOTHING")  # noqa: S608 (ours)
        first = rejects[0]
        place = {"topic": self._topic, "partition": first.partition, "offset": first.offset}
        _log.error("no record", count=len(rejects), table="rejects", reason=first.reason, detail=first.detail, **place)

    def _advance(self, writer: Writer, after: Mapping[int, int]) -> None:
        for partition, offset in after.items():
            if self._expected.get(partition) == offset:
                continue
            writer.change(
                "INSERT INTO positions VALUES ($1, $2, $3) "
                "ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset",
                (self._topic, partition, offset),
            )
