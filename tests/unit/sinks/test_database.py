"""How a database is named, opened and refused."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pipeline.errors import DatabaseAway, DatabaseHeld, FoundProblem, UsageError
from pipeline.sinks.database import Dialect, dialect_of, masked, opened, postgres_connection
from pipeline.sinks.plan import Summary
from pipeline.sinks.store import Written


@pytest.mark.parametrize(
    ("db", "shown"),
    [
        ("ledger.duckdb", "ledger.duckdb"),
        ("postgresql://h/n", "postgresql://h/n"),
        ("postgresql://u@h/n", "postgresql://u@h/n"),
        ("postgresql://u:se@h/n", "postgresql://u:***@h/n"),
        ("postgres://u:s%40e:c@h:5432/n?sslpassword=d", "postgres://u:***@h:5432/n?sslpassword=***"),
        ("postgresql://:secret@/n", "postgresql://:***@/n"),
        ("postgresql:///n?user=u&password=secret&host=h", "postgresql:///n?user=u&password=***&host=h"),
        ("postgresql:///n?password=secret", "postgresql:///n?password=***"),
        ("postgresql://u:pa@ss@h/n", "postgresql://u:***@h/n"),
        ("postgresql://u:pa/ss?#@h/n", "postgresql://u:***@h/n"),
    ],
)
def test_a_password_is_never_shown(db: str, shown: str) -> None:
    """Wherever it stands in the URL, one that should have been escaped too."""
    assert masked(db) == shown
    assert Summary(Written(rows=1)).document(db, "t")["db"] == shown


def test_a_name_says_which_database() -> None:
    """A URL is PostgreSQL, anything else a file."""
    assert dialect_of("postgresql://h/n") is dialect_of("postgres://h/n") is Dialect.POSTGRES
    assert dialect_of("postgresql.duckdb") is Dialect.DUCKDB


def test_a_file_that_is_not_there_is_not_made_by_a_reader(tmp_path: Path) -> None:
    """The line says how it is made."""
    path = tmp_path / "l.duckdb"
    with pytest.raises(UsageError, match="sink duckdb --db") as refused, opened(str(path)):
        pass
    assert refused.value.exit_code == 2
    assert not path.exists()


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """In one line, without a wait."""
    path = tmp_path / "l.duckdb"
    path.write_bytes(b"not a database" * 1_000)
    with pytest.raises(FoundProblem, match="is it a DuckDB file"), opened(str(path)):
        pass


def test_a_value_of_a_refused_statement_is_not_quoted(tmp_path: Path) -> None:
    """G7: what a cast could not read may be content."""
    path = str(tmp_path / "l.duckdb")
    duckdb.connect(path).close()
    with opened(path) as database, pytest.raises(FoundProblem) as refused:
        database.query("SELECT CAST($1 AS INTEGER)", ("secret",))
    assert "secret" not in str(refused.value)


def test_a_server_that_does_not_answer_is_away() -> None:
    """Its password is in no text."""
    with pytest.raises(DatabaseAway, match="can't be reached") as away:
        postgres_connection("postgresql://u:secret@127.0.0.1:1/n", connect_timeout=5)
    assert "secret" not in str(away.value)
    assert not isinstance(away.value, DatabaseHeld)


def test_a_url_that_is_none_is_bad_usage() -> None:
    """And is not repeated: it may have a password in it."""
    with pytest.raises(UsageError) as refused:
        postgres_connection("postgresql://u:secret@h:notaport:x/%zz")
    assert "secret" not in str(refused.value)
