"""A record as a row."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.sinks.line import row_of
from pipeline.sinks.row import COLUMNS, Kind

EXAMPLES = sorted((Path(__file__).parents[3] / "schemas/examples").rglob("*.accumulated.json"))


def _value(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode()


def _row(record: dict[str, Any]) -> dict[str, Any]:
    return dict(zip((column.name for column in COLUMNS), row_of(_value(record)), strict=True))


def _example(name: str) -> dict[str, Any]:
    (path,) = (path for path in EXAMPLES if path.name.startswith(name))
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_example_is_a_row_without_content(path: Path) -> None:
    """Of every type; what a model or a person wrote is in no column."""
    record = json.loads(path.read_text(encoding="utf-8"))
    row = _row(record)
    assert row["request_id"] == record["request_id"]
    assert row["cost"] == (None if record["cost"] is None else Decimal(record["cost_details"]["total"]))
    message = (record["output_message"] or {}).get("content")
    assert not message or all(message not in str(value) for value in row.values())


def test_numbers_are_taken_out_of_documents() -> None:
    """Token counts by name, the cost exact, labels and usage as documents that read back."""
    record = _example("tool-call")
    row = _row(record)
    counts = row["prompt_tokens"], row["cached_read_tokens"], row["completion_tokens"], row["reasoning_tokens"]
    assert counts == (81, 64, 19, 0)
    assert (row["cost"], row["cost_source"], row["cost_input"]) == (Decimal("0.0003925"), "gateway", None)
    assert json.loads(row["labels"]) == record["labels"]
    assert json.loads(row["token_usage"]) == record["token_usage"]
    assert row["tokens_per_second"] == 338.47
    assert (row["source_partition"], row["first_offset"], row["last_offset"]) == (3, 48268, 48274)


def test_gaps_are_counted_whatever_their_form() -> None:
    """Of images a gap begins with the image."""
    record = _example("tool-call")
    assert _row(record | {"missing_indexes": [[2, 4], [7, 7]]})["missing_count"] == 4
    assert _row(record | {"missing_indexes": [[1, 2, 4]]})["missing_count"] == 3


def test_a_revision_carries_its_delta() -> None:
    """What it adds to the bill stands beside what it is."""
    row = _row(_example("late-usage"))
    assert row["revision"] == 1
    assert row["supersedes"] is not None
    assert row["delta_cost"] is not None
    assert json.loads(row["delta_usage"])["total_tokens"] is not None


def test_column_names_are_unique() -> None:
    """And every kind is used: one that isn't would be nobody's."""
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)
    assert {column.kind for column in COLUMNS} == set(Kind)
