"""What compressing batches of chunks costs and saves, by codec and by how many chunks lie in a batch.

Run it with `python -m tests.bench.codecs [FILE]`: chunk JSON lines in the order in which a gateway sends them. Without
one, real recorded streams are read (STREAMLEDGER_RECORDINGS, else ../shared/recordings beside the checkout), each once
and all of them open at the same time, so that no text is there twice. Batches are those of aiokafka with its own
levels. The figures are of this machine at this hour; those of sizes are not.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from tests.integration.engine.corpus import recordings

CODECS: Final = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
"""Codec by the number that Kafka has for it."""

SIZES: Final = (1, 5, 10, 20, 100, 1_000)
"""Chunks of a batch: a quiet gateway sends a few at once, a spool or a load thousands."""

ROUNDS: Final = 5
ROOM: Final = 1 << 30


class Row(NamedTuple):
    """Of one codec and size of batch: bytes on the wire for each of JSON, and µs of CPU a chunk for both ways."""

    codec: str
    chunks: int
    ratio: float
    pack: float
    unpack: float


def main() -> None:
    """Print the table."""
    lines = Path(sys.argv[1]).read_bytes().splitlines() if len(sys.argv) > 1 else list(recorded())
    chunks = [(json.loads(line)["request_id"].encode(), line) for line in lines]
    told = sum(len(value) for _, value in chunks)
    print(f"{len(chunks):,} chunks, {told / len(chunks):.0f} bytes each")
    print("codec    chunks/batch   bytes/bytes   times smaller   pack µs/chunk   unpack µs/chunk")
    for size in SIZES:
        for codec in CODECS:
            row = measured(chunks, codec, size)
            figures = f"{row.ratio:>13.3f}{1 / row.ratio:>16.1f}{row.pack:>16.2f}{row.unpack:>18.2f}"
            print(f"{row.codec:<9}{row.chunks:>12}{figures}")


def recorded() -> Iterator[bytes]:
    """Every recorded stream once, a chunk of each in turn until it is over."""
    streams = [
        [json.dumps({**chunk, "request_id": name}, ensure_ascii=False, separators=(",", ":")) for chunk in chunks]
        for name, chunks in recordings().items()
    ]
    for turn in itertools.zip_longest(*streams):
        yield from (line.encode(errors="replace") for line in turn if line is not None)


def measured(chunks: Sequence[tuple[bytes, bytes]], codec: str, size: int) -> Row:
    """Pack and unpack all chunks in batches of `size`; the best of some rounds."""
    best = [float("inf"), float("inf")]
    sent = 0
    for _ in range(ROUNDS):
        builders = [filled(chunks[at : at + size], CODECS[codec]) for at in range(0, len(chunks), size)]
        start = time.process_time()
        packed = [bytes(builder.build()) for builder in builders]
        middle = time.process_time()
        for batch in packed:
            for _ in DefaultRecordBatch(bytearray(batch)):
                pass
        best = [min(best[0], middle - start), min(best[1], time.process_time() - middle)]
        sent = sum(map(len, packed))
    told = sum(len(value) for _, value in chunks)
    return Row(codec, size, sent / told, *(seconds / len(chunks) * 1e6 for seconds in best))


def filled(chunks: Sequence[tuple[bytes, bytes]], codec: int) -> DefaultRecordBatchBuilder:
    """A batch that is still to be packed."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=0, producer_id=1, producer_epoch=0, base_sequence=0,
        batch_size=ROOM,
    )  # fmt: skip
    for offset, (key, value) in enumerate(chunks):
        builder.append(offset, timestamp=0, key=key, value=value, headers=[])
    return builder


if __name__ == "__main__":
    main()
