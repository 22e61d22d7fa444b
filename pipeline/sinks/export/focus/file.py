"""Rows as a file: CSV, or Parquet by DuckDB out of that CSV.

Owns how values are written (FOCUS, numeric and date/time format) and of what types Parquet's columns are. Imports
columns and errors; DuckDB where it is used.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO

from pipeline.core.cost import plain
from pipeline.errors import FoundProblem, UsageError
from pipeline.sinks.export.focus.columns import Column, Kind

CSV: Final = "text/csv; charset=utf-8"
PARQUET: Final = "application/vnd.apache.parquet"
"""Content types."""
INSTALL: Final = "pip install 'streamledger[sinks]'"

_PARQUET: Final = {
    Kind.TEXT: "VARCHAR",
    Kind.MOMENT: "TIMESTAMPTZ",
    Kind.NUMBER: "DECIMAL(38, 12)",
    Kind.MONEY: "DECIMAL(38, 24)",
    Kind.FLAG: "BOOLEAN",
    Kind.COUNT: "BIGINT",
    Kind.JSON: "VARCHAR",
}
"""Amounts have 24 digits behind the point: all that a number of 17 digits has down to a tenth of a millionth USD."""


class Csv:
    """Rows as CSV; null is nothing at all between two commas."""

    def __init__(self, file: TextIO, columns: Sequence[Column]) -> None:
        """Write the header."""
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow([column.name for column in columns])

    def write(self, row: Sequence[Any]) -> None:
        """Write a row."""
        self._writer.writerow([_text(value) for value in row])


def parquet(source: Path, target: Path, columns: Sequence[Column]) -> None:
    """Make a Parquet file of a CSV file.

    Raises:
        UsageError: DuckDB is not installed.
        FoundProblem: a value does not fit into its column.
    """
    try:
        import duckdb  # noqa: PLC0415 (optional)
    except ImportError as error:
        raise UsageError("DuckDB is not installed", hint=INSTALL) from error
    names = ", ".join(f'"{column.name}"' for column in columns)
    kinds = {column.name: _PARQUET[column.kind] for column in columns}
    select = (
        f"SELECT {names} FROM read_csv($source, header = true, auto_detect = false, columns = {kinds}, delim = ',')"  # noqa: S608 (names are the table's own)
    )
    with duckdb.connect(":memory:") as connection:
        try:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(
                f"COPY ({select}) TO '{_quoted(target)}' (FORMAT parquet, COMPRESSION zstd)", {"source": str(source)}
            )
        except duckdb.Error as error:
            raise FoundProblem("the rows can't be written as Parquet", hint="write CSV: --as csv") from error


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        text = plain(value)  # with a point in any case: who guesses types takes whole numbers for integers
        return text if "." in text else f"{text}.0"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
