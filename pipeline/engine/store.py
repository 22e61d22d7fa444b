"""The local store: one RocksDB per partition, a cache of the changelogs that may be deleted at any time.

Written only after a commit, in one batch with where in the changelogs it stands; without a write-ahead log, because
what a crash takes is read again from the changelog. Imports the database and Faust's store class.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faust.stores import rocksdb
from faust.types import TP

from pipeline.engine.database import Database, Memory
from pipeline.engine.noise import LIBRARY


class RequestStore(rocksdb.Store):
    """Faust's RocksDB store, except that the engine decides when a database is opened, closed or wiped.

    Replaces of faust.stores.rocksdb.Store: `on_rebalance` (opens databases before the old owner is fenced and leaves
    closing to the garbage collector), `persisted_offset` and `set_persisted_offset` (written apart from the rows),
    `apply_changelog_batch` (Faust's recovery), `_db_for_partition` and `_dbs_for_actives` (know no Database).
    """

    logger = LIBRARY
    memory: Memory
    """Set once by the app, before any partition is opened."""

    def database(self, partition: int) -> Database:
        """The open database of a partition; opened if it is not."""
        if partition not in self._dbs:
            self._dbs[partition] = Database(self.partition_path(partition), self.memory)
        return self._dbs[partition]  # type: ignore[no-any-return]  # Faust's mapping knows only its own classes

    def close_database(self, partition: int) -> None:
        """Close a partition's database if it is open."""
        database = self._dbs.pop(partition, None)
        if database is not None:
            database.close()

    def replace_database(self, partition: int) -> Database:
        """Start an empty database; the old one stays aside until `drop_aside`, it may turn out to be the last copy."""
        self.close_database(partition)
        path, aside = self.partition_path(partition), self.aside(partition)
        if aside.exists():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.rename(aside)
        return self.database(partition)

    def aside(self, partition: int) -> Path:
        """Where a database that was not trusted is kept."""
        return self.partition_path(partition).with_suffix(".distrusted")

    def drop_aside(self, partition: int) -> None:
        """The changelog was whole: the database that was not trusted is not needed."""
        shutil.rmtree(self.aside(partition), ignore_errors=True)

    def persisted_offset(self, tp: TP) -> int | None:
        """Next changelog offset of a partition that is open here."""
        database = self._dbs.get(tp.partition)
        return database.meta.offset if database is not None and database.meta is not None else None

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """Refused: only a checkpoint moves the offset, together with its rows."""
        raise RuntimeError("the store is written by checkpoints only")

    def apply_changelog_batch(self, batch: Any, to_key: Any, to_value: Any) -> None:
        """Refused, unless there is nothing to apply: the engine restores by itself."""
        if list(batch):
            raise RuntimeError("the store is restored by the engine, not by Faust's recovery")

    def _db_for_partition(self, partition: int) -> Any:
        return self.database(partition)

    def _dbs_for_actives(self) -> Iterator[Any]:
        yield from self._dbs.values()

    def _get(self, key: bytes) -> bytes | None:
        found = (database.get(key) for database in self._dbs.values())
        return next((value for value in found if value is not None), None)

    def _contains(self, key: bytes) -> bool:
        return self._get(key) is not None

    def _visible_items(self, db: Any) -> Iterator[tuple[bytes, bytes]]:
        yield from db.scan(b"s")

    def _visible_keys(self, db: Any) -> Iterator[bytes]:
        return (key for key, _ in self._visible_items(db))

    def _visible_values(self, db: Any) -> Iterator[bytes]:
        return (value for _, value in self._visible_items(db))

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Nothing: opened once the old owner is fenced, closed before the revocation ends."""

    async def stop(self) -> None:
        """Close what is open."""
        for partition in list(self._dbs):
            self.close_database(partition)
