"""One transactional id: fence its past owners, then write to several topics in transactions, all or nothing.

Owns the producer of a partition. A transaction is complete when every delivery was looked at before the commit, because
aiokafka's commit does not report a failed batch. Whatever goes wrong, the producer is not used again: after an error in
a transaction nobody knows what the broker has. Imports aiokafka, `pipeline.errors`, `pipeline.log` and failpoints.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.codec import has_lz4, has_zstd
from aiokafka.errors import IllegalOperation, InvalidTxnState, KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from pipeline.engine.config import MIB, Timing
from pipeline.engine.failpoint import failpoint
from pipeline.errors import BrokerFault, Fenced
from pipeline.log import get_logger
from pipeline.settings import kept_off, patient, right

log = get_logger(__name__)

BATCH_BYTES: Final = MIB
"""Uncompressed bytes of a batch; a row that is larger goes alone in one of its own, up to the topic's limit."""

STOP_SECONDS: Final = 5.0
"""A fenced or broken producer may refuse to stop."""

Row = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
"""Key, value, headers."""

Pair = tuple[bytes, bytes | None]
"""Key and value of a row without headers."""

REASON_SECONDS: Final = 0.5
"""Longest wait for what other batches of a failed transaction have to say."""

WITH_HEADERS: Final = 3
_NONE: Final[list[tuple[str, bytes]]] = []


class Parcel(NamedTuple):
    """Rows for one partition of a topic; `what` names them in failpoints."""

    what: str
    topic: str
    partition: int
    rows: Sequence[Row | Pair]


class Receipt(NamedTuple):
    """Where a parcel lies: offset of its last row (-1 if the broker could not say), and its append time in ms."""

    last: int
    appended: int | None


