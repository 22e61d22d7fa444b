"""The schema of a database of records: made, brought up to date step by step, refused where it is newer than we are.

Owns the tables `schema_versions` and `schema_views`, and when views are made anew. Imports `steps`, `sinks.views` and
the writing side of `sinks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pipeline.errors import FoundProblem
from pipeline.sinks.database import Dialect
from pipeline.sinks.migrations.steps import STEPS, Step
from pipeline.sinks.row import Kind
from pipeline.sinks.views import VIEWS, View
from pipeline.sinks.writer import Writer

TYPES: Final[Mapping[Dialect, Mapping[str, str]]] = {
    Dialect.DUCKDB: {
        Kind.TEXT: "VARCHAR",
        Kind.COUNT: "BIGINT",
        Kind.FLAG: "BOOLEAN",
        Kind.INSTANT: "TIMESTAMP",
        Kind.USD: "DECIMAL(38,18)",
        Kind.RATE: "DOUBLE",
        Kind.DOCUMENT: "JSON",
        "json": "JSON",
    },
    Dialect.POSTGRES: {
        Kind.TEXT: "TEXT",
        Kind.COUNT: "BIGINT",
        Kind.FLAG: "BOOLEAN",
        Kind.INSTANT: "TIMESTAMPTZ",
        Kind.USD: "NUMERIC(38,18)",
        Kind.RATE: "DOUBLE PRECISION",
        Kind.DOCUMENT: "JSONB",
        "json": "JSON",
    },
}
"""What each kind is called; `json` is text that is kept as it came, which JSONB would not."""

_VIEWS_TABLE: Final = (
    "CREATE TABLE schema_views (number INTEGER PRIMARY KEY, name VARCHAR NOT NULL, definition VARCHAR NOT NULL)"
)


def migrate(writer: Writer, steps: Sequence[Step] = STEPS, views: Sequence[View] = VIEWS) -> list[int]:
    """Bring a database up to date, an empty one too: each step whole or not at all; then its views.

    Returns:
        Numbers of the steps that were done now.

    Raises:
        FoundProblem: it is newer than this program, or the user may not change it.
    """
    done = []
    with writer.transaction():
        writer.exclude("streamledger schema")
        tables = set(writer.tables())
        if "schema_versions" not in tables:
            if "records" in tables:
                text = "the database has a table records that no sink has made"
                raise FoundProblem(text, hint="give the sink a database, or a schema, of its own")
            writer.change("CREATE TABLE schema_versions (version INTEGER PRIMARY KEY, what VARCHAR NOT NULL)")
            writer.change(_VIEWS_TABLE)
    for number, step in enumerate(steps, 1):
        with writer.transaction():
            writer.exclude("streamledger schema")
            if _version(writer, len(steps)) >= number:
                continue
            for statement in step.sql + (step.postgres if writer.dialect is Dialect.POSTGRES else ()):
                writer.change(statement.format_map(TYPES[writer.dialect]))
            _drop(writer)
            writer.change("INSERT INTO schema_versions VALUES ($1, $2)", (number, step.what))
        done.append(number)
    with writer.transaction():
        writer.exclude("streamledger schema")
        _make(writer, views)
    return done


def _version(writer: Writer, known: int) -> int:
    found = int(writer.query("SELECT coalesce(max(version), 0) FROM schema_versions")[0][0])
    if found > known:
        text = f"the database has schema version {found}, this program knows {known}"
        raise FoundProblem(text, hint="a newer streamledger has written it: use that one")
    return found


def _drop(writer: Writer) -> None:
    """Take our views away: a step may change what they stand on. The database refuses where others stand on them."""
    for (name,) in writer.query("SELECT name FROM schema_views ORDER BY number DESC"):
        writer.change(f'DROP VIEW IF EXISTS "{name}"')
    writer.change("DELETE FROM schema_views")


def _make(writer: Writer, views: Iterable[View]) -> None:
    """Make the views anew if one of them is not as it should be; otherwise nothing is locked."""
    postgres = writer.dialect is Dialect.POSTGRES
    wanted = [(view.name, view.postgres if postgres and view.postgres else view.duckdb, view.what) for view in views]
    made = writer.query("SELECT name, definition FROM schema_views ORDER BY number")
    if made == [(name, sql) for name, sql, _ in wanted]:
        return
    _drop(writer)
    for number, (name, sql, what) in enumerate(wanted):
        comment = what.replace("'", "''")
        writer.change(f'CREATE VIEW "{name}" AS {sql}')
        writer.change(f"COMMENT ON VIEW \"{name}\" IS '{comment}'")
        writer.change("INSERT INTO schema_views VALUES ($1, $2, $3)", (number, name, sql))
