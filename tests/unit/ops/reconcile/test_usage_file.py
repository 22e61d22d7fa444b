"""Usage files of every format, and what is said of one that can't be read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.ops.reconcile.usage_file import Billed, UsageFile

AT = datetime(2026, 1, 1, tzinfo=UTC)
ROW = Billed(1, "r-1", None, "m", AT, 5, 2, 7, None, Decimal("0.1"), 1)


def rows(path: Path, text: str, preset: str = "plain", *columns: str) -> list[Billed]:
    """The rows of a file with this text."""
    path.write_text(text, encoding="utf-8")
    return list(UsageFile.of(path, preset, columns).rows())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "u.csv",
            "request_id,model,time,prompt_tokens,completion_tokens,total_tokens,cost\nr-1,m,2026-01-01,5,2,7,0.10\n",
        ),
        (
            "u.tsv",
            (
                "request_id\tmodel\ttime\tprompt_tokens\tcompletion_tokens\ttotal_tokens\tcost\n"
                "r-1\tm\t1767225600\t5\t2.0\t7\t$0.1\n"
            ),
        ),
        (
            "u.jsonl",
            (
                '{"request_id":"r-1","model":"m","time":1767225600000,"prompt_tokens":5,"completion_tokens":2,'
                '"total_tokens":7,"cost":0.1}\n\n'
            ),
        ),
        (
            "u.json",
            (
                '{"data":[{"request_id":"r-1","model":"m","time":"2026-01-01T01:00:00+01:00","prompt_tokens":5,'
                '"completion_tokens":2,"total_tokens":7,"cost":"0.1"}]}'
            ),
        ),
    ],
)
def test_every_format_gives_the_same_row(tmp_path: Path, name: str, text: str) -> None:
    """Numbers as text or number, times in any of the usual forms."""
    (found,) = rows(tmp_path / name, text)

    assert found == ROW


def test_columns_are_mapped_by_name_and_into_objects(tmp_path: Path) -> None:
    """A dotted name goes into objects, unless a column is called so."""
    text = json.dumps([{"id": "r-1", "usage": {"in": 5}, "spend.usd": 0.5}])
    (found,) = rows(tmp_path / "u.json", text, "plain", "request_id=id", "prompt_tokens=usage.in", "cost=spend.usd")

    assert (found.request_id, found.prompt, found.cost) == ("r-1", 5, Decimal("0.5"))


def test_buckets_hand_their_time_to_their_rows(tmp_path: Path) -> None:
    """OpenAI's pages of usage: totals by model inside of buckets of time."""
    result = {"model": "m", "input_tokens": 9, "output_tokens": 1, "input_cached_tokens": 4, "num_model_requests": 3}
    page = {"object": "page", "data": [{"start_time": 1_767_225_600, "results": [result]}]}
    (found,) = rows(tmp_path / "u.json", json.dumps(page), "openai")

    assert found == Billed(1, None, None, "m", AT, 9, 1, None, 4, None, 3)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("u.xls", "", "not .csv, .tsv, .json or .jsonl"),
        ("u.json", "{", "can't be read as json"),
        ("u.jsonl", "5\n", "a row is no object"),
        ("u.csv", "a,b\n1,2\n", "none of the expected columns"),
        ("u.csv", "a,b\n1,2,3\n", "none of the expected columns"),
        ("u.csv", "request_id,cost\nr-1,much\n", "row 1 has a number or time that can't be read"),
        ("u.csv", "request_id,prompt_tokens\nr-1,-5\n", "row 1 has a number"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path: Path, name: str, text: str, says: str) -> None:
    """In one line, with what to do."""
    with pytest.raises(UsageError, match=says) as caught:
        rows(tmp_path / name, text)
    assert caught.value.hint


def test_a_mapping_must_name_a_field(tmp_path: Path) -> None:
    """A slip of the pen is no silent column."""
    with pytest.raises(UsageError, match="maps nothing"):
        UsageFile.of(tmp_path / "u.csv", "plain", ["costs=spend"])


@pytest.mark.parametrize(
    ("name", "text"), [("u.csv", ""), ("u.csv", "request_id,cost\n"), ("u.json", "[]"), ("u.jsonl", "\n")]
)
def test_a_file_without_rows_is_no_clean_bill(tmp_path: Path, name: str, text: str) -> None:
    """Nothing held against the records differs in nothing: an export that broke off must not look like that."""
    with pytest.raises(UsageError, match="has no rows"):
        rows(tmp_path / name, text)


def test_a_column_that_is_named_must_be_there(tmp_path: Path) -> None:
    """A slip in its name would leave its field out of the comparison; empty in every row it is there."""
    text = "request_id,spend,usage\nr-1,,\n"

    assert [row.cost for row in rows(tmp_path / "u.csv", text, "plain", "cost=spend")] == [None]
    with pytest.raises(UsageError, match=r"--column cost=spent: no row of .*u\.csv has it"):
        rows(tmp_path / "u.csv", text, "plain", "cost=spent")
