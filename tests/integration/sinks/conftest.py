"""What the tests of sinks share: every case on both databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sinks.writer import Writer, connect


@pytest.fixture(params=["duckdb", "postgres"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name of a new database: a file that is not there yet, an empty PostgreSQL database."""
    if request.param == "duckdb":
        return str(tmp_path / "ledger.duckdb")
    url: str = request.getfixturevalue("postgres")
    return url


@pytest.fixture
def writer(db: str) -> Iterator[Writer]:
    """The database, open."""
    opened = connect(db, threading.Event())
    yield opened
    opened.close()
