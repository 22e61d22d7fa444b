"""What is known of requests while a reconciliation runs: an SQLite file, so that a million of them need no memory.

Owns the tables, and the tallies that are in memory because their chunks come now.  The file is a temporary one, or the
state of `--follow`.  Imports sqlite3.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import msgspec

from pipeline.errors import FoundProblem, UsageError
from pipeline.ops.reconcile.claim import Claim
from pipeline.ops.reconcile.tally import Tally, decode, encode

ROOM: Final = 300_000
"""Identities whose tallies are held in memory; about 60 MB."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS tallies (partition INTEGER, id TEXT, tally BLOB, changed INTEGER, last INTEGER,
    PRIMARY KEY (partition, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (partition INTEGER, id TEXT, offset INTEGER, claim BLOB, fresh INTEGER,
    PRIMARY KEY (partition, id, offset)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (partition INTEGER, offset INTEGER, reason TEXT,
    PRIMARY KEY (partition, offset)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (topic TEXT, partition INTEGER, next INTEGER, PRIMARY KEY (topic, partition));
CREATE TABLE IF NOT EXISTS done (partition INTEGER, id TEXT, until INTEGER, PRIMARY KEY (partition, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (partition INTEGER, id TEXT, what TEXT,
    PRIMARY KEY (partition, id, what)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT);
"""
_encode_claim: Final = msgspec.msgpack.Encoder().encode
_decode_claim: Final = msgspec.msgpack.Decoder(Claim).decode


class Row(NamedTuple):
    """A request with all that is known of it."""

    partition: int
    request_id: str
    tally: Tally | None
    claims: list[Claim]


@contextlib.contextmanager
def sqlite_errors(file: object) -> Iterator[None]:
    """What SQLite can't do with a file, in the words of a command: most often the disk is full.

    Raises:
        UsageError: the file is none of SQLite.
        FoundProblem: anything else.
    """
    try:
        yield
    except sqlite3.Error as error:
        what = getattr(error, "sqlite_errorname", type(error).__name__)
        if what == "SQLITE_NOTADB":
            raise UsageError(f"{file} is no state of a reconciliation", hint="name another file") from error
        hint = "make room where it lies; temporary files go to TMPDIR"
        raise FoundProblem(f"{file} can't be read or written: {what}", hint=hint) from error


class Store:
    """Tallies, claims, dead letters, positions."""

    def __init__(self, path: Path | None = None) -> None:
        """Open a file; without a path, a temporary one that goes with the store.

        Raises:
            UsageError: the file is none of ours.
            FoundProblem: it can't be written.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="streamledger-") if path is None else None
        file = Path(self._folder.name) / "reconcile.db" if self._folder is not None else path
        self._file = file
        with sqlite_errors(file):
            self._db = sqlite3.connect(file or "", isolation_level=None)
            self._db.execute(f"PRAGMA journal_mode = {'OFF' if path is None else 'WAL'}")
            self._db.execute(f"PRAGMA synchronous = {'OFF' if path is None else 'NORMAL'}")
            self._db.executescript(_TABLES)
        self._held: dict[tuple[int, str], Tally] = {}
        self._size = 0
        self._db.execute("BEGIN")

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Close, and forget what nobody kept; an error of SQLite is told as one of the file."""
        self._db.close()
        if self._folder is not None:
            self._folder.cleanup()
        if isinstance(error, sqlite3.Error):
            with sqlite_errors(self._file):
                raise error

    def keep(self) -> None:
        """Put all into the file: what was read and how far, together."""
        self._spill(0)
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")

    # ---- chunks --------------------------------------------------------------------------------------------------

    def tally(self, partition: int, request_id: str) -> Tally | None:
        """The tally of a request; what is changed in it is kept."""
        place = partition, request_id
        found = self._held.pop(place, None)
        if found is None:
            row = self._db.execute("SELECT tally FROM tallies WHERE partition = ? AND id = ?", place).fetchone()
            if row is None:
                return None
            found = decode(row[0])
            self._size += found.size
        self._held[place] = found  # the last one used is the last to go
        return found

    def open(self, partition: int, tally: Tally) -> Tally:
        """Hold a new tally."""
        self._held[partition, tally.request_id] = tally
        self._size += tally.size
        return tally

    def grew(self) -> None:
        """Hear of one more identity; the tallies that were not used for longest go to the file when there are many."""
        self._size += 1
        if self._size > ROOM:
            self._spill(ROOM // 2)

    def _spill(self, room: int) -> None:
        rows = []
        for place in list(self._held):
            if self._size <= room and room:
                break
            tally = self._held.pop(place)
            self._size -= tally.size
            rows.append((*place, encode(tally), tally.last_ms))
        if not self._held:
            self._size = 0
        self._db.executemany("INSERT OR REPLACE INTO tallies VALUES (?, ?, ?, 1, ?)", rows)

    # ---- dead letters and records --------------------------------------------------------------------------------

    def add_refused(self, letters: Iterable[tuple[int, int, str]]) -> None:
        """Remember dead letters: partition, offset, reason."""
        self._db.executemany("INSERT OR REPLACE INTO refused VALUES (?, ?, ?)", letters)

    def refused(self, partition: int, begin: int, end: int) -> Iterator[tuple[int, str]]:
        """Offset and reason of the dead letters of a range, rising."""
        sql = "SELECT offset, reason FROM refused WHERE partition = ? AND offset >= ? AND offset < ? ORDER BY offset"
        yield from self._db.execute(sql, (partition, begin, end))

    def forget_refused(self, partition: int, end: int) -> None:
        """Give up the dead letters of chunks that were counted."""
        self._db.execute("DELETE FROM refused WHERE partition = ? AND offset < ?", (partition, end))

    def add_claims(self, claims: Iterable[Claim]) -> None:
        """Remember records, by the partition of their chunks."""
        rows = (
            (claim.partition if claim.source is None else claim.source, claim.request_id, claim.offset, claim)
            for claim in claims
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, 1)", ((*row[:3], _encode_claim(row[3])) for row in rows)
        )

    # ---- all of it -----------------------------------------------------------------------------------------------

    def rows(self, *, fresh: bool = False) -> Iterator[Row]:
        """Every request in the order of partition and id; with `fresh` those of which something is new."""
        self._spill(0)
        changed = "WHERE changed" if fresh else ""
        new = "WHERE fresh" if fresh else ""
        sql = f"SELECT partition, id FROM tallies {changed} UNION SELECT partition, id FROM claims {new} ORDER BY 1, 2"  # noqa: S608
        cursor = self._db.execute(sql)
        for partition, request_id in cursor.fetchall() if fresh else cursor:  # those with news change meanwhile
            tally = self._db.execute(
                "SELECT tally FROM tallies WHERE partition = ? AND id = ?", (partition, request_id)
            ).fetchone()
            yield Row(
                partition, request_id, None if tally is None else decode(tally[0]), self.claims(partition, request_id)
            )

    def claims(self, partition: int, request_id: str) -> list[Claim]:
        """The records of a request, in the order of the topic."""
        sql = "SELECT claim FROM claims WHERE partition = ? AND id = ? ORDER BY offset"
        return [_decode_claim(value) for (value,) in self._db.execute(sql, (partition, request_id))]

    def unclaimed(self) -> set[tuple[int, str]]:
        """Requests without a record."""
        self._spill(0)
        found = "SELECT 1 FROM claims c WHERE c.partition = t.partition AND c.id = t.id"
        sql = f"SELECT partition, id FROM tallies t WHERE NOT EXISTS ({found})"  # noqa: S608 (own words)
        return set(self._db.execute(sql))

    def parted(self) -> Iterator[tuple[str, list[int]]]:
        """Requests whose chunks lie in several partitions."""
        self._spill(0)
        sql = "SELECT id, group_concat(partition) FROM tallies GROUP BY id HAVING count(*) > 1 ORDER BY id"
        for request_id, listed in self._db.execute(sql):
            yield request_id, sorted(int(number) for number in listed.split(","))

    # ---- positions -----------------------------------------------------------------------------------------------

    def place(self, topic: str, partition: int) -> int | None:
        """Next offset to read; None: nothing was read yet."""
        sql = "SELECT next FROM places WHERE topic = ? AND partition = ?"
        row = self._db.execute(sql, (topic, partition)).fetchone()
        return None if row is None else int(row[0])

    def move(self, topic: str, partition: int, offset: int) -> None:
        """Remember the next offset to read."""
        self._db.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?)", (topic, partition, offset))

    def fact(self, name: str) -> Any:
        """A value that was remembered by name."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0])

    def remember(self, name: str, value: Any) -> None:
        """Remember a value by name."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, msgspec.json.encode(value).decode()))

    # ---- what --follow remembers ---------------------------------------------------------------------------------

    def judged(self, row: Row) -> None:
        """Nothing is new of a request any more."""
        self._db.execute("UPDATE tallies SET changed = 0 WHERE partition = ? AND id = ?", row[:2])
        self._db.execute("UPDATE claims SET fresh = 0 WHERE partition = ? AND id = ?", row[:2])

    def is_new(self, row: Row, what: str) -> bool:
        """Whether this was not said of a request before; now it was."""
        done = self._db.execute("INSERT OR IGNORE INTO told VALUES (?, ?, ?)", (*row[:2], what))
        return done.rowcount > 0

    def settle(self, before: int, until: int) -> None:
        """Give up what was judged and had no chunk since `before`, and remember its ids `until` then, both in ms."""
        self._spill(0)
        sql = "SELECT partition, id FROM tallies WHERE NOT changed AND last < ?"
        old = self._db.execute(sql, (before,)).fetchall()
        self._db.executemany("INSERT OR REPLACE INTO done VALUES (?, ?, ?)", ((*place, until) for place in old))
        for table in ("tallies", "claims", "told"):
            self._db.executemany(f"DELETE FROM {table} WHERE partition = ? AND id = ?", old)  # noqa: S608 (own names)

    def give_up(self, row: Row, until: int) -> None:
        """Forget a request but for its id."""
        self._db.execute("INSERT OR REPLACE INTO done VALUES (?, ?, ?)", (*row[:2], until))
        for table in ("tallies", "claims", "told"):
            self._db.execute(f"DELETE FROM {table} WHERE partition = ? AND id = ?", row[:2])  # noqa: S608 (own names)

    def is_done(self, partition: int, request_id: str) -> bool:
        """Whether a request was judged and given up."""
        row = self._db.execute("SELECT 1 FROM done WHERE partition = ? AND id = ?", (partition, request_id)).fetchone()
        return row is not None

    def purge(self, now: int) -> None:
        """Forget ids whose time is over."""
        self._db.execute("DELETE FROM done WHERE until < ?", (now,))
