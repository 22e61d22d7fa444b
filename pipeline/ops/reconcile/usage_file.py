"""Somebody's usage file: what a provider or gateway says was used, row by row or in totals.

Owns the formats (CSV, JSON, JSON lines), the mapping of columns, and the presets of shapes that are documented.
Imports the standard library.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, NamedTuple

from pipeline.errors import UsageError
from pipeline.ops.reconcile.usage import count

FIELDS: Final = (
    *("request_id", "response_id", "model", "time"),
    *("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "cost", "requests"),
)
"""What a column may be mapped to. `requests` is how many requests a row stands for."""

Columns = Mapping[str, Sequence[str]]
"""Names of columns by field, the first that has a value counts; dots go into objects."""

PRESETS: Final[Mapping[str, Columns]] = {
    "plain": {name: (name,) for name in FIELDS}
    | {"cost": ("cost", "cost_usd", "spend"), "time": ("time", "timestamp", "start_timestamp", "created_at")},
    # LiteLLM_SpendLogs and /spend/logs: request_id is the id of the response, where there is one
    "litellm": {
        "request_id": ("request_id",),
        "response_id": ("request_id",),
        "model": ("model",),
        "time": ("startTime", "start_time"),
        "prompt_tokens": ("prompt_tokens",),
        "completion_tokens": ("completion_tokens",),
        "total_tokens": ("total_tokens",),
        "cost": ("spend",),
    },
    # GET /api/logs of Bifrost
    "bifrost": {
        "request_id": ("id",),
        "model": ("model",),
        "time": ("timestamp", "created_at"),
        "prompt_tokens": ("token_usage.prompt_tokens",),
        "completion_tokens": ("token_usage.completion_tokens",),
        "total_tokens": ("token_usage.total_tokens",),
        "cached_tokens": (
            "token_usage.prompt_tokens_details.cached_read_tokens",
            "token_usage.prompt_tokens_details.cached_tokens",
        ),
        "cost": ("cost", "token_usage.cost.total_cost"),
    },
    # GET /v1/organization/usage/completions of OpenAI, group_by=model: totals of buckets, input with cached tokens
    "openai": {
        "model": ("model",),
        "time": ("start_time", "start_time_iso"),
        "prompt_tokens": ("input_tokens",),
        "completion_tokens": ("output_tokens",),
        "cached_tokens": ("input_cached_tokens",),
        "requests": ("num_model_requests",),
    },
}
"""Shapes that are documented by who writes them."""

_LISTS: Final = ("logs", "data", "results", "records", "rows")
"""Names under which JSON documents keep their rows; buckets keep them one level deeper."""


class Billed(NamedTuple):
    """One row; null where it says nothing."""

    number: int
    request_id: str | None
    response_id: str | None
    model: str | None
    at: datetime | None
    prompt: int | None
    completion: int | None
    total: int | None
    cached: int | None
    cost: Decimal | None
    requests: int


@dataclass(frozen=True)
class UsageFile:
    """A file and how it is read."""

    path: Path
    columns: Columns
    mapped: Mapping[str, str] = field(default_factory=dict)
    """By field, the columns that somebody named: one that is in no row would leave the field out of the comparison."""

    @classmethod
    def of(cls, path: Path, preset: str, mapped: Iterable[str]) -> UsageFile:
        """A file under a preset, with columns of one's own: `cost=spend`.

        Raises:
            UsageError: a mapping names no field.
        """
        columns, named = dict(PRESETS[preset]), dict[str, str]()
        for assignment in mapped:
            name, equals, column = assignment.partition("=")
            if not equals or name not in FIELDS or not column:
                hint = f"write --column FIELD=COLUMN; fields are {', '.join(FIELDS)}"
                raise UsageError(f"--column {assignment} maps nothing", hint=hint)
            columns[name], named[name] = (column,), column
        return cls(path, columns, named)

    def rows(self) -> Iterator[Billed]:
        """Its rows.

        Raises:
            UsageError: it can't be read as what its name says, or has no rows or not the columns: what holds nothing
                against the records would find that all is well.
        """
        known = number = 0
        absent = dict(self.mapped)
        for number, row in enumerate(_rows(self.path), 1):
            absent = {name: column for name, column in absent.items() if not _has(row, column)} if absent else absent
            billed = self._billed(number, row)
            known += any(value is not None for value in billed[5:10])
            yield billed
            if number == 1 and not known and not any(self._taken(row, name) is not None for name in FIELDS):
                names = ", ".join(sorted(row)[:20])
                hint = f"map them: --column cost=…; the first row has {names}"
                raise UsageError(f"{self.path} has none of the expected columns", hint=hint)
        if not number:
            raise UsageError(f"{self.path} has no rows", hint="was it written to its end?")
        for name, column in absent.items():
            hint = "look at the names in the file; one with dots goes into objects"
            raise UsageError(f"--column {name}={column}: no row of {self.path} has it", hint=hint)

    def _billed(self, number: int, row: Mapping[str, Any]) -> Billed:
        try:
            return Billed(
                number,
                _text(self._taken(row, "request_id")),
                _text(self._taken(row, "response_id")),
                _text(self._taken(row, "model")),
                _time(self._taken(row, "time")),
                _count(self._taken(row, "prompt_tokens")),
                _count(self._taken(row, "completion_tokens")),
                _count(self._taken(row, "total_tokens")),
                _count(self._taken(row, "cached_tokens")),
                _amount(self._taken(row, "cost")),
                _count(self._taken(row, "requests")) or 1,
            )
        except (ValueError, InvalidOperation, OverflowError):
            hint = "look at that row; another column may be meant: --column FIELD=COLUMN"
            raise UsageError(f"{self.path}: row {number} has a number or time that can't be read", hint=hint) from None

    def _taken(self, row: Mapping[str, Any], name: str) -> Any:
        for path in self.columns.get(name, ()):
            value: Any = row.get(path)
            if value is None and "." in path:
                value = row
                for step in path.split("."):
                    value = value.get(step) if isinstance(value, Mapping) else None
            if value not in (None, ""):
                return value
        return None


def _has(row: Mapping[str, Any], column: str) -> bool:
    return column in row or ("." in column and column.partition(".")[0] in row)


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    kind = path.suffix.lower()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if kind in (".csv", ".tsv"):
                yield from csv.DictReader(file, restkey="", delimiter="\t" if kind == ".tsv" else ",")
            elif kind in (".jsonl", ".ndjson"):
                for line in file:
                    if line.strip():
                        yield _object(json.loads(line), path)
            elif kind == ".json":
                yield from _listed(json.load(file), {}, path)
            else:
                raise UsageError(f"{path}: not .csv, .tsv, .json or .jsonl", hint="name it by its format")
    except (ValueError, csv.Error, RecursionError):
        raise UsageError(f"{path} can't be read as {kind.lstrip('.')}", hint="is it what its name says?") from None


def _listed(document: Any, outer: Mapping[str, Any], path: Path) -> Iterator[Mapping[str, Any]]:
    """Rows of a JSON document: a list, an object that has one, buckets of rows; outer fields hold for their rows."""
    if isinstance(document, list):
        for each in document:
            yield from _listed(each, outer, path)
        return
    row = _object(document, path)
    inner = next((name for name in _LISTS if isinstance(row.get(name), list)), None)
    if inner is None:
        yield {**outer, **row}
        return
    rest = {name: value for name, value in row.items() if name != inner}
    yield from _listed(row[inner], {**outer, **rest}, path)


def _object(value: Any, path: Path) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{path}: a row is no object", hint="rows are JSON objects")
    return value


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _count(value: Any) -> int | None:
    if value is None:
        return None
    found = count(float(value)) if isinstance(value, str) and not value.strip().isdigit() else count(int(value))
    if found is None:
        raise ValueError
    return found


def _amount(value: Any) -> Decimal | None:
    if value is None or isinstance(value, bool | dict | list):
        return None
    amount = Decimal(value.strip().lstrip("$") if isinstance(value, str) else repr(value))
    if not amount.is_finite():
        raise ValueError
    return amount


def _time(value: Any) -> datetime | None:
    """RFC 3339 or ISO 8601 (without a zone: UTC), a date, or seconds or milliseconds since the epoch."""
    if value is None:
        return None
    if isinstance(value, str) and not value.strip().replace(".", "", 1).isdigit():
        found = datetime.fromisoformat(value.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    seconds = float(value)
    return datetime.fromtimestamp(seconds / 1_000 if seconds > 1e11 else seconds, UTC)