class Transactions:
    """Transactions of one id; not for use by two tasks at once."""

    def __init__(self, client: Mapping[str, Any], identity: str, *, group: str, timing: Timing) -> None:
        """Build the producer; nothing is sent yet. Needs the running event loop."""
        self.identity = identity
        self._group = group
        self._producer: Any = patient(
            AIOKafkaProducer(
                **client,
                transactional_id=identity,
                transaction_timeout_ms=int(timing.transaction * 1_000),
                request_timeout_ms=int(timing.request * 1_000),
                compression_type=_compression(),
                max_batch_size=BATCH_BYTES,
                max_request_size=32 * MIB,
                acks="all",
            )
        )

    async def fence(self) -> None:
        """InitProducerId: older owners can't commit any more, and what they left open is finished.

        Raises:
            BrokerFault: The transaction coordinator does not do it.
        """
        try:
            await self._producer.start()
        except KafkaError as error:
            raise self._fault(error) from error

    async def commit(
        self,
        scope: str,
        parcels: Sequence[Parcel],
        *,
        offsets: Mapping[TopicPartition, OffsetAndMetadata] | None = None,
        inspect: Callable[[Sequence[Receipt]], None] = lambda _: None,
    ) -> list[Receipt]:
        """Send all parcels and the group's offsets in one transaction; where each parcel came to lie.

        Args:
            scope: Prefix of the failpoints that are passed.
            parcels: None of them empty.
            offsets: Of the consumer group.
            inspect: Looks at the receipts before the commit; what it raises prevents it.

        Raises:
            Fenced: Another owner runs under this id.
            BrokerFault: Anything else; whether it was committed is unknown.
        """
        try:
            receipts = await self._send_all(scope, parcels, offsets)
            inspect(receipts)
            failpoint(f"{scope}.before_commit")
            await self._producer.commit_transaction()
            failpoint(f"{scope}.after_commit")
        except ProducerFenced as error:
            raise Fenced("another worker owns the partition now", hint=self.identity) from error
        except (KafkaError, IllegalOperation, AssertionError) as error:
            # The latter two: the producer has given the transaction up by itself, between two steps of ours.
            raise self._fault(error) from error
        return receipts

    async def _send_all(
        self, scope: str, parcels: Sequence[Parcel], offsets: Mapping[TopicPartition, OffsetAndMetadata] | None
    ) -> list[Receipt]:
        producer = self._producer
        failpoint(f"{scope}.before_begin")
        await producer.begin_transaction()
        failpoint(f"{scope}.after_begin")
        failpoint(f"{scope}.before_send")
        jobs = [self._send(scope, parcel) for parcel in parcels]
        if offsets:
            jobs.append(self._send_offsets(scope, offsets))
        sent = (await _all(jobs))[: len(parcels)]
        failpoint(f"{scope}.after_send")
        failpoint(f"{scope}.before_delivery")
        try:
            receipts = [await _receipt(batches) for batches in sent]
        except InvalidTxnState as error:  # the consequence; of another batch the broker may have said the reason
            raise await _reason(sent) or error from error
        failpoint(f"{scope}.after_delivery")
        return receipts

    async def _send_offsets(self, scope: str, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> list[Any]:
        failpoint(f"{scope}.before_offsets")
        await self._producer.send_offsets_to_transaction(dict(offsets), self._group)
        failpoint(f"{scope}.after_offsets")
        return []

    async def _send(self, scope: str, parcel: Parcel) -> list[tuple[Any, int]]:
        """Hand a parcel to the producer as ready-made batches: (delivery, rows) of each, in order."""
        producer = self._producer
        sent: list[tuple[Any, int]] = []
        if scope == "checkpoint":
            failpoint(f"checkpoint.before_send_{parcel.what}")

        async def hand_over() -> None:
            delivery = await producer.send_batch(batch, parcel.topic, partition=parcel.partition)
            delivery.add_done_callback(_retrieve)  # when the transaction fails elsewhere nobody awaits it
            sent.append((delivery, batch.record_count()))

        batch = producer.create_batch()
        for row in parcel.rows:
            headers = row[2] if len(row) == WITH_HEADERS else _NONE
            while batch.append(timestamp=None, key=row[0], value=row[1], headers=headers) is None:
                await hand_over()
                batch = producer.create_batch()
        await hand_over()
        if scope == "checkpoint":
            failpoint(f"checkpoint.after_send_{parcel.what}")
        return sent

    def _fault(self, error: Exception) -> BrokerFault:
        text = f"the transaction of {self.identity} failed"
        return kept_off(error, "WRITE", text, transactional_id=self.identity, group=self._group)

    async def stop(self) -> None:
        """Close the connections; an open transaction is left to the next owner or its timeout."""
        started = time.monotonic()
        try:
            await asyncio.wait_for(self._producer.stop(), STOP_SECONDS)
        except (KafkaError, TimeoutError) as error:
            log.info("producer did not stop", transactional_id=self.identity, error=type(error).__name__)
        finally:
            log.debug("producer stopped", transactional_id=self.identity, seconds=time.monotonic() - started)


async def _all(jobs: Sequence[Any]) -> list[Any]:
    """Results of all jobs; the first failure cancels the others and is raised."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


async def _receipt(batches: Sequence[tuple[Any, int]]) -> Receipt:
    """Wait for all batches of a parcel; where the last one lies."""
    last, appended = -1, None
    for delivery, rows in batches:
        place = await delivery
        last = place.offset + rows - 1 if place.offset >= 0 else -1
        appended = place.timestamp if place.timestamp is not None and place.timestamp >= 0 else None
    return Receipt(last, appended)


async def _reason(sent: Sequence[Sequence[tuple[Any, int]]]) -> BaseException | None:
    """Of batches that failed together, the error of one that this user may not write."""
    deliveries = [delivery for batches in sent for delivery, _ in batches]
    await asyncio.wait(deliveries, timeout=REASON_SECONDS)
    failed = [each.exception() for each in deliveries if each.done() and not each.cancelled()]
    return next((error for error in failed if error is not None and right(error, "WRITE") is not None), None)


def _retrieve(delivery: Any) -> None:
    """Look at a delivery's error, so that asyncio does not report it as forgotten."""
    if not delivery.cancelled():
        delivery.exception()


def _compression() -> str | None:
    """The best there is.

    Only zstd codes entropy: a chunk or record of 8 MiB of JSON, whose text has at most 6.6 bits a byte, is below the
    8 MiB of its topic in a batch whatever its content. Without it such a row could never be committed.
    """
    if has_zstd():
        return "zstd"
    return "lz4" if has_lz4() else None
