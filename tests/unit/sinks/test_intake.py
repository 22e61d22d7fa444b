"""Records on their way into a database: what becomes of those that have no row, and what is content."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sinks.intake import Batch, Entry, Intake, Reject

EXAMPLES = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parents[3] / "schemas/examples").rglob("*.accumulated.json"))
]
RECORD: dict[str, Any] = EXAMPLES[0]


def _read(document: Any, *, content: bool = False) -> Entry | Reject:
    message = SimpleNamespace(partition=3, offset=7, value=json.dumps(document).encode())
    return Intake("t", content=content).read(message)


def test_a_reject_keeps_the_place() -> None:
    """It can be looked at on the topic."""
    assert _read([1]) == Reject(3, 7, "not_a_record", "Expected `object`, got `array`")
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
