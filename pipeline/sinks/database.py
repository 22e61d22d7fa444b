"""A database of records, DuckDB or PostgreSQL, as its readers see it: SQL in, rows out, one error tree.

Owns how it is named on a command line, opened and closed, and what is said when that fails. Imports duckdb or psycopg
only when one is opened.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

from pipeline.errors import FoundProblem, UsageError

URLS: Final = ("postgresql://", "postgres://")
LOCK_SECONDS: Final = 10.0
"""How long a DuckDB file that another process has open is waited for: a sink lets go of it whenever it is idle."""
_LOOK_SECONDS: Final = 0.1
INSTALL: Final = "pip install 'streamledger[sinks]'"


class Dialect(StrEnum):
    """Whose SQL."""

    DUCKDB = "duckdb"
    POSTGRES = "postgres"


class Database(Protocol):
    """An open database."""

    @property
    def dialect(self) -> Dialect:
        """Whose SQL it understands."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement whose parameters are written $1, $2, ….

        Raises:
            FoundProblem: the database refuses it.
        """


class _DuckDb:
    dialect = Dialect.DUCKDB

    def __init__(self, connection: Any, errors: type[Exception]) -> None:
        self._connection, self._errors = connection, errors

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self._connection.execute(sql, list(parameters)).fetchall()
        except self._errors as error:
            raise _refused(error) from error
        return rows


class _Postgres:
    dialect = Dialect.POSTGRES

    def __init__(self, connection: Any, errors: type[Exception]) -> None:
        self._connection, self._errors = connection, errors

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            cursor = self._connection.execute(sql, list(parameters) or None)
            return cursor.fetchall() if cursor.description is not None else []
        except self._errors as error:
            raise _refused(error) from error


def dialect_of(db: str) -> Dialect:
    """Which database a name means: a postgresql:// URL, else the path of a DuckDB file."""
    return Dialect.POSTGRES if db.startswith(URLS) else Dialect.DUCKDB


@contextlib.contextmanager
def opened(db: str, *, wait: float = LOCK_SECONDS) -> Iterator[Database]:
    """Open a database for reading, for the block.

    Args:
        db: Path of a DuckDB file, or a postgresql:// URL.
        wait: Seconds to wait for a DuckDB file that another process has open.

    Raises:
        UsageError: there is none, or its library is not installed.
        FoundProblem: it can't be opened.
    """
    if dialect_of(db) is Dialect.POSTGRES:
        with _postgres(db) as database:
            yield database
    else:
        with _duckdb(db, wait) as database:
            yield database


@contextlib.contextmanager
def _duckdb(path: str, wait: float) -> Iterator[Database]:
    try:
        import duckdb  # noqa: PLC0415 (optional)
    except ImportError as error:
        raise UsageError("DuckDB is not installed", hint=INSTALL) from error
    if not Path(path).is_file():
        raise UsageError(f"there is no database {path}", hint=f"make it: streamledger sink duckdb --db {path}")
    deadline = time.monotonic() + wait
    while True:
        try:
            connection = duckdb.connect(path, read_only=True)
            break
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise FoundProblem(f"{path} can't be opened", hint="is it a DuckDB file?") from error
            if time.monotonic() > deadline:
                text = f"{path} is held open by another process for {wait:g} s"
                raise FoundProblem(text, hint="a sink that catches up holds it; try again, or stop the sink") from error
        time.sleep(_LOOK_SECONDS)
    with contextlib.closing(connection):
        yield _DuckDb(connection, duckdb.Error)


@contextlib.contextmanager
def _postgres(url: str) -> Iterator[Database]:
    try:
        import psycopg  # noqa: PLC0415 (optional)
    except ImportError as error:
        raise UsageError("psycopg is not installed", hint=INSTALL) from error
    try:
        connection = psycopg.connect(url, autocommit=True, cursor_factory=psycopg.RawCursor)
    except psycopg.Error as error:
        raise FoundProblem("PostgreSQL can't be reached", hint=_first_line(error)) from error
    with contextlib.closing(connection):
        yield _Postgres(connection, psycopg.Error)


def _refused(error: Exception) -> FoundProblem:
    return FoundProblem("the database refuses", hint=_first_line(error))


def _first_line(error: Exception) -> str:
    """What a database says, without the statement that it quotes below."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
