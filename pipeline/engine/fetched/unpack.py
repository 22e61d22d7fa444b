"""Compressed bytes unpacked within bounds: at once into so many bytes, or piece by piece as they are asked for.

The codecs are those that aiokafka uses: the standard library's gzip, and cramjam. Imports nothing of the project.
"""

from __future__ import annotations

import mmap
import os
import threading
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

import cramjam

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
NAMES: Final = ("none", "gzip", "snappy", "lz4", "zstd")
"""Of Kafka's codecs, by their number in a batch's attributes."""

PIECE: Final = 1 << 16
PARTS: Final = 100_000
"""Most blocks or frames that are looked at one by one: of ordinary ones, 3 GiB; empty ones would only take time."""
WINDOW_BYTES: Final = 8 << 20
"""How far zstd may look back when it is unpacked in pieces: what RFC 8878 §3.1.1.1.2 asks every decoder to support."""

_FAILURES: Final = (cramjam.DecompressionError, zlib.error, EOFError, IndexError)
"""What the codecs, and reading over the end, raise for bytes that can't be unpacked."""


class Damaged(ValueError):
    """Bytes that are not what they should be, or can't be read within these bounds."""


_XERIAL: Final = b"\x82SNAPPY\0"
_XERIAL_HEADER: Final = 16
"""Bytes before the blocks of snappy-java's stream; the two versions in them are those of the library that wrote it."""


class Scratch(threading.local):
    """Room to unpack into, of each thread, so that none is made for each batch; memory only as far as it was used."""

    def __init__(self, size: int, before: int) -> None:
        """Have room for `size` bytes, which are `body`, and for `before` more in front of them."""
        self.room = memoryview(mmap.mmap(-1, before + size))
        self.body = self.room[before:]


def whole(codec: int, packed: memoryview, room: memoryview) -> int | None:
    """Unpack at once into `room`; how many bytes, None where they can't be unpacked or are more than that."""
    try:
        return _WHOLE[codec](packed, room)
    except (Damaged, *_FAILURES):
        return None


def pieces(codec: int, packed: memoryview, most: int) -> Generator[bytes, None, None]:
    """Unpack in pieces, of which a new one is made when the one before was taken.

    Args:
        codec: its number.
        packed: the bytes.
        most: of a piece, where its size is the writer's choice.

    Raises:
        Damaged: they can't be unpacked, or not within these bounds.
    """
    try:
        yield from _PIECES[codec](packed, most)
    except _FAILURES as error:
        raise Damaged from error


# ---- gzip ----------------------------------------------------------------------------------------------------------


def _gzip_whole(packed: memoryview, room: memoryview) -> int | None:
    member = zlib.decompressobj(wbits=31)
    content = member.decompress(packed, len(room) + 1)
    if len(content) > len(room) or not member.eof or member.unused_data:
        return None
    room[: len(content)] = content
    return len(content)


def _gzip_pieces(packed: memoryview, _: int) -> Iterator[bytes]:
    member, have, at = zlib.decompressobj(wbits=31), b"", 0
    for _ in range(PARTS):  # members that follow each other are one stream
        while not member.eof:
            if not have:
                have, at = bytes(packed[at : at + PIECE]), at + PIECE
            piece = member.decompress(have, PIECE)
            if not piece and not have:
                raise EOFError
            have = member.unconsumed_tail
            if piece:
                yield piece
        have = member.unused_data or bytes(packed[at : at + PIECE])
        at += 0 if member.unused_data else PIECE
        if not have.strip(b"\0"):
            return
        member = zlib.decompressobj(wbits=31)
    raise Damaged


# ---- snappy: one block, or the stream of blocks that Java's library writes -------------------------------------------


def _blocks(packed: memoryview) -> Iterator[memoryview]:
    if bytes(packed[: len(_XERIAL)]) != _XERIAL:
        yield packed
        return
    at, parts = _XERIAL_HEADER, PARTS
    while at < len(packed):
        begin, parts = at + 4, parts - 1
        at = begin + int.from_bytes(packed[at:begin], "big")
        if begin >= at or at > len(packed) or not parts:
            raise Damaged
        yield packed[begin:at]


def _snappy_whole(packed: memoryview, room: memoryview) -> int | None:
    size = 0
    for block in _blocks(packed):
        if cramjam.snappy.decompress_raw_len(block) > len(room) - size:
            return None
        size += cramjam.snappy.decompress_raw_into(block, room[size:])
    return size


