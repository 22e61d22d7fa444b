"""Content of requests in a database of records: found, and deleted.

Only the table `contents` has any; rows of records have none, and what could not become a row is kept by its place
alone. Imports the database and its writing side.
"""
# ruff: noqa: S608 (statements are put together of names that stand here; what people write is a parameter)

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from pipeline.sinks.database import Database, Dialect, opened
from pipeline.sinks.label import key_of, value_of
from pipeline.sinks.writer import connect

SLICE: Final = 1_000
"""Ids in one statement."""

Condition = tuple[str, list[Any]]
"""A WHERE and its parameters."""


def contents(db: str, request_ids: Collection[str], labels: Mapping[str, str]) -> dict[str, int]:
    """Rows of content by request id: of these requests, and of those with all of the labels if there are any.

    Raises:
        UsageError: there is no such database, or its library is not installed.
        FoundProblem: it can't be opened or asked.
    """
    found: dict[str, int] = {}
    with opened(db) as database:
        if _kept(database):
            for where, parameters in _conditions(database.dialect, request_ids, labels):
                sql = f"SELECT request_id, COUNT(*) FROM contents WHERE {where} GROUP BY 1"
                found.update(database.query(sql, parameters))
    return found


def delete(db: str, request_ids: Collection[str], labels: Mapping[str, str]) -> int:
    """Delete the same rows, all or none; how many.

    Raises:
        DatabaseHeld: another process has the DuckDB file open.
        FoundProblem: it can't be opened or changed.
    """
    with contextlib.closing(connect(db, threading.Event())) as writer, writer.transaction():
        return sum(
            writer.change(f"DELETE FROM contents WHERE {where}", parameters)
            for where, parameters in _conditions(writer.dialect, request_ids, labels)
        )


def _kept(database: Database) -> bool:
    return bool(database.query("SELECT 1 FROM information_schema.tables WHERE table_name = 'contents'"))


def _conditions(dialect: Dialect, request_ids: Collection[str], labels: Mapping[str, str]) -> Iterator[Condition]:
    """Few ids at a time; labels through the rows of records, any revision of which may carry them."""
    ids = sorted(request_ids)
    for first in range(0, len(ids), SLICE):
        part = ids[first : first + SLICE]
        places = ", ".join(f"${number}" for number in range(1, len(part) + 1))
        yield f"request_id IN ({places})", list(part)
    if labels:
        parameters: list[Any] = []
        conditions = []
        for key, value in labels.items():
            parameters += [key_of(dialect, key), value]
            conditions.append(f"{value_of(dialect, f'${len(parameters) - 1}')} = ${len(parameters)}")
        yield f"request_id IN (SELECT request_id FROM records WHERE {' AND '.join(conditions)})", parameters
