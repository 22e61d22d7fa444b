"""A database of records as the sink writes it: transactions, lines loaded in bulk, one writer at a time.

Owns what differs between DuckDB and PostgreSQL in writing. Lines are CSV of one form that both read: empty is null,
`""` is the empty text, a quote is doubled, a line ends with LF. Imports `sinks.database` and `sinks.row`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from pipeline.sinks.database import (
    LOCK_SECONDS,
    Database,
    Dialect,
    DuckDb,
    Postgres,
    dialect_of,
    duckdb_connection,
    duckdb_errors,
    postgres_connection,
    postgres_errors,
)

LINE_BYTES: Final = 32 << 20
"""Longest line: a record of 8 MiB may be all of one label, and all of it quotes."""
DUCKDB: Final = {"memory_limit": "1GB", "checkpoint_threshold": "128MB"}
"""A sink shares its machine; and a checkpoint for each batch would write the table's tail again and again."""
POSTGRES: Final[dict[str, str | int]] = {
    "application_name": "streamledger",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "options": "-c lock_timeout=30s -c idle_in_transaction_session_timeout=60s -c timezone=UTC",
}
"""A peer that is gone without a word is noticed within half a minute, by both sides."""


class Writer(Database, Protocol):
    """A database that is open for writing."""

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; how many rows it changed.

        Raises:
            FoundProblem: the database refuses it; DatabaseAway: it broke off; ValueRefused: a value does not fit.
        """

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        """All of the block or nothing."""

    def exclude(self, name: str) -> None:
        """Until the end of the transaction nobody else is past this line with the same name."""

    def tables(self) -> list[str]:
        """Names of the tables that are here."""

    def staged(self, table: str, lines: Sequence[str]) -> str:
        """Bring in lines of a table's columns; what to select them from, within the transaction.

        Raises:
            As `change`.
        """

    def interrupt(self) -> None:
        """Break off what another thread is waiting for here."""

    def close(self) -> None:
        """Let go of the database."""


def connect(db: str, stopped: threading.Event) -> Writer:
    """Open a database for writing; a DuckDB file is made where there is none.

    Args:
        db: Path of a DuckDB file, or a postgresql:// URL.
        stopped: Ends waiting for a DuckDB file that another process has open.

    Raises:
        UsageError: its library is not installed.
        DatabaseHeld: another process has the DuckDB file open, for LOCK_SECONDS now.
        DatabaseAway: PostgreSQL can't be reached.
        FoundProblem: it can't be opened.
    """
    if dialect_of(db) is Dialect.POSTGRES:
        return PostgresWriter(postgres_connection(db, **POSTGRES))
    path = Path(db)
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_SECONDS
    connection = duckdb_connection(db, lambda: not stopped.wait(0) and time.monotonic() < deadline, read_only=False)
    return DuckDbWriter(connection, path)


class DuckDbWriter(DuckDb):
    """A DuckDB file; whoever has it open is the only one."""

    def __init__(self, connection: Any, path: Path) -> None:
        """Take over an open connection to the file."""
        super().__init__(connection)
        self._lines = path.with_name(f"{path.name}.batch")
        for name, value in DUCKDB.items():
            connection.execute(f"SET {name} = '{value}'")

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """As `Writer` says."""
        rows = self.query(sql, parameters)
        return int(rows[0][0]) if rows and isinstance(rows[0][0], int) else 0

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """As `Writer` says."""
        self.query("BEGIN")
        try:
            yield
            self.query("COMMIT")
        except BaseException:
            with contextlib.suppress(Exception):
                self.connection.rollback()
            raise

    def exclude(self, name: str) -> None:
        """Nothing to do: the lock on the file keeps others out."""

    def tables(self) -> list[str]:
        """As `Writer` says."""
        return [name for (name,) in self.query("SELECT table_name FROM duckdb_tables() WHERE NOT internal")]

    def staged(self, table: str, lines: Sequence[str]) -> str:
        """As `Writer` says: the lines go into a file beside the database, which DuckDB reads in bulk."""
        with self._lines.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)
        columns = self.query("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = $1", (table,))
        types = ", ".join(f"'{name}': '{kind}'" for name, kind in columns)
        path = str(self._lines).replace("'", "''")
        return (
            f"read_csv('{path}', columns = {{{types}}}, header = false, auto_detect = false, delim = ',', "
            f"quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, new_line = '\\n', "
            f"parallel = false, max_line_size = {LINE_BYTES})"
        )

    def interrupt(self) -> None:
        """As `Writer` says."""
        self.connection.interrupt()

    def close(self) -> None:
        """As `Writer` says."""
        with duckdb_errors():
            self.connection.close()
        self._lines.unlink(missing_ok=True)


class PostgresWriter(Postgres):
    """A PostgreSQL database; a session of its own, no pooled transaction."""

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """As `Writer` says."""
        with postgres_errors():
            return int(self.connection.execute(sql, list(parameters) or None).rowcount)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """As `Writer` says."""
        with postgres_errors(), self.connection.transaction():
            yield

    def exclude(self, name: str) -> None:
        """As `Writer` says; also a writer that is gone, whose server still works on its last transaction."""
        self.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", (name,))

    def tables(self) -> list[str]:
        """As `Writer` says."""
        return [
            name for (name,) in self.query("SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()")
        ]

    def staged(self, table: str, lines: Sequence[str]) -> str:
        """As `Writer` says: COPY into a temporary table that is empty again after the transaction."""
        name = f"staged_{table}"
        self.change(f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} (LIKE {table}) ON COMMIT DELETE ROWS")
        with (
            postgres_errors(),
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY {name} FROM STDIN (FORMAT csv)") as copy,
        ):
            copy.write("".join(lines))
        return name

    def interrupt(self) -> None:
        """As `Writer` says."""
        self.connection.cancel()

    def close(self) -> None:
        """As `Writer` says."""
        self.connection.close()
