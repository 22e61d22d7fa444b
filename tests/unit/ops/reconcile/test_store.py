"""What is remembered while reconciling: the same from memory as from the file, and given up in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import FoundProblem, UsageError
from pipeline.ops.reconcile import store as stores
from pipeline.ops.reconcile.chunk import read
from pipeline.ops.reconcile.store import Row, Store
from pipeline.ops.reconcile.tally import Tally
from pipeline.testing.chunk import chat, encoded


def take(store: Store, request_id: str, offset: int, partition: int = 0) -> None:
    """Count one chunk."""
    chunk = read(request_id.encode(), encoded(chat(offset, "a", request_id=request_id)), 8 << 20)
    tally = store.tally(partition, request_id) or store.open(partition, Tally(request_id, chunk.stream_type, offset))
    tally.take(chunk, offset, offset)
    store.grew()


def test_tallies_come_back_from_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for few of them in memory all are counted to the end."""
    monkeypatch.setattr(stores, "ROOM", 20)
    with Store() as store:
        for offset in range(400):
            take(store, f"r-{offset % 40}", offset)
        rows = list(store.rows())

    assert len(rows) == 40
    assert all(row.tally is not None and len(row.tally.offsets) == 10 for row in rows)
    assert [row.tally.offsets[1] for row in rows if row.tally and row.request_id == "r-7"] == [47]


def test_requests_in_several_partitions_are_known() -> None:
    """By id, with the partitions."""
    with Store() as store:
        take(store, "r-1", 0, 0)
        take(store, "r-1", 0, 2)
        take(store, "r-2", 0, 1)

        assert list(store.parted()) == [("r-1", [0, 2])]


def test_a_state_goes_on_where_it_was_kept(tmp_path: Path) -> None:
    """Counts and positions of the last `keep`, nothing of what came after it."""
    path = tmp_path / "state"
    with Store(path) as store:
        take(store, "r-1", 0)
        store.move("t", 0, 1)
        store.keep()
        take(store, "r-1", 1)
        store.move("t", 0, 2)
    with Store(path) as store:
        assert store.place("t", 0) == 1
        assert [row.tally.offsets for row in store.rows() if row.tally] == [[0]]


def test_what_is_settled_is_given_up_but_for_its_id() -> None:
    """A finding is told once; an id is remembered until its time is over."""
    with Store() as store:
        take(store, "r-1", 5)
        take(store, "r-2", 50)
        (row, other) = list(store.rows())
        assert store.is_new(row, "x")
        assert not store.is_new(row, "x")
        store.judged(row)
        store.judged(other)
        store.settle(before=10, until=100)

        assert [each.request_id for each in store.rows()] == ["r-2"]
        assert (store.is_done(0, "r-1"), store.is_done(0, "r-2")) == (True, False)
        store.purge(101)
        assert not store.is_done(0, "r-1")
        assert not list(store.rows(fresh=True))


def test_another_file_is_no_state(tmp_path: Path) -> None:
    """It is left as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be looked at as one" * 20, encoding="utf-8")

    with pytest.raises(UsageError, match="is no state"):
        Store(path)
    assert path.read_text(encoding="utf-8").startswith("not a database")
    assert Row(0, "r", None, []).claims == []


def test_a_disk_that_is_full_is_told_as_such(tmp_path: Path) -> None:
    """Not as an internal error, and not as a state of somebody else."""
    with pytest.raises(FoundProblem, match=r"reconcile.state can't be read or written: SQLITE_FULL"):  # noqa: PT012, SIM117 (in the middle of the work)
        with Store(tmp_path / "reconcile.state") as store:
            store._db.execute("PRAGMA max_page_count = 1")
            store.remember("ledger", ["x" * 100_000])
    with pytest.raises(FoundProblem, match="SQLITE_CANTOPEN"):
        Store(tmp_path / "absent" / "reconcile.state")
