"""Parquet files of a DuckDB database of records, one for each day: `DIR/day=2026-11-23/records.parquet`.

The day is that of start_timestamp, in UTC; a record without one is in `day=unknown`. Rows of a database are only ever
added, so a file that holds as many rows as the database has of its day is up to date: the file itself remembers what
was exported. A day is written beside its old file and put in its place whole. Imports errors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

NAME: Final = "records.parquet"
_DAY: Final = "coalesce(strftime(start_timestamp, '%Y-%m-%d'), 'unknown')"


def export(query: Query, directory: Path) -> list[Path]:
    """Write the days that have rows which their files lack.

    Args:
        query: Of the database.
        directory: Made where it is missing.

    Returns:
        The files that were written, by day.

    Raises:
        OSError: the directory can't be written to.
        FoundProblem: the database refuses.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files = [str(file) for file in directory.glob(f"day=*/{NAME}")]
    there: dict[str, int] = {}
    if files:
        there.update(query("SELECT file_name, num_rows FROM parquet_file_metadata($1)", (files,)))
    written = []
    for day, rows in query(f"SELECT {_DAY} AS day, count(*) FROM records GROUP BY day ORDER BY day", ()):  # noqa: S608 (ours)
        file = directory / f"day={day}" / NAME
        if there.get(str(file)) != rows:
            _write(query, day, file)
            written.append(file)
    return written


def _write(query: Query, day: str, file: Path) -> None:
    """Whole or not at all: a reader sees the old file or the new one."""
    file.parent.mkdir(exist_ok=True)
    fresh = file.with_name(f".{NAME}.new")
    name = str(fresh).replace("'", "''")
    rows = f"SELECT * FROM records WHERE {_DAY} = '{day}' ORDER BY start_timestamp, record_id"  # noqa: S608 (ours)
    query(f"COPY ({rows}) TO '{name}' (FORMAT parquet, COMPRESSION zstd)", ())
    with fresh.open("rb+") as handle:
        os.fsync(handle.fileno())
    fresh.replace(file)
