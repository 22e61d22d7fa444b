"""Compressed bytes are unpacked within bounds: into their room or not at all, or in pieces as they are asked for."""

from __future__ import annotations

import gzip
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cramjam
import pytest

from pipeline.engine.fetched import unpack
from pipeline.engine.fetched.unpack import Damaged, pieces, whole
from tests.batches import CODECS

TEXT = random.Random(7).randbytes(70_000) * 3
"""Of several blocks in each codec."""
PACKERS = [(name, number, pack) for name, (number, pack) in CODECS.items() if number]
MOST = 1 << 20


def rest(packed: bytes, codec: int, most: int = MOST) -> bytes:
    """All pieces together."""
    return b"".join(pieces(codec, memoryview(packed), most))


@pytest.mark.parametrize(("codec", "pack"), [each[1:] for each in PACKERS], ids=[each[0] for each in PACKERS])
def test_what_fits_is_unpacked(codec: int, pack: Callable[[bytes], bytes]) -> None:
    """To the byte where it is full; one byte less of room, and it is not; in pieces it always is."""
    packed = memoryview(pack(TEXT))
    room = memoryview(bytearray(len(TEXT)))

    assert whole(codec, packed, room) == len(TEXT)
    assert room == TEXT
    assert whole(codec, packed, room[:-1]) is None
    assert rest(bytes(packed), codec) == TEXT


@pytest.mark.parametrize(("codec", "pack"), [each[1:] for each in PACKERS], ids=[each[0] for each in PACKERS])
def test_what_is_cut_off_is_damaged(codec: int, pack: Callable[[bytes], bytes]) -> None:
    """It raises nothing but that, whatever the codec's library raises."""
    packed = pack(TEXT)[:-9]

    assert whole(codec, memoryview(packed), memoryview(bytearray(MOST))) is None
    with pytest.raises(Damaged):
        rest(packed, codec)


@pytest.mark.parametrize("codec", [unpack.GZIP, unpack.ZSTD])
def test_several_streams_in_one_are_unpacked_together(codec: int) -> None:
    """Java's readers do so."""
    pack = gzip.compress if codec == unpack.GZIP else lambda text: bytes(cramjam.zstd.compress(text))
    packed = pack(b"one ") + pack(b"two ") + pack(TEXT)
    room = memoryview(bytearray(MOST))

    assert rest(packed, codec) == b"one two " + TEXT
    assert codec == unpack.GZIP or bytes(room[: whole(codec, memoryview(packed), room)]) == b"one two " + TEXT


@pytest.mark.parametrize(
    ("codec", "packed"),
    [
        (unpack.GZIP, gzip.compress(b"") * 200_000),
        (unpack.SNAPPY, b"\x82SNAPPY\0" + bytes(8) + b"\0\0\0\1\0" * 200_000),
        (unpack.ZSTD, bytes(cramjam.zstd.compress(b"")) * 200_000),
        (unpack.ZSTD, b"\x50\x2a\x4d\x18\0\0\0\0" * 200_000),
    ],
    ids=["gzip", "snappy", "zstd", "zstd to be skipped"],
)
def test_parts_without_content_take_no_time(codec: int, packed: bytes) -> None:
    """A batch of 16 MiB may have millions of them; after the hundred thousandth nobody looks."""
    began = time.process_time()
    with pytest.raises(Damaged):
        rest(packed, codec)

    assert time.process_time() - began < 10


def test_a_frame_that_looks_far_back_is_unpacked_as_a_whole_or_not_at_all() -> None:
    """Zstd's highest levels ask for 128 MiB to look back in, of each reader of such a batch."""
    text = TEXT * 20
    frame = bytearray(cramjam.zstd.compress(text, level=3))
    assert [*unpack._windows(memoryview(frame))] == [2 << 20]
    frame[5] = 27 - 10 << 3
    assert [*unpack._windows(memoryview(frame + frame))] == [128 << 20] * 2

    assert rest(bytes(frame), unpack.ZSTD, len(text)) == text
    with pytest.raises(Damaged):
        rest(bytes(frame), unpack.ZSTD, len(text) - 1)


def test_one_block_of_snappy_is_unpacked_as_a_whole_or_not_at_all() -> None:
    """It may refer to any byte before."""
    packed = bytes(cramjam.snappy.compress_raw(TEXT))

    assert rest(packed, unpack.SNAPPY, len(TEXT)) == TEXT
    with pytest.raises(Damaged):
        rest(packed, unpack.SNAPPY, len(TEXT) - 1)


@pytest.mark.parametrize("codec", [unpack.LZ4, unpack.ZSTD])
def test_who_stops_reading_leaves_nothing_behind(codec: int) -> None:
    """No thread, no open file: of what would be gigabytes the rest is never unpacked."""
    pack = CODECS[unpack.NAMES[codec]][1]
    before = files()
    reading: Iterator[bytes] = pieces(codec, memoryview(pack(bytes(64 << 20))), MOST)
    assert not any(next(reading))
    assert files() > before
    del reading

    deadline = time.monotonic() + 60
    while any(thread.name == "unpack" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    assert files() == before


def files() -> int:
    """Open files of this process."""
    return len([*Path("/dev/fd").iterdir()])
