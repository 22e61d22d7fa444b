"""Sends corrections in transactions of one identity for the whole ledger: two runs can't both send.

Imports the engine's transactions: what they promise for checkpoints holds here too.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

from pipeline.core.rows import Outgoing
from pipeline.engine.config import MIB, Timing
from pipeline.engine.transaction import Parcel, Transactions
from pipeline.errors import AccessRefused, BrokerFault, Fenced
from pipeline.settings import Settings, client

BATCH: Final = 500
"""Corrections of one transaction at most: sent in far less than the time that it may stay open."""
BATCH_BYTES: Final = 4 * MIB
"""And their bytes; a larger record goes alone."""


class Correction(NamedTuple):
    """A record to send to a partition of the record topic: that of the record which it corrects."""

    partition: int
    record: Outgoing


class Sender:
    """Sends for as long as nobody else does; `sent` counts what is committed."""

    def __init__(self, transactions: Transactions, topic: str) -> None:
        """Made by `correcting`."""
        self._transactions, self._topic = transactions, topic
        self._batch: list[Correction] = []
        self._bytes = 0
        self.sent = 0

    async def add(self, correction: Correction) -> None:
        """Take one more; what has come together is committed first if it is enough for a transaction.

        Raises:
            Fenced, BrokerFault: as `flush`.
        """
        length = len(correction.record.value or b"")
        if self._batch and (len(self._batch) == BATCH or self._bytes + length > BATCH_BYTES):
            await self.flush()
        self._batch.append(correction)
        self._bytes += length

    async def flush(self) -> None:
        """Commit what has come together: a committed reader sees it whole or not at all.

        Raises:
            Fenced: another run of this ledger has begun.
            BrokerFault: the broker failed; whether the last batch counts is found out by running again.
        """
        if not self._batch:
            return
        rows: dict[int, list[Outgoing]] = {}
        for correction in self._batch:
            rows.setdefault(correction.partition, []).append(correction.record)
        parcels = [Parcel("records", self._topic, number, found) for number, found in sorted(rows.items())]
        await self.commit(parcels, len(self._batch))
        self._batch, self._bytes = [], 0

    async def commit(self, parcels: Sequence[Parcel], count: int) -> None:
        """Commit rows of any topics, which stand for so many corrections, in one transaction.

        Raises:
            Fenced: another run of this ledger has begun.
            BrokerFault: the broker failed; whether it counts is found out by running again.
        """
        try:
            await self._transactions.commit("correction", parcels)
        except Fenced as error:
            text = f"another run corrects this ledger now; {self.sent:,} corrections of this one count"
            raise Fenced(text, hint="let it end, then run again: nothing is corrected twice") from error
        except AccessRefused:
            raise
        except BrokerFault as error:
            hint = "run again: what counts already is not sent a second time"
            raise BrokerFault(error.message, hint=hint) from error
        self.sent += count


@contextlib.asynccontextmanager
async def correcting(settings: Settings) -> AsyncIterator[Sender]:
    """Be the one that corrects this ledger, for the block; look for latest revisions only inside of it.

    Whoever was it before can't commit any more, and what it left open is finished.

    Raises:
        BrokerFault: the broker does not do it.
    """
    transactions = Transactions(
        client(settings), f"{settings.ledger}-corrections", group=settings.ledger, timing=Timing()
    )
    try:
        await transactions.fence()
        yield Sender(transactions, settings.record_topic)
    finally:
        await transactions.stop()
