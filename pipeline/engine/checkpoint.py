"""The one transaction: rows, markers, records, dead letters and the source position of a partition, all or nothing.

snapshot (no await) → send everything → look at every delivery → commit → the same rows into the store → settled.
Folding goes on meanwhile; what is in flight is read from the working set's memory. Imports the core's partition and
packing, the transaction and the store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from aiokafka.structs import OffsetAndMetadata, TopicPartition

from pipeline.core.partition import Partition
from pipeline.core.rows import Snapshot
from pipeline.core.segment import FORMAT, pack_markers
from pipeline.core.tally import Tally
from pipeline.engine.config import Config
from pipeline.engine.database import Database, Meta
from pipeline.engine.failpoint import failpoint
from pipeline.engine.transaction import Parcel, Receipt, Row, Transactions
from pipeline.errors import BrokerFault, StateLost

MARKER_ROW_BYTES: Final = 512 << 10
"""Markers packed into one row: some thousands; far below what the topic takes."""


class Done(NamedTuple):
    """What a checkpoint did: counts, seconds since the epoch, and the broker's append time in ms if it tells.

    `tally` is what was counted of it, now that it is committed.
    """

    rows: int
    markers: int
    records: int
    dead_letters: int
    sent_at: float
    answered_at: float
    appended: int | None
    tally: Tally


class Checkpointer:
    """Checkpoints of one partition, one at a time."""

    def __init__(
        self,
        config: Config,
        partition: Partition,
        transactions: Transactions,
        database: Database,
        *,
        dead_partitions: int,
        meta: Meta,
    ) -> None:
        """Take over a restored partition.

        Args:
            config: Names and deadlines.
            partition: The working set.
            transactions: Fenced.
            database: Caught up with the changelogs.
            dead_partitions: Partition count of the dead letter topic, which may differ from the others'.
            meta: Where the database stands.
        """
        self._config, self._partition = config, partition
        self._transactions, self._database = transactions, database
        self._dead_partitions = dead_partitions
        self._meta = meta

    async def run(self) -> Done | None:
        """Write what changed since the last one; None if nothing did.

        Raises:
            Fenced: Another owner has the partition; nothing was committed.
            BrokerFault: It failed or took too long; whether it was committed is unknown.
            StateLost: The changelog is not the one that the last checkpoint was written to.
            OurFault: The store could not be written; the changelog has it all.
        """
        failpoint("snapshot.before")
        taken = self._partition.snapshot()
        failpoint("snapshot.after")
        if taken is None:
            return None
        parcels = list(self._parcels(taken))
        source = TopicPartition(self._config.source, self._partition.partition)
        sent_at = time.time()
        try:
            async with asyncio.timeout(self._config.timing.checkpoint):
                receipts = await self._transactions.commit(
                    "checkpoint",
                    parcels,
                    offsets={source: OffsetAndMetadata(taken.position, "")},
                    inspect=self._inspect,
                )
        except TimeoutError as error:
            seconds = self._config.timing.checkpoint
            raise BrokerFault(
                f"a checkpoint took longer than {seconds:g} s", topic=source.topic, partition=source.partition
            ) from error
        answered_at = time.time()
        self._store(taken, parcels, receipts)
        self._partition.settled()
        counts = len(taken.rows), len(taken.markers), len(taken.records), len(taken.dead_letters)
        return Done(*counts, sent_at, answered_at, receipts[0].appended, taken.tally)

    def _parcels(self, taken: Snapshot) -> Iterator[Parcel]:
        """What goes where; the requests changelog comes first."""
        config, number = self._config, self._partition.partition
        yield Parcel("requests", config.changelog, number, taken.rows)
        if taken.markers:
            yield Parcel("markers", config.markers, number, self._marker_rows(taken.markers))
        if taken.records:
            yield Parcel("records", config.records, number, taken.records)
        if taken.dead_letters:
            yield Parcel("dead_letters", config.dead, number % self._dead_partitions, taken.dead_letters)

    def _marker_rows(self, markers: Sequence[tuple[bytes, bytes]]) -> list[Row]:
        """Markers packed into few rows; each with a key of its own, so that a compacted topic would lose nothing."""
        rows: list[Row] = []
        first = size = 0
        for index, (key, value) in enumerate(markers):
            length = len(key) + len(value)
            if index > first and size + length > MARKER_ROW_BYTES:
                rows.append(self._marker_row(len(rows), markers[first:index]))
                first, size = index, 0
            size += length
        rows.append(self._marker_row(len(rows), markers[first:]))
        return rows

    def _marker_row(self, part: int, markers: Sequence[tuple[bytes, bytes]]) -> Row:
        key = self._partition.sequence.to_bytes(8, "big") + part.to_bytes(4, "big")
        return key, pack_markers(markers), []

    def _inspect(self, receipts: Sequence[Receipt]) -> None:
        """Refuse to commit into a changelog that was emptied under us: what it held before is gone."""
        last = receipts[0].last
        if 0 <= last <= self._meta.checkpoint:
            raise StateLost(
                "the changelog begins anew while its rows are in use: it was deleted and created again",
                topic=self._config.changelog,
                partition=self._partition.partition,
                offset=last,
            )

    def _store(self, taken: Snapshot, parcels: Sequence[Parcel], receipts: Sequence[Receipt]) -> None:
        """The same rows into the store; an offset that the broker could not tell stays as it was, to be read again."""
        last = {parcel.what: receipt.last for parcel, receipt in zip(parcels, receipts, strict=True)}
        before, requests, markers = self._meta, last["requests"], last.get("markers", -1)
        self._meta = Meta(
            FORMAT,
            self._partition.lineage,
            before.cluster,
            requests if requests >= 0 else before.checkpoint,
            requests + 1 if requests >= 0 else before.offset,
            markers + 1 if markers >= 0 else before.markers,
            time.time(),
        )
        failpoint("checkpoint.before_store")
        if taken.drop_hours:
            failpoint("checkpoint.before_drop")
        self._database.write(taken.rows, self._meta, markers=taken.markers, drop_hours=taken.drop_hours)
        if taken.drop_hours:
            failpoint("checkpoint.after_drop")
        failpoint("checkpoint.after_store")
