"""A record batch as it comes from the broker: its header, and where it begins and ends in a fetch.

Imports aiokafka's splitter of fetches.
"""

from __future__ import annotations

import struct
from typing import Final

from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords

HEADER: Final = struct.Struct(">qiibIhiqqqhii")
"""First offset, length, leader epoch, magic, checksum, attributes, offset of the last record after the first, first and
highest timestamp, producer id, epoch and sequence, count of records (format 2, of Kafka 0.11 and newer)."""

CODECS: Final = 0x07
"""Bits of the attributes that name the compression; see `unpack`."""
APPEND_TIME: Final = 0x08

ATTRIBUTES_AT: Final = 22
"""Of their low byte."""
_LENGTH: Final = struct.Struct(">i")
_LENGTH_AT: Final = 8
_OVERHEAD: Final = 12
"""Bytes before those that the length counts."""


class Splitter(MemoryRecords):  # type: ignore[misc]  # aiokafka ships no types
    """aiokafka's own, which keeps the bytes beside what it makes of them.

    Stands in for aiokafka.consumer.fetcher.MemoryRecords in the whole process: Fetcher makes it where nothing can be
    handed in. It does nothing else, so other consumers of the process notice nothing.
    """

    def __init__(self, content: bytes) -> None:
        """Take what was fetched of one partition."""
        super().__init__(content)
        self._content = content
        self._number = self._begin = 0

    def raw(self, number: int) -> memoryview:
        """The bytes of a batch, counted from 0; never of one before that of the last call."""
        content, begin = self._content, self._begin
        while True:
            end = begin + _OVERHEAD + _LENGTH.unpack_from(content, begin + _LENGTH_AT)[0]
            if self._number == number:
                self._begin = begin
                return memoryview(content)[begin:end]
            self._number, begin = self._number + 1, end


def keep_bytes() -> None:
    """Let the fetchers of this process keep the bytes of what they fetch; idempotent."""
    fetcher.MemoryRecords = Splitter
