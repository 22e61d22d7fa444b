"""Labels in SQL: a key that somebody wrote is a parameter, whatever it is made of.

Imports the database's dialects.
"""

from __future__ import annotations

from pipeline.sinks.database import Dialect


def key_of(dialect: Dialect, key: str) -> str:
    """What to pass as the parameter: DuckDB takes a JSON pointer, PostgreSQL the key itself."""
    if dialect is Dialect.POSTGRES:
        return key
    return "/" + key.replace("~", "~0").replace("/", "~1")


def value_of(dialect: Dialect, place: str) -> str:
    """The value in the column `labels` of the key that is the parameter `place`, or null."""
    if dialect is Dialect.POSTGRES:
        return f"(CAST(labels AS JSONB) ->> CAST({place} AS TEXT))"
    return f"json_extract_string(CAST(labels AS JSON), {place})"
