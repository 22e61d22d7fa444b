"""Fetched records as aiokafka's compiled parser gives them: no Python object is built around each.

aiokafka wraps every record in a ConsumerRecord and counts on a method call for each; that is 2 of its 2.8 µs a record.
The parser's own record has all that `pipeline.core.rows.Incoming` asks for. Imports aiokafka's fetcher.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException


class LeanRecords:
    """What was fetched of one partition; stands in for aiokafka.consumer.fetcher.PartitionRecords inside a FetchResult.

    Leans on FetchResult.getall, which iterates, and on `next_fetch_offset`, from which it takes the new position.
    """

    def __init__(self, fetched: PartitionRecords) -> None:
        """Take over what was fetched; nothing of it may have been taken before."""
        self._fetched = fetched
        fetched._records_iterator = None  # never begun, and a cycle that would keep the bytes of the whole fetch
        self.next_fetch_offset: int = fetched.next_fetch_offset
        self._records = self._unpack()

    def __iter__(self) -> Iterator[Any]:
        """One and the same iterator each time: a fetch is taken in several turns."""
        return self._records

    def __next__(self) -> Any:
        """The next record."""
        return next(self._records)

    def _unpack(self) -> Iterator[Any]:
        """Records in offset order, without those of aborted transactions and control batches.

        Replaces PartitionRecords._unpack_records.

        Raises:
            CorruptRecordException: A batch is damaged; it is fetched again.
        """
        fetched = self._fetched
        batches, committed = fetched._records, fetched._isolation_level == READ_COMMITTED
        while batches.has_next():
            batch = batches.next_batch()
            if fetched._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {fetched._tp}")
            if not (committed and self._aborted(batch)) and not batch.is_control_batch:
                for record in batch:
                    offset = record.offset
                    if offset < self.next_fetch_offset:
                        continue  # of a compressed batch that begins before our position
                    self.next_fetch_offset = offset + 1
                    yield record
            self.next_fetch_offset = batch.next_offset  # also past control batches and what compaction took

    def _aborted(self, batch: Any) -> bool:
        """Whether a batch belongs to an aborted transaction."""
        fetched = self._fetched
        producer = batch.producer_id
        if producer is None:
            return False
        fetched._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and fetched._contains_abort_marker(batch):
            fetched._aborted_producers.discard(producer)
        return bool(batch.is_transactional and producer in fetched._aborted_producers)


class LeanFetches(OrderedDict[TopicPartition, Any]):
    """The fetcher's waiting results; those of one topic are made lean as they come in.

    Stands in for the OrderedDict in aiokafka.consumer.fetcher.Fetcher._records.
    """

    def __init__(self, topic: str, waiting: OrderedDict[TopicPartition, Any]) -> None:
        """Take over what is waiting."""
        self.topic = topic
        super().__init__()
        self.update(waiting)

    def __setitem__(self, tp: TopicPartition, result: Any) -> None:
        """Keep a result or an error."""
        if tp.topic == self.topic and isinstance(result, FetchResult):
            fetched = result._partition_records
            if isinstance(fetched, PartitionRecords):
                result._partition_records = LeanRecords(fetched)
        super().__setitem__(tp, result)


def lean(consumer: Any, topic: str) -> None:
    """Let a consumer of aiokafka hand out a topic's records lean from the next fetch on; idempotent."""
    fetcher = consumer._fetcher
    if not isinstance(fetcher._records, LeanFetches):
        fetcher._records = LeanFetches(topic, fetcher._records)
    fetcher._records.topic = topic