def _snappy_pieces(packed: memoryview, most: int) -> Iterator[bytes]:
    for block in _blocks(packed):
        if cramjam.snappy.decompress_raw_len(block) > most:
            raise Damaged  # one block can only be unpacked as a whole
        if content := bytes(cramjam.snappy.decompress_raw(block)):
            yield content


# ---- lz4 and zstd --------------------------------------------------------------------------------------------------


def _lz4_whole(packed: memoryview, room: memoryview) -> int:
    return int(cramjam.lz4.decompress_into(packed, room))


def _zstd_whole(packed: memoryview, room: memoryview) -> int:
    return int(cramjam.zstd.decompress_into(packed, room))


def _lz4_pieces(packed: memoryview, _: int) -> Iterator[bytes]:
    return _piped(cramjam.lz4.decompress_into, packed)


def _zstd_pieces(packed: memoryview, most: int) -> Iterator[bytes]:
    if all(window <= WINDOW_BYTES for window in _windows(packed)):
        yield from _piped(cramjam.zstd.decompress_into, packed)
        return
    room = memoryview(bytearray(most))
    yield bytes(room[: _zstd_whole(packed, room)])


def _piped(decompress_into: Callable[[Any, Any], int], packed: memoryview) -> Iterator[bytes]:
    """What a codec writes, as it writes it: into a pipe, on a thread of its own, which waits while the pipe is full.

    cramjam unpacks as a whole or into a file; a pipe is a file that holds 64 KiB.
    """
    reader, writer = os.pipe()
    failed: list[Exception] = []

    def write() -> None:
        try:
            decompress_into(packed, sink.pop())  # popped, so that it is closed when this ends
        except cramjam.DecompressionError as error:
            failed.append(error)  # also when nobody reads any more

    try:
        try:
            sink = [cramjam.File(f"/dev/fd/{writer}", read=False, write=True, truncate=False, append=False)]
        finally:
            os.close(writer)
        thread = threading.Thread(target=write, name="unpack", daemon=True)
        thread.start()
        while piece := os.read(reader, PIECE):
            yield piece
    finally:
        os.close(reader)
    thread.join()
    if failed:
        raise failed[0]


def _windows(packed: memoryview) -> Iterator[int]:
    """The window of each frame (RFC 8878 §3.1.1): so much a decoder remembers of what it has unpacked."""
    at, parts = 0, PARTS
    while at < len(packed):
        parts -= 1
        if not parts:
            raise Damaged
        magic = int.from_bytes(packed[at : at + 4], "little")
        if magic & 0xFFFFFFF0 == 0x184D2A50:  # a frame to be skipped
            at += 8 + int.from_bytes(packed[at + 4 : at + 8], "little")
            continue
        if magic != 0xFD2FB528:
            raise Damaged
        descriptor = packed[at + 4]
        single, checksum = descriptor >> 5 & 1, descriptor >> 2 & 1
        at += 5
        if not single:
            exponent, mantissa = packed[at] >> 3, packed[at] & 7
            yield (1 << exponent + 10) // 8 * (8 + mantissa)
            at += 1
        at += (0, 1, 2, 4)[descriptor & 3]  # number of a dictionary
        width = (single, 2, 4, 8)[descriptor >> 6]
        if single:  # as much as the content
            yield int.from_bytes(packed[at : at + width], "little") + (256 if width == 2 else 0)
        at = _behind_blocks(packed, at + width) + 4 * checksum


def _behind_blocks(packed: memoryview, at: int) -> int:
    """Where the blocks of a frame end."""
    last = 0
    for _ in range(PARTS):
        if last:
            break
        header = packed[at] | packed[at + 1] << 8 | packed[at + 2] << 16
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        at += 3 + (1 if kind == 1 else size)  # 1: one byte, repeated
    return at


def _plain(packed: memoryview, _: int) -> Iterator[bytes]:
    yield bytes(packed)


_WHOLE: Final[dict[int, Callable[[memoryview, memoryview], int | None]]] = {
    GZIP: _gzip_whole,
    SNAPPY: _snappy_whole,
    LZ4: _lz4_whole,
    ZSTD: _zstd_whole,
}
_PIECES: Final[dict[int, Callable[[memoryview, int], Iterator[bytes]]]] = {
    NONE: _plain,
    GZIP: _gzip_pieces,
    SNAPPY: _snappy_pieces,
    LZ4: _lz4_pieces,
    ZSTD: _zstd_pieces,
}
