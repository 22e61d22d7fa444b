"""A database of records, DuckDB or PostgreSQL, as its readers see it: SQL in, rows out, one error tree.

Owns how it is named on a command line, opened and closed, and what is said when that fails. Imports duckdb or psycopg
only when one is opened.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

from pipeline.errors import DatabaseAway, DatabaseHeld, FoundProblem, UsageError, ValueRefused

URLS: Final = ("postgresql://", "postgres://")
LOCK_SECONDS: Final = 10.0
"""How long a DuckDB file that another process has open is waited for: a sink lets go of it whenever it is idle."""
_LOOK_SECONDS: Final = 0.05
INSTALL: Final = "pip install 'streamledger[sinks]'"
_PASSWORD: Final = re.compile(r"(?<=://)([^@/?#:]*):.*@|(?<=password=)[^&]*")
"""Up to the last @: one that should have been escaped is masked too, and rather too much than too little."""


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
            FoundProblem: the database refuses it; DatabaseAway: it broke off.
        """


class DuckDb:
    """A DuckDB file."""

    dialect = Dialect.DUCKDB

    def __init__(self, connection: Any) -> None:
        """Take over an open connection."""
        self.connection = connection

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """As `Database` says."""
        with duckdb_errors():
            rows: list[tuple[Any, ...]] = self.connection.execute(sql, list(parameters)).fetchall()
        return rows


class Postgres:
    """A PostgreSQL database."""

    dialect = Dialect.POSTGRES

    def __init__(self, connection: Any) -> None:
        """Take over an open connection, whose cursors are raw ones."""
        self.connection = connection

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """As `Database` says."""
        with postgres_errors():
            cursor = self.connection.execute(sql, list(parameters) or None)
            return cursor.fetchall() if cursor.description is not None else []


def dialect_of(db: str) -> Dialect:
    """Which database a name means: a postgresql:// URL, else the path of a DuckDB file."""
    return Dialect.POSTGRES if db.startswith(URLS) else Dialect.DUCKDB


def masked(db: str) -> str:
    """A name that may be shown: without its password."""
    if dialect_of(db) is Dialect.DUCKDB and "://" not in db:
        return db
    return _PASSWORD.sub(lambda found: "***" if found[1] is None else f"{found[1]}:***@", db)


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
        with contextlib.closing(postgres_connection(db)) as connection:
            yield Postgres(connection)
    else:
        deadline = time.monotonic() + wait
        with contextlib.closing(
            duckdb_connection(db, lambda: time.monotonic() < deadline, read_only=True)
        ) as connection:
            yield DuckDb(connection)


def duckdb_connection(path: str, patient: Callable[[], bool], *, read_only: bool) -> Any:
    """Open a DuckDB file; one that is to be written is made where there is none.

    Args:
        path: Of the file.
        patient: Asked again and again while another process has it open, whether to go on waiting.
        read_only: Whether nothing will be written.

    Raises:
        UsageError: there is none, or DuckDB is not installed.
        DatabaseHeld: another process has it open.
        FoundProblem: it can't be opened.
    """
    try:
        import duckdb  # noqa: PLC0415 (optional)
    except ImportError as error:
        raise UsageError("DuckDB is not installed", hint=INSTALL) from error
    _a_file(path)
    if read_only:
        must_be_there(path)
    while True:
        try:
            return duckdb.connect(path, read_only=read_only)
        except duckdb.Error as error:
            if not isinstance(error, duckdb.IOException) or "lock" not in str(error):
                raise FoundProblem(f"{path} can't be opened", hint="is it a DuckDB file?") from error
            if not patient():
                text = f"{path} is held open by another process"
                raise DatabaseHeld(text, hint="a sink that catches up holds it; try again, or stop the sink") from error
        time.sleep(_LOOK_SECONDS)


def must_be_there(db: str) -> None:
    """See that a DuckDB file is there, before anything is done for its sake; a URL is not tried.

    Raises:
        UsageError: there is none.
    """
    if dialect_of(db) is Dialect.DUCKDB:
        _a_file(db)
        if not Path(db).is_file():
            raise UsageError(f"there is no database {db}", hint=f"make it: streamledger sink duckdb --db {db}")


def _a_file(path: str) -> None:
    """Refuse what can't be the path of a file; DuckDB would ask whether it is one of its own."""
    if "://" in path:
        text = f"{masked(path)} is no database that is known here"
        raise UsageError(text, hint="name a DuckDB file, or a postgresql:// URL")
    if Path(path).is_dir():
        raise UsageError(f"{path} is a directory", hint="name a file in it")


def postgres_connection(url: str, **options: str | int) -> Any:
    """Connect to PostgreSQL, each statement a transaction of its own unless one is begun.

    Args:
        url: Where it is; libpq's environment fills in what it leaves out.
        options: libpq's, for what the URL leaves out.

    Raises:
        UsageError: psycopg is not installed, or the URL can't be read.
        DatabaseAway: it can't be reached.
    """
    try:
        import psycopg  # noqa: PLC0415 (optional)
        from psycopg.conninfo import conninfo_to_dict, make_conninfo  # noqa: PLC0415 (optional)
    except ImportError as error:
        raise UsageError("psycopg is not installed", hint=INSTALL) from error
    try:
        told = conninfo_to_dict(url)
        whole = make_conninfo(url, **{name: value for name, value in options.items() if name not in told})
    except psycopg.ProgrammingError as error:
        raise UsageError("the URL of the database can't be read", hint="write postgresql://user@host/name") from error
    try:
        return psycopg.connect(whole, autocommit=True, cursor_factory=psycopg.RawCursor)
    except psycopg.Error as error:
        raise DatabaseAway("PostgreSQL can't be reached", hint=_first_line(error)) from error


@contextlib.contextmanager
def duckdb_errors() -> Iterator[None]:
    """What DuckDB says against the block comes out as an error of ours; what it says of a value would quote it."""
    import duckdb  # noqa: PLC0415 (optional)

    try:
        yield
    except duckdb.InterruptException as error:
        raise DatabaseAway("DuckDB was interrupted") from error
    except (duckdb.DataError, duckdb.InvalidInputException) as error:
        raise ValueRefused("the database refuses a value", hint=type(error).__name__) from error
    except duckdb.Error as error:
        raise FoundProblem("the database refuses", hint=_first_line(error)) from error


@contextlib.contextmanager
def postgres_errors() -> Iterator[None]:
    """The same of PostgreSQL."""
    import psycopg  # noqa: PLC0415 (optional)

    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseAway("PostgreSQL broke off", hint=_first_line(error)) from error
    except psycopg.DataError as error:
        raise ValueRefused("the database refuses a value", hint=type(error).__name__) from error
    except psycopg.Error as error:
        raise FoundProblem("the database refuses", hint=_first_line(error)) from error


def _first_line(error: Exception) -> str:
    """What a database says, without the statement that it quotes below."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
