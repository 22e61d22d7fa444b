"""What was fetched of one partition, handed out in portions: most of it as aiokafka's compiled parser gives it.

aiokafka wraps every record in a ConsumerRecord and counts on a method call for each; that is 2 of its 2.8 µs a record.
The parser's own, "lean", record has all that `pipeline.core.rows.Incoming` asks for. Imports aiokafka's fetcher.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError, UnsupportedForMessageFormatError
from aiokafka.record.default_records import DefaultRecordBatch

from pipeline.engine.fetched import salvage, unpack
from pipeline.engine.fetched.batch import ATTRIBUTES_AT, CODECS, HEADER

ORDINARY_BYTES: Final = 2 << 20
"""Up to so many bytes a batch is one for aiokafka's parser, which may make objects of thirty times as many of them.
Clients send 16 KiB to 1 MiB together, and a larger record alone."""

PORTION_BYTES: Final = 8 << 20
"""Unpacked bytes after which no more is taken at once, however few records they are."""

HEADER_BYTES: Final = 128
"""What a header weighs beside its bytes."""

_UNFIT: Final = (UnicodeDecodeError, CorruptRecordException)
"""What aiokafka's parser raises for records that the broker took; the checksum was right."""
_scratch: Final = unpack.Scratch(ORDINARY_BYTES, HEADER.size)


class Fetched:
    """Records of one partition, in offset order, without those of aborted transactions and control batches.

    Stands in for aiokafka.consumer.fetcher.PartitionRecords inside a FetchResult.

    Attributes:
        next_fetch_offset: Position after what was taken; FetchResult takes it from here.
        over: Nothing is left.
    """

    def __init__(self, fetched: PartitionRecords, *, lean: bool) -> None:
        """Take over what was fetched; nothing of it may have been taken before."""
        self._fetched, self._lean = fetched, lean
        fetched._records_iterator = None  # never begun, and a cycle that would keep the bytes of the whole fetch
        self.next_fetch_offset: int = fetched.next_fetch_offset
        self.over = False
        self._small = fetched._records.size_in_bytes() <= ORDINARY_BYTES
        self._records: Iterable[Any] | None = None
        self._salvaged = False
        self._number, self._weight, self._begin, self._end = -1, 0, 0, 0

    def take(self, limit: int) -> list[Any]:
        """The next records: at most `limit`, and some `PORTION_BYTES`; none only at the end.

        Raises:
            CorruptRecordException: A batch is damaged; it is fetched again.
            UnsupportedForMessageFormatError, UnsupportedCodecError: A batch is in a format of older or newer brokers.
        """
        taken: list[Any] = []
        room = PORTION_BYTES
        while room > 0 and len(taken) < limit:
            if self._records is None and not self._open():
                self.over = True
                break
            try:
                room -= self._fill_slowly(taken) if self._salvaged else self._fill(taken, limit)
            except _UNFIT:
                self._salvage()
        if self._lean:
            return taken
        wrap, place = self._fetched._consumer_record, self._fetched._tp
        return [wrap(place, record) for record in taken]

    # ---- batches -----------------------------------------------------------------------------------------------

    def _open(self) -> bool:
        """Go to the next batch with records that count; whether there is one.

        Replaces the loop of PartitionRecords._unpack_records.
        """
        fetched = self._fetched
        batches, committed = fetched._records, fetched._isolation_level == READ_COMMITTED
        while batches.has_next():
            batch = batches.next_batch()
            self._number += 1
            if fetched._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {fetched._tp}")
            if type(batch) is not DefaultRecordBatch:
                raise UnsupportedForMessageFormatError(f"a message format older than Kafka 0.11 - {fetched._tp}")
            aborted = batch.is_transactional and committed and self._aborted(batch)
            if not aborted and not batch.is_control_batch:
                self._begin, self._end, self._salvaged = self.next_fetch_offset, batch.next_offset, False
                if batch.compression_type or not self._small:
                    batch = self._prepared(batch)
                if batch is None:
                    self._salvage()
                else:  # a batch itself allows but one iter(), and is taken in several turns
                    self._records = islice(batch, None)
                return True
            self.next_fetch_offset = max(self.next_fetch_offset, batch.next_offset)  # also past control batches
        return False

    def _aborted(self, batch: Any) -> bool:
        """Whether a batch of a transaction, which may be its end, belongs to one that was aborted."""
        fetched, producer = self._fetched, batch.producer_id
        fetched._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and fetched._contains_abort_marker(batch):
            fetched._aborted_producers.discard(producer)
        return producer in fetched._aborted_producers

    def _prepared(self, batch: Any) -> Any:
        """A batch as aiokafka's parser may have it, not compressed; None if it must not."""
        codec, raw = batch.compression_type, self._fetched._records.raw(self._number)
        if not codec:
            self._weight = len(raw)
            return batch if self._weight <= ORDINARY_BYTES else None
        if codec >= len(unpack.NAMES):
            raise UnsupportedCodecError(f"unknown compression codec {codec} - {self._fetched._tp}")
        room = _scratch.room
        size = unpack.whole(codec, raw[HEADER.size :], _scratch.body)
        if size is None:
            return None
        room[: HEADER.size] = raw[: HEADER.size]
        room[ATTRIBUTES_AT] &= ~CODECS
        self._weight = size
        return DefaultRecordBatch(bytes(room[: HEADER.size + size]))

    def _salvage(self) -> None:
        """Read the open batch by ourselves, from where it was left."""
        if self._salvaged:
            raise AssertionError  # nothing in a batch makes it raise
        self._begin, self._weight, self._salvaged = self.next_fetch_offset, 0, True
        self._records = salvage.records(self._fetched._records.raw(self._number), self._begin)

    # ---- records -----------------------------------------------------------------------------------------------

    def _fill(self, taken: list[Any], limit: int) -> int:
        """Take records of the open batch until there are `limit`; what they weigh."""
        begin, position, append = self._begin, self.next_fetch_offset, taken.append
        weight, self._weight = self._weight, 0
        try:
            for record in self._records or ():
                if record.offset != position:
                    if record.offset < begin:
                        continue  # of a batch that begins before our position
                    if not position < record.offset < self._end:
                        raise CorruptRecordException
                    position = record.offset
                if headers := record.headers:
                    if len(headers) > salvage.HEADERS:
                        raise CorruptRecordException
                    weight += len(headers) * HEADER_BYTES
                    if weight > PORTION_BYTES:
                        limit = 0
                position += 1
                append(record)
                if len(taken) >= limit:
                    break
            else:
                self._records, position = None, max(position, self._end)  # also past what compaction took
        finally:
            self.next_fetch_offset = position
        return weight

    def _fill_slowly(self, taken: list[Any]) -> int:
        """Take one record of a batch that is salvaged; what it weighs."""
        before = len(taken)
        weight = self._fill(taken, before + 1)
        for record in taken[before:]:
            weight += len(record.key or b"") + len(record.value or b"")
            weight += sum(len(name) + len(value or b"") for name, value in record.headers)
        return weight
