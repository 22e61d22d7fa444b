"""Records as lines: what both databases read, and what is no record."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sinks.line import LONGEST, REMEMBERED, Unfit, line_of, quoted, row_of
from pipeline.sinks.row import COLUMNS

EXAMPLES = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[3] / "schemas/examples").rglob("*.accumulated.json"))
]
RECORD: dict[str, Any] = EXAMPLES[0]
WHOLE = next(made for made in EXAMPLES if made["token_usage"] and made["cost"] is not None)
NAMES = [column.name for column in COLUMNS]


def _value(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode()


def _inside(record: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        record = record.get(name) if isinstance(record, dict) else None
    return record


@pytest.mark.parametrize("made", EXAMPLES, ids=lambda made: made["record_id"])
def test_a_line_is_csv_of_the_row(made: dict[str, Any]) -> None:
    """Of every example, as a reader of CSV sees it; null and the empty text aside, which CSV tells by quotes."""
    (cells,) = csv.reader(io.StringIO(line_of(_value(made))))
    written = [str(value).lower() if isinstance(value, bool) else value for value in row_of(_value(made))]
    assert [cell for cell, value in zip(cells, written, strict=True) if value is None or isinstance(value, str)] == [
        value or "" for value in written if value is None or isinstance(value, str)
    ]
    assert len(cells) == len(COLUMNS)


def test_null_and_the_empty_text_differ() -> None:
    """A provider without a name is not a provider that nobody stated."""
    names = [column.name for column in COLUMNS]
    cells = line_of(_value(RECORD | {"provider": "", "model": None})).split(",")
    assert (cells[names.index("provider")], cells[names.index("model")]) == ('""', "")


@settings(max_examples=50)
@given(st.text())
def test_a_quoted_text_reads_back(text: str) -> None:
    """Whatever quotes, separators and line ends it has."""
    (cells,) = csv.reader(io.StringIO(quoted(text) + ",x", newline=""), strict=True)
    assert cells == [text, "x"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"revision": True}, "Expected `int`, got `bool` - at `$.revision`"),
        ({"revision": 1 << 63}, "Expected `int` <= 9223372036854775807 - at `$.revision`"),
        ({"revision": 1.0}, "Expected `int`, got `float` - at `$.revision`"),
        ({"complete": 1}, "Expected `bool | null`, got `int` - at `$.complete`"),
        ({"model": 5}, "Expected `str | null`, got `int` - at `$.model`"),
        ({"model": ["x"]}, "Expected `str | null`, got `array` - at `$.model`"),
        ({"digest": None}, "Expected `str`, got `null` - at `$.digest`"),
        ({"end_timestamp": "2026-02-30T00:00:00.000000Z"}, "end_timestamp is no instant"),
        ({"end_timestamp": 5}, "Expected `str | null`, got `int` - at `$.end_timestamp`"),
        ({"cost": 1e20, "cost_details": None}, "cost is no usd"),
        ({"cost": 1, "cost_details": {"total": "NaN"}}, "cost is no usd"),
        ({"cost": 1, "cost_details": {"total": "secret"}}, "cost is no usd"),
        ({"cost": 1, "cost_details": "secret"}, "Expected `object | null`, got `str` - at `$.cost_details`"),
        ({"missing_indexes": None}, "Expected `array`, got `null` - at `$.missing_indexes`"),
        ({"missing_indexes": [[1]]}, "Expected `array` of length >= 2 - at `$.missing_indexes[0]`"),
        ({"token_usage": {"total_tokens": "?"}}, "Expected `int | null`, got `str` - at `$.token_usage.total_tokens`"),
        (
            {"inter_chunk_latency": {"tokens_per_second": True}},
            "Expected `int | float | null`, got `bool` - at `$.inter_chunk_latency.tokens_per_second`",
        ),
    ],
)
def test_what_does_not_fit_a_column_is_told_without_its_value(changes: dict[str, Any], why: str) -> None:
    """By the name of the column, so that the producer can be found; the value may be content."""
    with pytest.raises(Unfit) as unfit:
        line_of(_value(RECORD | changes))
    assert str(unfit.value).startswith(why)
    assert "secret" not in str(unfit.value)


def test_instants_of_other_zones_become_utc() -> None:
    """Both databases then read the same instant, whatever zone they are set to."""
    times = {"start_timestamp": "2026-03-01T01:00:00+02:00", "end_timestamp": "2026-01-31T00:00:00.5Z"}
    line = line_of(_value(RECORD | times))
    assert ",2026-02-28T23:00:00Z,2026-01-31T00:00:00.500000Z," in line


def test_amounts_are_written_out() -> None:
    """To the last digit, never with an exponent."""
    details = {"total": "1E-17", "input": "0.000000000000000001"}
    line = line_of(_value(WHOLE | {"cost": 1e-7, "cost_details": details}))
    assert ",0.00000000000000001,0.000000000000000001,," in line


@pytest.mark.parametrize("made", EXAMPLES, ids=lambda made: made["record_id"])
def test_a_row_is_what_stands_at_the_paths(made: dict[str, Any]) -> None:
    """Looked up one by one; amounts and documents aside, which are written anew."""
    row = dict(zip(NAMES, row_of(_value(made)), strict=True))
    plain = [column for column in COLUMNS if column.kind not in ("usd", "document") and column.name != "missing_count"]
    assert {column.name: row[column.name] for column in plain} == {
        column.name: _inside(made, column.path) for column in plain
    }
    for name in ("labels", "token_usage", "attempts"):
        assert (None if row[name] is None else json.loads(row[name])) == made[name]


def test_what_is_remembered_changes_no_cell() -> None:
    """More names than are remembered, long ones and numbers that are equal but not the same, in any order."""
    names = [f"request-{number % (REMEMBERED + 7)}" for number in range(2 * REMEMBERED)] + ["x" * (LONGEST + 1)] * 2
    at = NAMES.index("request_id")
    for name in names:
        assert line_of(_value(RECORD | {"request_id": name})).split(",", at + 1)[at] == quoted(name)
    for count in (1, 0, 1):
        cells = line_of(_value(RECORD | {"chunk_count": count, "complete": bool(count)})).split(",")
        assert (f",{count}," in ",".join(cells), "true" if count else "false") == (True, cells[NAMES.index("complete")])


def test_a_row_refuses_what_a_line_refuses() -> None:
    """Both readers of a record, the sink and the reconciler, have one idea of what it is."""
    for value in (b"{}", b"[]", b"\xff", b"", _value(RECORD | {"cost_details": {"input": "secret"}})):
        for read in (row_of, line_of):
            with pytest.raises(Unfit) as unfit:
                read(value)
            assert "secret" not in str(unfit.value)
