"""The request table as Faust sees it, and the classes that keep Faust's recovery off it.

The table is registered, its changelog is assigned together with the chunks, its rows can be read; only checkpoints
write them. Imports Faust's tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import faust
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery
from faust.types import TP
from faust.types.tables import CollectionT

from pipeline.engine.noise import LIBRARY
from pipeline.engine.store import RequestStore

if TYPE_CHECKING:
    from pipeline.engine.app import EngineApp


class RequestTable(faust.Table[bytes, bytes]):
    """Segments of open requests by key, one RocksDB per partition."""

    logger = LIBRARY

    def _new_store(self) -> Any:
        # Replaces faust.tables.base.Collection._new_store, which knows only its own stores by URL.
        return RequestStore(
            "rocksdb://",
            self.app,
            self,
            table_name=self.name,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            loop=self.loop,
        )

    @property
    def store(self) -> RequestStore:
        """The table's store."""
        return cast("RequestStore", self.data)

    def on_key_set(self, key: bytes, value: bytes) -> None:
        """Refused: an agent's write would go to the changelog outside of any transaction.

        Replaces faust.tables.table.Table.on_key_set, and the next two on_key_del and on_clear.
        """
        raise RuntimeError("the request table is written by checkpoints only")

    def on_key_del(self, key: bytes) -> None:
        """Refused."""
        raise RuntimeError("the request table is written by checkpoints only")

    def on_clear(self) -> None:
        """Refused."""
        raise RuntimeError("the request table is written by checkpoints only")


class EngineRecovery(Recovery):
    """Faust's recovery without our table, whose restore runs in its last step.

    Faust's own reads uncommitted, skips what it can't apply and miscounts control records (FAUST A4, D2, R4, R5).
    `on_recovery_completed` runs before Faust seeks and resumes, and is cancelled when another rebalance starts.
    """

    app: EngineApp
    logger = LIBRARY

    def add_active(self, table: CollectionT, tp: TP) -> None:
        """Skip our table; wraps faust.tables.recovery.Recovery.add_active."""
        if not isinstance(table, RequestTable):
            super().add_active(table, tp)

    def add_standby(self, table: CollectionT, tp: TP) -> None:
        """Skip our table; wraps faust.tables.recovery.Recovery.add_standby."""
        if not isinstance(table, RequestTable):
            super().add_standby(table, tp)

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Restore what was assigned, then let Faust resume; wraps Recovery.on_recovery_completed."""
        if self.app.consumer_generation_id == generation_id and not await self.app.engine.restore_assigned():
            raise RebalanceAgain  # something was revoked meanwhile: the flow must not resume in the middle of it
        await super().on_recovery_completed(generation_id)


class EngineTables(TableManager):
    """Faust's table manager with our recovery; gives everything up when the worker stops."""

    app: EngineApp
    logger = LIBRARY

    @property
    def recovery(self) -> Recovery:
        """Our recovery; replaces faust.tables.manager.TableManager.recovery."""
        if self._recovery is None:
            self._recovery = EngineRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_stop(self) -> None:
        """The last checkpoint, because a stopping app sends no revocation; wraps TableManager.on_stop."""
        await self.app.engine.release_all("shutdown")
        await super().on_stop()
