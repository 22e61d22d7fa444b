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
        self._pieces, self._have, self._at = pieces, b"", 0

    def peek(self, size: int) -> bytes:
        """The next bytes, fewer at the end; they stay."""
        if (missing := size - len(self._have) + self._at) > 0:
            parts = [self._have[self._at :]]
            while missing > 0 and (piece := next(self._pieces, b"")):
                parts.append(piece)
                missing -= len(piece)
            self._have, self._at = b"".join(parts), 0
        return self._have[self._at : self._at + size]

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

    def length(self) -> int:
        """The length that stands before a record.

        Raises:
            Damaged: there is none, or it is no length.
        """
        length, width = _number(self.peek(INT_BYTES), 0)
        self._at += width
        if length < 0:
            raise Damaged
        return length


def records(raw: memoryview) -> Iterator[Record]:
    """All records of a batch, by offset; those that can't be read are withheld. Raises for nothing that is in it."""
    first, *_, attributes, delta, since, until, _, _, _, count = HEADER.unpack_from(raw)
    codec, kind = attributes & CODECS, int(bool(attributes & APPEND_TIME))
    expected, end = first, first + delta + 1
    why = Withheld("not_json", f"its batch can't be read (codec {unpack.NAMES[codec]}), left out")
    with (
        contextlib.suppress(Damaged),
        contextlib.closing(unpack.pieces(codec, raw[HEADER.size :], RECORD_BYTES)) as pieces,
    ):
        stream = Stream(pieces)
        for _ in range(count):
            length = stream.length()
            if length > RECORD_BYTES:
                size = f"a record of {length:,} bytes"
                key, why = _key(stream.peek(KEY_BYTES)), Withheld("oversize", f"behind {size} in its batch, left out")
                yield Record(expected, until, kind, key, Withheld("oversize", f"{size}, left out"), [])
                expected += 1
                break
            ahead, later, key, value, headers = _parse(stream.take(length))
            if not expected <= first + ahead < end:
                raise Damaged
            expected = first + ahead + 1
            yield Record(first + ahead, until if kind else since + later, kind, key, value, headers)
        else:
            return
    for offset in range(expected, end):
        yield Record(offset, until, kind, None, why, [])


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
