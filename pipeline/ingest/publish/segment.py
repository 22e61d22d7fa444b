"""One file of the spool: chunks one after the other, each with its length and checksum.

Owns the bytes on disk. A file that ends in the middle of a chunk is what a killed process leaves: what is before it is
good. Imports the standard library and this package's items.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.ingest.publish.item import Item

MAGIC: Final = b"streamledger spool 1\n"

_FRAME: Final = struct.Struct("<II")
"""Length of the body and its CRC-32."""

_BODY: Final = struct.Struct("<QHH")
"""When it was accepted in microseconds, length of the key, length of the trace; then key, trace and value."""

_MOST: Final = 64 << 20
"""Longest body that is believed; a length beyond it is damage."""


def head(topic: str) -> bytes:
    """The beginning of a file: what it is, and for which topic."""
    name = topic.encode()
    return MAGIC + struct.pack("<H", len(name)) + name


def frames(items: Iterable[Item]) -> list[bytes]:
    """Chunks as they are written."""
    out = []
    for item in items:
        body = b"".join((_BODY.pack(item.accepted, len(item.key), len(item.trace)), item.key, item.trace, item.value))
        out.append(_FRAME.pack(len(body), zlib.crc32(body)) + body)
    return out


class Read(NamedTuple):
    """What a look into a file gave.

    Attributes:
        items: Whole chunks, in order.
        end: Where the next one begins.
        bad: Why nothing can be read from there on; empty where there is more to read or the file is at its end.
    """

    items: list[Item]
    end: int
    bad: str


class Segment:
    """A file to read from; what is written to it meanwhile is seen.

    Attributes:
        path: Where it is.
        topic: Topic its chunks are for; None if the file is no spool.
        start: Where its first chunk begins.
    """

    def __init__(self, path: Path) -> None:
        """Look at its beginning.

        Raises:
            OSError: it can't be read.
        """
        self.path = path
        self.topic: str | None = None
        self.start = 0
        with path.open("rb") as file:
            if file.read(len(MAGIC)) == MAGIC and len(length := file.read(2)) == 2:
                size = int.from_bytes(length, "little")
                if len(name := file.read(size)) == size:
                    self.topic = name.decode(errors="replace")
                    self.start = file.tell()

    def read(self, offset: int, most_bytes: int, most: int) -> Read:
        """Chunks from `offset` on: about `most_bytes`, at least one if there is one, at most `most`.

        Raises:
            OSError: it can't be read.
        """
        with self.path.open("rb") as file:
            file.seek(offset)
            data = file.read(most_bytes)
            if len(data) >= _FRAME.size:
                missing = _FRAME.size + min(_FRAME.unpack_from(data)[0], _MOST) - len(data)
                data += file.read(max(0, missing))
            more = bool(file.read(1))
        return _parse(data, offset, most, more=more)


def _parse(data: bytes, offset: int, most: int, *, more: bool) -> Read:
    items: list[Item] = []
    at = 0
    while len(items) < most and at < len(data):
        if at + _FRAME.size > len(data):
            return Read(items, offset + at, "" if more else "it ends in the middle of a chunk")
        length, checksum = _FRAME.unpack_from(data, at)
        body = data[at + _FRAME.size : at + _FRAME.size + length]
        if length > _MOST or length < _BODY.size:
            return Read(items, offset + at, "a length that no chunk has")
        if len(body) < length:
            return Read(items, offset + at, "" if more else "it ends in the middle of a chunk")
        if zlib.crc32(body) != checksum:
            return Read(items, offset + at, "a chunk whose checksum is wrong")
        items.append(_item(body))
        at += _FRAME.size + length
    return Read(items, offset + at, "")


def _item(body: bytes) -> Item:
    accepted, key, trace = _BODY.unpack_from(body)
    key_end = _BODY.size + key
    return Item(body[_BODY.size : key_end], body[key_end + trace :], body[key_end : key_end + trace], accepted)
