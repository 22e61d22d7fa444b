"""Rows of a replay as one Parquet file, with the columns of every table of records.

Written by DuckDB, which reads the partitions' files at once and keeps what memory has no room for on disk. Imports
duckdb when it is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pipeline.errors import FoundProblem, UsageError
from pipeline.sinks import migrations
from pipeline.sinks.database import INSTALL, Dialect
from pipeline.sinks.row import COLUMNS
from pipeline.sinks.target import replaced

TYPES: Final = migrations.TYPES[Dialect.DUCKDB]

LONGEST_ROW: Final = 64 << 20
"""Bytes: a record of 8 MiB may be all labels, which are escaped once more in a row."""


def needed() -> None:
    """Look whether DuckDB is there, before anything is folded for it.

    Raises:
        UsageError: it is not.
    """
    try:
        import duckdb  # noqa: F401, PLC0415 (optional)
    except ImportError as error:
        raise UsageError("DuckDB is not installed", hint=INSTALL) from error


def write(rows: Iterable[Path], target: Path) -> int:
    """Write files of rows, one JSON object a line, into one Parquet file, whole or not at all; how many rows.

    Raises:
        FoundProblem: DuckDB refuses.
    """
    import duckdb  # noqa: PLC0415 (optional)

    columns = ", ".join(f"{column.name}: '{TYPES[column.kind]}'" for column in COLUMNS)
    files = [str(path) for path in rows]
    source = (
        f"read_json([{', '.join(map(_quoted, files))}], format = 'newline_delimited', columns = {{{columns}}}, "
        f"maximum_object_size = {LONGEST_ROW})"
    )
    with duckdb.connect() as connection, replaced(target) as draft:
        try:
            connection.execute(f"SET temp_directory = {_quoted(str(draft) + '.spill')}")
            done = connection.execute(
                f"COPY (SELECT * FROM {source}) TO {_quoted(str(draft))} (FORMAT parquet, COMPRESSION zstd)"  # noqa: S608 (our own files and names)
            ).fetchone()
        except duckdb.Error as error:
            raise FoundProblem(f"{target} can't be written", hint=str(error).partition("\n")[0]) from error
    return int(done[0]) if done else 0


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
