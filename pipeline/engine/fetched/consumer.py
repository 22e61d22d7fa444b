"""aiokafka's consumer with what it fetched handed out by `Fetched`.

Imports aiokafka's consumer and fetcher.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords

from pipeline.engine.fetched.batch import keep_bytes
from pipeline.engine.fetched.records import Fetched


class Consumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka ships no types
    """A consumer that no batch of a producer ends. A value that can't be had is a `pipeline.core.rows.Withheld`."""

    async def start(self) -> None:
        """Connect, as aiokafka's own.

        Wraps AIOKafkaConsumer.start, which makes the fetcher.
        """
        keep_bytes()
        await super().start()
        self._fetcher._records = Fetches(self._fetcher._records)


def lean(consumer: Consumer, topic: str) -> None:
    """Let a consumer hand out a topic's records lean from the next fetch on; idempotent."""
    consumer._fetcher._records.lean = topic


class Fetches(OrderedDict[TopicPartition, Any]):
    """The fetcher's waiting results, made safe as they come in.

    Stands in for the OrderedDict in aiokafka.consumer.fetcher.Fetcher._records.

    Attributes:
        lean: The topic whose records are handed out lean.
    """

    def __init__(self, waiting: OrderedDict[TopicPartition, Any]) -> None:
        """Take over what is waiting."""
        self.lean: str | None = None
        super().__init__()
        self.update(waiting)

    def __setitem__(self, tp: TopicPartition, result: Any) -> None:
        """Keep a result or an error."""
        if isinstance(result, FetchResult):
            fetched = result._partition_records
            if isinstance(fetched, PartitionRecords):
                result._partition_records = Fetched(fetched, lean=tp.topic == self.lean)
                # Of this one result: Fetcher.fetched_records wants its very type.
                result.getall, result.getone = partial(_getall, result), partial(_getone, result)
        super().__setitem__(tp, result)


def _getall(result: FetchResult, max_records: int | None = None) -> list[Any]:
    """The next portion. What is not taken stays, to be taken next.

    Replaces FetchResult.getall.
    """
    if not result.has_more() or not result.check_assignment(result._topic_partition):
        return []
    records = result._partition_records
    try:
        taken: list[Any] = records.take(sys.maxsize if max_records is None else max_records)
    except BaseException:
        result._partition_records = None  # to be fetched again from the position, which has not moved
        raise
    result._update_position()
    if records.over:
        result._partition_records = None
    return taken


def _getone(result: FetchResult) -> Any:
    """The next record; None if there is none.

    Replaces FetchResult.getone.
    """
    return next(iter(_getall(result, 1)), None)
