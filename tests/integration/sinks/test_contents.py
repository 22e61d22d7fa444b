"""Content of requests is found and deleted by id and by label, on both databases."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.sinks import contents as module
from pipeline.sinks.contents import contents, delete
from pipeline.sinks.migrations import migrate
from pipeline.sinks.writer import Writer
from tests.billing import fill, planted, record

RECORDS = [
    record("r-1", labels={"user": "u'1", "team": "a"}),
    record("r-2", labels={"user": "u'1", "team": "b"}),
    record("r-2", labels={"user": "u'1", "team": "b"}, revision=1, supersedes="r-2/0", delta=None),
    record("r-3", labels={"user": "u2"}),
    record("r-4"),
]


@pytest.fixture
def filled(writer: Writer, db: str) -> str:
    """A database with content of five records of four requests, closed."""
    migrate(writer)
    fill(writer, RECORDS)
    planted(writer, RECORDS)
    writer.close()
    return db


def test_content_is_found_by_id_and_by_label(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every revision; a request must have all of the labels, and ids are asked for a few at a time."""
    monkeypatch.setattr(module, "SLICE", 2)
    assert contents(filled, ["r-1", "r-3", "r-9", "r-4"], {}) == {"r-1": 1, "r-3": 1, "r-4": 1}
    assert contents(filled, [], {"user": "u'1"}) == {"r-1": 1, "r-2": 2}
    assert contents(filled, ["r-4"], {"user": "u'1", "team": "b"}) == {"r-2": 2, "r-4": 1}
    assert contents(filled, [], {"user": "nobody' OR 1=1 --"}) == {}


def test_it_is_deleted_and_nothing_else(filled: str) -> None:
    """Rows of records stay, and what is gone can be deleted again."""
    assert delete(filled, ["r-4"], {"user": "u'1"}) == 4
    assert contents(filled, ["r-1", "r-2", "r-3", "r-4"], {}) == {"r-3": 1}
    assert delete(filled, ["r-4"], {"user": "u'1"}) == 0


def test_a_database_that_keeps_no_content_has_none(writer: Writer, db: str) -> None:
    """Also one that a sink has only just made, without any table."""
    writer.close()
    assert contents(db, ["r-1"], {"user": "u"}) == {}


def test_a_database_that_is_not_there_is_no_empty_one() -> None:
    """Nothing is made by looking."""
    with pytest.raises(UsageError, match="there is no database"):
        contents("/nowhere/records.duckdb", ["r-1"], {})
