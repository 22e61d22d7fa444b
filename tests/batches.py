"""Record batches made by hand, as a hostile or a careless client may send them; brokers take all that is made here."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import cramjam
from aiokafka import AIOKafkaProducer
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.record.util import calc_crc32c

HEADER: Final = struct.Struct(">qiibIhiqqqhii")
CRC_END: Final = 21
Header = tuple[bytes, bytes | None]


def raw_snappy(content: bytes) -> bytes:
    """Snappy as librdkafka has it: one block, without the framing of Java's library."""
    return bytes(cramjam.snappy.compress_raw(content))


CODECS: Final[dict[str, tuple[int, Callable[[bytes], bytes]]]] = {
    "none": (0, bytes),
    "gzip": (1, gzip_encode),
    "snappy": (2, snappy_encode),
    "raw snappy": (2, raw_snappy),
    "lz4": (3, lz4_encode),
    "zstd": (4, zstd_encode),
}
"""Number and compressor, by name."""


def varint(value: int, width: int = 0) -> bytes:
    """A number as records have it: zigzag, seven bits a byte; padded to `width` bytes, which readers accept."""
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value > 0x7F or len(out) < width - 1:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def sized(content: bytes | None) -> bytes:
    """Bytes behind their length."""
    return varint(-1) if content is None else varint(len(content)) + content


def record(
    offset: int,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[Header] = (),
    *,
    later: int = 0,
    attributes: int = 0,
) -> bytes:
    """A record; `offset` and `later` (ms) count from those of the batch."""
    body = bytes([attributes]) + varint(later) + varint(offset) + sized(key) + sized(value) + varint(len(headers))
    body += b"".join(sized(name) + sized(content) for name, content in headers)
    return varint(len(body)) + body


def batch(
    records: Iterable[bytes] | bytes, count: int, codec: str = "none", *, first: int = 0, since: int = 1_000
) -> bytes:
    """A batch of `count` records, or of what they are packed to already, under a checksum that fits."""
    number, pack = CODECS[codec]
    packed = records if isinstance(records, bytes) else pack(b"".join(records))
    body = struct.pack(">hiqqqhii", number, count - 1, since, since, -1, -1, -1, count) + packed
    crc = struct.pack(">I", calc_crc32c(body))
    return struct.pack(">qiib", first, len(body) + 9, -1, 2) + crc + body


async def send(producer: AIOKafkaProducer, topic: str, partition: int, content: bytes) -> int:
    """Send a batch as it is; its first offset."""
    made: Any = producer.create_batch()
    made.append(timestamp=None, key=None, value=b"", headers=[])  # what the client counts
    made.close()
    made._buffer = bytearray(content)
    delivery = await producer.send_batch(made, topic, partition=partition)
    return int((await delivery).offset)
