"""Records as lines: what both databases read, and what is no record."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sinks.intake import Batch, Entry, Intake, Reject, Unfit, line_of, quoted
from pipeline.sinks.row import COLUMNS, row_of

EXAMPLES = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[3] / "schemas/examples").rglob("*.accumulated.json"))
]
RECORD: dict[str, Any] = EXAMPLES[0]
WHOLE = next(made for made in EXAMPLES if made["token_usage"] and made["cost"] is not None)


def _read(document: Any, *, content: bool = False) -> Entry | Reject:
    message = SimpleNamespace(partition=3, offset=7, value=json.dumps(document).encode())
    return Intake("t", content=content).read(message)


@pytest.mark.parametrize("made", EXAMPLES, ids=lambda made: made["record_id"])
def test_a_line_is_csv_of_the_row(made: dict[str, Any]) -> None:
    """Of every example, as a reader of CSV sees it; null and the empty text aside, which CSV tells by quotes."""
    (cells,) = csv.reader(io.StringIO(line_of(made)))
    written = [str(value).lower() if isinstance(value, bool) else value for value in row_of(made)]
    assert [cell for cell, value in zip(cells, written, strict=True) if value is None or isinstance(value, str)] == [
        value or "" for value in written if value is None or isinstance(value, str)
    ]
    assert len(cells) == len(COLUMNS)


def test_null_and_the_empty_text_differ() -> None:
    """A provider without a name is not a provider that nobody stated."""
    names = [column.name for column in COLUMNS]
    cells = line_of(RECORD | {"provider": "", "model": None}).split(",")
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
        ({"revision": True}, "revision is no count"),
        ({"revision": 1 << 63}, "revision is no count"),
        ({"revision": 1.0}, "revision is no count"),
        ({"complete": 1}, "complete is no flag"),
        ({"model": 5}, "model is no text"),
        ({"model": ["x"]}, "model is no text"),
        ({"digest": None}, "digest is null"),
        ({"end_timestamp": "2026-02-30T00:00:00.000000Z"}, "end_timestamp is no instant"),
        ({"end_timestamp": 5}, "end_timestamp is no instant"),
        ({"cost": 1e20, "cost_details": None}, "cost is no usd"),
        ({"cost": 1, "cost_details": {"total": "NaN"}}, "cost is no usd"),
        ({"cost": 1, "cost_details": {"total": "secret"}}, "a field has another shape than it should: "),
        ({"missing_indexes": None}, "a field has another shape than it should: TypeError"),
        ({"inter_chunk_latency": {"tokens_per_second": True}}, "tokens_per_second is no rate"),
    ],
)
def test_what_does_not_fit_a_column_is_told_without_its_value(changes: dict[str, Any], why: str) -> None:
    """By the name of the column, so that the producer can be found; the value may be content."""
    with pytest.raises(Unfit) as unfit:
        line_of(RECORD | changes)
    assert str(unfit.value).startswith(why)
    assert "secret" not in str(unfit.value)


def test_instants_of_other_zones_become_utc() -> None:
    """Both databases then read the same instant, whatever zone they are set to."""
    line = line_of(RECORD | {"start_timestamp": "2026-03-01T01:00:00+02:00", "end_timestamp": "2026-01-31T00:00:00.5Z"})
    assert ",2026-02-28T23:00:00Z,2026-01-31T00:00:00.500000Z," in line


def test_amounts_are_written_out() -> None:
    """To the last digit, never with an exponent."""
    line = line_of(WHOLE | {"cost": 1e-7, "cost_details": {"total": "1E-17", "input": "0.000000000000000001"}})
    assert ",0.00000000000000001,0.000000000000000001,," in line


def test_a_reject_keeps_the_place() -> None:
    """It can be looked at on the topic."""
    assert _read([1]) == Reject(3, 7, "not_a_record", "it is no JSON object")
    entry = _read(RECORD)
    assert (entry.partition, entry.offset) == (3, 7)
    assert isinstance(entry, Entry)
    assert entry.line.endswith(',"t",3,7\n')
    assert entry.content is None


def test_content_is_what_people_and_models_said() -> None:
    """Whatever is null stays out; NUL becomes U+FFFD, deep inside as well."""
    entry = _read(RECORD | {"raw_request": {"a\0": ["b\0c"]}, "output_message": None}, content=True)
    assert isinstance(entry, Entry)
    assert entry.content is not None
    (cells,) = csv.reader(io.StringIO(entry.content))
    document = json.loads(cells[2])
    assert cells[:2] == [RECORD["record_id"], RECORD["request_id"]]
    assert document["raw_request"] == {"a\ufffd": ["b\ufffdc"]}
    assert "output_message" not in document
    assert not set(document) & {"token_usage", "cost", "labels"}


@settings(max_examples=50)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=40))
def test_halves_are_the_whole_in_order(partitions: list[int]) -> None:
    """And the position after the first half is behind its last record, for partitions that it has."""
    items = [Entry(partition, offset, "") for offset, partition in enumerate(partitions)]
    batch = Batch("t", items, dict.fromkeys(range(4), 99))
    first, second = batch.halves()
    assert [*first.items, *second.items] == items
    assert first.items
    assert second.after == batch.after
    assert first.after == {item.partition: item.offset + 1 for item in first.items}


def test_a_refused_batch_is_all_rejects() -> None:
    """Those that were already keep their own reason."""
    batch = Batch("t", [Entry(0, 1, "x"), Reject(0, 2, "a", "b")], {0: 3}).rejected("r", "d")
    assert batch == Batch("t", [Reject(0, 1, "r", "d"), Reject(0, 2, "a", "b")], {0: 3})
