"""A database of rows: what is written together, read back, and left aside."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from pipeline.core.segment import FORMAT, hour_prefix, marker_key
from pipeline.engine.database import META_KEY, Database, Memory, Meta, _after
from pipeline.errors import OurFault

META = Meta(FORMAT, b"lineage!", "cluster", 9, 10, 5, 1_800_000_000.0)


@pytest.fixture(scope="module")
def memory() -> Memory:
    """A small budget."""
    return Memory(cache=8 << 20, buffers=4 << 20)


@pytest.fixture
def database(tmp_path: Path, memory: Memory) -> Database:
    """An empty database."""
    return Database(tmp_path / "requests-0.db", memory)


def test_rows_are_found_by_key_and_in_key_order_by_prefix(database: Database) -> None:
    """A scan gives the rows of its prefix only."""
    database.write([(b"sb\0\0", b"2"), (b"sa\0\1", b"1"), (b"sa\0\0", b"0"), (b"c", b"place")], META)

    assert database.get(b"c") == b"place"
    assert database.get(b"nothing") is None
    assert list(database.scan(b"sa\0")) == [(b"sa\0\0", b"0"), (b"sa\0\1", b"1")]
    assert list(database.scan(b"sa\0", b"sa\0\1")) == [(b"sa\0\1", b"1")]
    database.close()


def test_a_scan_ends_where_its_prefix_ends_whatever_bytes_it_has(database: Database) -> None:
    """An hour of markers may end in 0xff, and the next one must not be read."""
    hour = 0x77A_FF
    rows = [(marker_key(b"id", hour), b"1"), (marker_key(b"id", hour + 1), b"2")]
    database.write((), META, markers=rows)

    assert rows[:1] == list(database.scan(hour_prefix(hour)))
    assert _after(b"a\xff\xff") == b"b"
    database.close()


def test_none_deletes_a_row(database: Database) -> None:
    """A tombstone of the changelog removes the row."""
    database.write([(b"sa\0\0", b"0")], META)
    database.write([(b"sa\0\0", None)], META)

    assert database.get(b"sa\0\0") is None
    database.close()


def test_hours_are_dropped_before_markers_come(database: Database) -> None:
    """A range of markers goes in the same batch that brings new ones."""
    old, new = marker_key(b"old", 100), marker_key(b"new", 101)
    database.write((), META, markers=[(old, b"x"), (marker_key(b"too", 100), b"x")])
    database.write((), META, markers=[(new, b"y")], drop_hours=[100])

    assert [(new, b"y")] == list(database.scan(b"m"))
    database.close()


def test_keys_that_are_no_rows_are_left_out(database: Database) -> None:
    """Fence rows of the changelog never get into the store."""
    database.write([(b"f", b"token"), (b"c", b"place")], META, without={b"f"})

    assert database.get(b"f") is None
    assert database.get(b"c") == b"place"
    database.close()


def test_a_store_knows_where_it_stands_after_it_was_closed(tmp_path: Path, memory: Memory) -> None:
    """Rows and place are written out on close, although there is no write-ahead log."""
    first = Database(tmp_path / "requests-0.db", memory)
    assert first.meta is None
    first.write([(b"c", b"place")], META)
    first.close()
    second = Database(tmp_path / "requests-0.db", memory)

    assert second.meta == META
    assert second.get(b"c") == b"place"
    second.close()


def test_a_place_of_an_unknown_format_is_one_that_nobody_trusts(tmp_path: Path, memory: Memory) -> None:
    """What can't be read is not taken for an empty store."""
    first = Database(tmp_path / "requests-0.db", memory)
    first.write([(META_KEY, b"\xc1 not msgpack")], META)
    first._db.put(META_KEY, b"\xc1 not msgpack")
    first.close()
    second = Database(tmp_path / "requests-0.db", memory)

    assert second.meta is not None
    assert second.meta.format != FORMAT
    second.close()


def test_an_open_store_is_refused_to_another_owner(database: Database, memory: Memory) -> None:
    """Two owners of one directory would corrupt it; the error names the path."""
    with pytest.raises(OurFault, match=r"requests-0\.db"):
        Database(database.path, memory)
    database.close()
    gc.collect()


def test_the_budget_is_shared(tmp_path: Path) -> None:
    """What one database uses counts in the same budget as another's."""
    shared = Memory(cache=8 << 20, buffers=4 << 20)
    one, two = Database(tmp_path / "1.db", shared), Database(tmp_path / "2.db", shared)
    before = shared.used
    for database in (one, two):
        database.write([(b"s%08d" % index, b"x" * 4_000) for index in range(300)], META)

    assert shared.used >= before + 2 * 300 * 4_000
    one.close()
    two.close()
