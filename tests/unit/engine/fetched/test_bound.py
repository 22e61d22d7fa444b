"""Real bombs, taken by a process of its own whose memory is measured: it holds a portion and a record, and no more."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import cramjam
from aiokafka.codec import snappy_encode

from tests.batches import batch, record, varint

MIB: Final = 1 << 20
BOUND: Final = 80 * MIB
"""What the process may need beside what it had: some portions of 8 MiB, a record of 16 MiB while it is put together,
what zstd remembers (8 MiB), and what an allocator keeps of all that."""

PROGRAM: Final = """
import sys
from pathlib import Path
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from pipeline.engine.fetched.batch import Splitter
from pipeline.engine.fetched.records import Fetched

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))

before = peak()
content = Path(sys.argv[1]).read_bytes()
fetched = Fetched(
    PartitionRecords(TopicPartition("t", 0), Splitter(content), [], 0, None, None, True, READ_COMMITTED), lean=True
)
count = size = 0
while not fetched.over:
    for each in fetched.take(2_000):
        count, size = count + 1, size + len(each.value)
    each = None
print(count, size, fetched.next_fetch_offset, peak() - before)
"""


def gzipped(pieces: Iterable[bytes]) -> bytes:
    """Packed piece by piece, as the next ones are."""
    packer = zlib.compressobj(1, wbits=31)
    return b"".join([*map(packer.compress, pieces), packer.flush()])


def zstd(pieces: Iterable[bytes]) -> bytes:
    """One frame."""
    packer = cramjam.zstd.Compressor(3)
    for piece in pieces:
        packer.compress(piece)
    return bytes(packer.finish())


def lz4(pieces: Iterable[bytes]) -> bytes:
    """One frame of independent blocks, as Kafka wants them."""
    packer = cramjam.lz4.Compressor(level=1, content_checksum=False, block_linked=False)
    for piece in pieces:
        packer.compress(piece)
    return bytes(packer.finish())


def snappy(pieces: Iterable[bytes]) -> bytes:
    """The stream of Java's library."""
    first, *more = (snappy_encode(piece, xerial_blocksize=MIB) for piece in pieces)
    return bytes(first + b"".join(each[16:] for each in more))


PACKERS: Final[dict[str, tuple[Callable[[Iterable[bytes]], bytes], int]]] = {
    "gzip": (gzipped, 96),
    "zstd": (zstd, 256),
    "lz4": (lz4, 128),
    "snappy": (snappy, 128),
}
"""And how many MiB of zeros they pack here."""


def one(size: int) -> Iterator[bytes]:
    """A record whose value is so large."""
    head = record(0, b"k", b"")[1:-2] + varint(size)
    yield varint(len(head) + size + 1) + head
    for _ in range(size // MIB):
        yield bytes(MIB)
    yield varint(0)


def many(size: int) -> Iterator[bytes]:
    """Records of a MiB each."""
    for number in range(size // MIB):
        yield record(number, b"k", bytes(MIB))


def headers() -> bytes:
    """A record with sixteen MiB of them, which would be half a gigabyte of objects."""
    body = record(0, b"k", b"v")[1:-1] + varint(8 * MIB) + b"\0\1" * (8 * MIB)
    return varint(len(body)) + body


def test_no_bomb_is_ever_in_memory(tmp_path: Path) -> None:
    """Neither as one value, which is left out, nor as many, which all come, nor as headers, which are left out."""
    content = [batch([headers(), record(1, b"k", b"v")], 2)]
    first, counted = 2, 1
    for name, (pack, size) in PACKERS.items():
        content.append(batch(pack(one(size * MIB)), 1, name, first=first))
        content.append(batch(pack(many(size * MIB)), size, name, first=first + 1))
        first, counted = first + 1 + size, counted + size * MIB
    assert sum(map(len, content)) < counted // 16
    file = tmp_path / "fetched"
    file.write_bytes(b"".join(content))

    words = [sys.executable, "-c", PROGRAM, str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    *found, peak = map(int, done.stdout.split())
    assert found == [first, counted, first]
    assert peak < len(b"".join(content)) + BOUND
