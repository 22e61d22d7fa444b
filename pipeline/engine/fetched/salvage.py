"""The records of a batch that aiokafka's parser can't read, or must not: as the broker read them, one at a time.

No record that is larger than `RECORD_BYTES` is read. The first that is, or that can't be read, ends the reading of its
batch: all records from there on are handed out as withheld, so that none is lost and the position stays exact.
Written after org.apache.kafka.common.record.DefaultRecord, which is what a broker holds a batch to. Imports the core's
rows and unpacking.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from pipeline.core.rows import Withheld
from pipeline.engine.fetched import unpack
from pipeline.engine.fetched.batch import APPEND_TIME, CODECS, HEADER
from pipeline.engine.fetched.unpack import Damaged

RECORD_BYTES: Final = (16 << 20) + (32 << 10)
"""Largest record that is read: between what the chunk topic and the dead letter topic take in one message. No producer
can send a larger one uncompressed, and the dead letter of a smaller one fits its topic however badly it is packed."""

BATCH_BYTES: Final = 1 << 30
"""Most unpacked bytes of a batch that are read: some seconds, in which a consumer must not miss its heartbeat."""

HEADERS: Final = 1_000
"""Most headers of a record: two bytes may say one, and Python needs a hundred for it."""

KEY_BYTES: Final = 64 << 10
"""Longest key of a record whose value is too large; a request id has 512 bytes at most."""

INT, LONG = 32, 64
INT_BYTES: Final = 5

Headers = list[tuple[str, bytes | None]]


class Record(NamedTuple):
    """A record, with the attributes of aiokafka's own."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    checksum: None = None


class Stream:
    """Unpacked bytes, read from the front."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        """Nothing is unpacked yet."""
        self._pieces, self._have = pieces, b""
        self._before = self._at = 0

    @property
    def position(self) -> int:
        """How many bytes have been passed."""
        return self._before + self._at

    def peek(self, size: int) -> bytes:
        """The next bytes, fewer at the end; they stay."""
        have, at = self._have, self._at  # `at` may be behind what is here
        if (missing := size - len(have) + at) > 0:
            parts, dropped = [have[at:]], min(at, len(have))
            while missing > 0 and (piece := next(self._pieces, b"")):
                parts.append(piece)
                missing -= len(piece)
            self._before, self._at = self._before + dropped, at - dropped
            self._have = b"".join(parts)
        return self._have[self._at : self._at + size]

    def skip(self, records: int) -> int:
        """Go on behind records, as far as they are short and here; how many it were."""
        have, at, end, left = self._have, self._at, len(self._have), records
        while left and at < end and not (length := have[at]) & 0x81:
            at, left = at + 1 + (length >> 1), left - 1
        self._at = at
        return records - left

    def take(self, size: int) -> bytes:
        """So many bytes.

        Raises:
            Damaged: there are fewer.
        """
        taken = self.peek(size)
        self._at += size
        if len(taken) < size:
            raise Damaged
        return taken

    def length(self) -> tuple[int, int]:
        """The length that stands before a record, and of how many bytes it is; they stay.

        Raises:
            Damaged: there is none, or it is no length.
        """
        length, width = _number(self.peek(INT_BYTES), 0)
        if length < 0:
            raise Damaged
        return length, width


def records(raw: memoryview, begin: int = 0) -> Iterator[Record]:
    """The records of a batch from an offset on, in order; those that can't be read are withheld.

    Those before the offset may come, too. Raises for nothing that is in the batch.
    """
    first, *_, attributes, delta, since, until, _, _, _, count = HEADER.unpack_from(raw)
    codec, kind = attributes & CODECS, int(bool(attributes & APPEND_TIME))
    expected, end = first, first + delta + 1
    why = Withheld("not_json", f"its batch can't be read (codec {unpack.NAMES[codec]}), left out")
    with (
        contextlib.suppress(Damaged),
        contextlib.closing(unpack.pieces(codec, raw[HEADER.size :], RECORD_BYTES)) as pieces,
    ):
        stream = Stream(pieces)
        if count == delta + 1:  # none of them was compacted away
            expected += _passed(stream, min(begin - first, count))
        for _ in range(expected - first, count):
            length, width = stream.length()
            if stream.position > BATCH_BYTES:
                why = Withheld("oversize", f"behind {BATCH_BYTES:,} bytes in its batch, left out")
                break
            if length > RECORD_BYTES:
                size = f"a record of {length:,} bytes"
                key, why = (
                    _key(stream.peek(KEY_BYTES)[width:]),
                    Withheld("oversize", f"behind {size} in its batch, left out"),
                )
                yield Record(expected, until, kind, key, Withheld("oversize", f"{size}, left out"), [])
                expected += 1
                break
            ahead, later, key, value, headers = _parse(stream.take(width + length)[width:])
            if not expected <= first + ahead < end:
                raise Damaged
            expected = first + ahead + 1
            yield Record(first + ahead, until if kind else since + later, kind, key, value, headers)
        else:
            return
    for offset in range(max(expected, begin), end):
        yield Record(offset, until, kind, None, why, [])


def _passed(stream: Stream, count: int) -> int:
    """Go on behind the first records of a batch, which were handed out before, up to its bounds; how many it were."""
    passed = 0
    while passed < count and stream.position <= BATCH_BYTES:
        length, width = stream.length()
        if length > RECORD_BYTES:
            break
        done = stream.skip(count - passed)
        if not done:
            stream.take(width + length)
            done = 1
        passed += done
    return passed


def _parse(data: bytes) -> tuple[int, int, bytes | None, bytes | None, Headers]:
    """Offset and timestamp as differences, key, value and headers of a record."""
    timestamp, at = _number(data, 1, LONG)  # behind a byte of attributes that have no meaning yet
    offset, at = _number(data, at)
    key, at = _bytes(data, at)
    value, at = _bytes(data, at)
    count, at = _number(data, at)
    if count < 0:
        raise Damaged
    if count > HEADERS:
        return offset, timestamp, key, Withheld("oversize", f"{count:,} headers, left out"), []
    headers: Headers = []
    for _ in range(count):
        name, at = _bytes(data, at)
        content, at = _bytes(data, at)
        if name is None:
            raise Damaged
        headers.append((name.decode(errors="backslashreplace"), content))
    if at != len(data):
        raise Damaged
    return offset, timestamp, key, value, headers


def _key(data: bytes) -> bytes | None:
    """The key of a record whose beginning is `data`; None if it is longer."""
    try:
        _, at = _number(data, 1, LONG)
        _, at = _number(data, at)
        return _bytes(data, at)[0]
    except Damaged:
        return None


def _bytes(data: bytes, at: int) -> tuple[bytes | None, int]:
    size, at = _number(data, at)
    if size < 0:
        return None, at
    if at + size > len(data):
        raise Damaged
    return data[at : at + size], at + size


def _number(data: bytes, at: int, bits: int = INT) -> tuple[int, int]:
    """A number as Java reads it: what does not fit into its bits is dropped."""
    value = shift = 0
    for byte in data[at : at + (bits + 6) // 7]:
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            value &= (1 << bits) - 1
            return (value >> 1) ^ -(value & 1), at
    raise Damaged
