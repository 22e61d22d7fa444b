"""What a rate of chunks needs, computed from what was measured; the README's table: `python -m tests.bench.sizing`.

Owns the arithmetic and its assumptions. The figures of `Measured` are those of the README's benchmarks; whoever
measures anew changes both, and the table follows. `python -m tests.bench.sizing 50000` says it for a rate of your own.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from schemas.topics import CHUNK_RETENTION

BEGIN: Final = "<!-- sizing -->"
END: Final = "<!-- /sizing -->"

RATES: Final = (1_000, 10_000, 100_000, 1_000_000)
"""Chunks per second of the table's rows."""

DAY: Final = 86_400
MIB: Final = 1 << 20
GB: Final = 1e9


@dataclass(frozen=True)
class Measured:
    """Of one worker, broker on the same two cores (README, Benchmarks).

    Attributes:
        rates: (open requests, chunks/s, CPU seconds per million chunks).
        head_bytes: Memory of an open request.
        base_bytes: Memory of a worker with nothing open, RocksDB's cache full.
        changelog: Bytes into the changelogs for each byte of chunks.
        record_bytes: Of a record of the profile `chat`, uncompressed.
        marker_bytes: Of a closed request, in store and changelog, uncompressed.
        markers_per_second: Read at a restore.
        transactions: A worker's budget in a second; a partition uses about one.
    """

    rates: tuple[tuple[int, float, float], ...] = ((200, 107_227, 8.8), (10_000, 74_683, 13.0), (100_000, 33_774, 30.2))
    head_bytes: float = 1_690
    base_bytes: float = 545 * MIB
    changelog: float = 0.744
    record_bytes: float = 2_764
    marker_bytes: float = 136
    markers_per_second: float = 1_700_000
    transactions: float = 50


@dataclass(frozen=True)
class Assumed:
    """Of the traffic and of what it runs on: yours differ, change them.

    Attributes:
        chunk_bytes, chunks_per_request: Of the profile `chat` of `streamledger load`.
        stream_seconds: From a request's first chunk to its close.
        share: Of the measured rate that a worker is planned for; the rest is for restarts, rebalances and noise.
        partitions: For each worker, so that the work of one that is gone spreads over the others.
        replication: Of the topics.
        compression: Of batches on their way and on Kafka's disks, as our own producers pack them (zstd). With 10 chunks
            in a batch, as a publisher of 2,000 chunks/s with 8 partitions makes them, recorded streams become 3.9
            times smaller and those of `streamledger load` 4.9 times; with 5 it is 2.8 and 3.3, with 100 9.1 and 11.1
            (`python -m tests.bench.codecs`).
        chunk_days, record_days: How long the topics keep them, as `streamledger topics` creates them.
        cpu_hour, gb_month: USD for a processor's hour and a GB of disk for a month.
    """

    chunk_bytes: float = 376
    chunks_per_request: float = 195
    stream_seconds: float = 10
    share: float = 0.5
    partitions: int = 4
    replication: int = 3
    compression: float = 4
    chunk_days: float = CHUNK_RETENTION / 1_000 / DAY
    record_days: float = 30
    cpu_hour: float = 0.04
    gb_month: float = 0.08


@dataclass(frozen=True)
class Size:
    """What a rate needs."""

    rate: float
    requests: float
    open: float
    workers: int
    partitions: int
    memory: float
    store: float
    restore: float
    inflow: float
    kafka: float
    usd: float

    @property
    def line(self) -> str:
        """As a row of Markdown."""
        cells = (
            f"{self.rate:,.0f}",
            _short(self.requests),
            _short(self.open),
            f"{self.workers} + 1",
            f"{self.partitions}",
            f"{self.memory / MIB:,.0f} MiB",
            f"{self.store / GB:,.1f} GB",
            f"{max(self.restore, 1):,.0f} s",
            f"{self.inflow / 1e6:,.1f} MB/s",
            f"{self.kafka / 1e12:,.1f} TB",
            f"{self.usd:.2f}",
        )
        return f"| {' | '.join(cells)} |"


HEAD: Final = (
    "| chunks/s | requests/s | open | workers | partitions | memory | store | restore | inflow | disk | USD |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
)


def size(rate: float, measured: Measured = Measured(), assumed: Assumed = Assumed()) -> Size:
    """What `rate` chunks per second need."""
    requests = rate / assumed.chunks_per_request
    opened = requests * assumed.stream_seconds
    workers = 1
    while rate / workers > assumed.share * _at(opened / workers, measured)[0]:
        workers += 1
    partitions = max(8, workers * assumed.partitions)
    markers = requests * DAY
    text = opened * assumed.chunk_bytes * assumed.chunks_per_request
    chunks = rate * assumed.chunk_bytes
    inflow = chunks * (1 + measured.changelog) + requests * (measured.record_bytes + measured.marker_bytes)
    kept = chunks * DAY * assumed.chunk_days + requests * measured.record_bytes * DAY * assumed.record_days
    changelogs = text * 2 + markers * measured.marker_bytes * (1 + assumed.chunk_days)
    kafka = (kept + changelogs) * assumed.replication / assumed.compression
    store = text * 2 + markers * measured.marker_bytes
    seconds = _at(opened / workers, measured)[1] * assumed.chunks_per_request / assumed.share
    disk = (kafka + store) / GB * assumed.gb_month / 30 / (requests * DAY / 1e6)
    return Size(
        rate=rate,
        requests=requests,
        open=opened,
        workers=workers,
        partitions=partitions,
        memory=measured.base_bytes + opened / workers * measured.head_bytes,
        store=store / workers,
        restore=markers / workers / measured.markers_per_second,
        inflow=inflow / assumed.compression,
        kafka=kafka,
        usd=seconds / 3_600 * assumed.cpu_hour + disk,
    )


def table(rates: Iterable[float] = RATES) -> str:
    """The whole table, without a line end."""
    return "\n".join((*HEAD, *(size(rate).line for rate in rates)))


def _at(opened: float, measured: Measured) -> tuple[float, float]:
    """Chunks/s and CPU seconds per million at so many open requests: between two measurements along their logarithm."""
    points = measured.rates
    if opened <= points[0][0]:
        return points[0][1:]
    for (low, fast, cheap), (high, slow, dear) in itertools.pairwise(points):
        if opened <= high:
            part = math.log(opened / low) / math.log(high / low)
            return fast + (slow - fast) * part, cheap + (dear - cheap) * part
    return points[-1][1:]


def _short(number: float) -> str:
    """Rounded to what a plan can know."""
    return f"{number:,.0f}" if number >= 10 else f"{number:,.1f}"


if __name__ == "__main__":
    print(table(map(float, sys.argv[1:]) if sys.argv[1:] else RATES))
