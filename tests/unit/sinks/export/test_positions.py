"""Positions of an export in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.sinks.export.positions import Positions

BELONGS = {"export": "otlp", "to": "http://localhost:4318/v1/logs", "topic": "records", "ledger": "main"}


def test_positions_are_kept_by_partition(tmp_path: Path) -> None:
    """What one run stored the next begins with; a partition that was not touched keeps its own."""
    path = tmp_path / "positions.json"
    first = Positions(path, BELONGS)
    assert first.offsets == {}
    first.advance({0: 5, 11: 7})
    Positions(path, BELONGS).advance({0: 9})
    assert Positions(path, BELONGS).offsets == {0: 9, 11: 7}
    assert json.loads(path.read_text(encoding="utf-8")) == {**BELONGS, "positions": {"0": 9, "11": 7}}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", BELONGS)
def test_positions_of_another_export_are_refused(tmp_path: Path, name: str) -> None:
    """Else an export to a new receiver would begin in the middle."""
    path = tmp_path / "positions.json"
    Positions(path, BELONGS).advance({0: 5})
    with pytest.raises(UsageError, match=f"positions of another export: {name}"):
        Positions(path, BELONGS | {name: "other"})


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"positions": {"a": 1}}', '{"positions": 5}', "\x00"])
def test_what_is_no_file_of_positions_is_not_taken_for_one(tmp_path: Path, text: str) -> None:
    """Nor overwritten."""
    path = tmp_path / "positions.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="no file of positions"):
        Positions(path, BELONGS)
    assert path.read_text(encoding="utf-8") == text
