"""What a stream of incompressible audio costs in changelog and store, for each of its bytes, short and long.

Owns the audio and the shapes. Imports its siblings.
"""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Iterator
from typing import Final, NamedTuple

from pipeline.ops.bench.measure import topic_bytes
from pipeline.ops.bench.scenarios.feed import Piece, feeding
from pipeline.ops.bench.scenarios.figure import Outcome
from pipeline.ops.bench.scenarios.ground import Ground
from pipeline.ops.bench.scenarios.watch import watching

FRAGMENT: Final = 16 << 10
"""Bytes of audio in a chunk."""
SEED: Final = 4
RATE: Final = 1_000
"""Chunks a second, 22 MB: slow enough that requests stay open over several checkpoints."""
TINY_RATE: Final = 25
PACE_SLACK: Final = 0.1
"""Seconds added to the last stretch: one shorter than a tick would send nothing."""
PUT_TARGET: Final = 0.85
"""Bytes for each byte of chunks: base64 is kept as bytes, so 0.75 and what surrounds it."""
GROWTH_TARGET: Final = 5.0


class Costs(NamedTuple):
    """Bytes of one run, for each byte of its chunks; `size` is theirs."""

    changelog: float
    puts: float
    device: float
    size: int


async def volume(ground: Ground) -> list[Outcome]:
    """Measure 200 chunks a request, then 50 and 800."""
    opened, chunks = ground.pick(100, 25, 4), ground.pick(200, 100, 20)
    outcome = Outcome("bytes", f"{opened} open speech requests of {chunks} × {FRAGMENT >> 10} KiB seeded noise")
    found = await _run(ground, "bytes", opened, opened, chunks)
    outcome.add("changelogs, bytes per chunk byte", found.changelog, "", PUT_TARGET)
    outcome.add("RocksDB puts, bytes per chunk byte", found.puts, "", PUT_TARGET)
    outcome.add("device writes of the worker, bytes per chunk byte", found.device, "")
    outcome.add("chunk bytes", found.size / (1 << 20), "MiB")
    short, long = ground.pick(50, 25, 5), ground.pick(800, 400, 40)
    total = opened * ground.pick(200, 200, 20)
    few, many = [
        await _run(ground, f"bytes{length}", total // length, max(1, min(opened, total // length)), length)
        for length in (short, long)
    ]
    outcome.conditions += f"; then {total:,} chunks as requests of {short} and of {long}"
    for name, before, after in (("changelogs", few.changelog, many.changelog), ("puts", few.puts, many.puts)):
        outcome.add(f"{name} at {short} chunks", before, "")
        outcome.add(f"{name} at {long} chunks", after, "")
        outcome.add(f"{name}, growth from {short} to {long}", 100 * (after / before - 1), "%", GROWTH_TARGET)
    return [outcome]


async def _run(ground: Ground, name: str, requests: int, opened: int, chunks: int) -> Costs:
    """Requests at a fixed rate while the worker runs."""
    stage = await ground.stage(name)
    async with ground.worker(stage) as worker, watching(stage.settings) as watch, feeding(stage.settings) as feed:
        text = f"bytes: {requests:,} requests of {chunks} chunks"
        with ground.site.steps.step(name, text, total=requests * chunks) as advance:
            pieces = noise(requests, opened, chunks)
            rate = TINY_RATE if ground.tiny else RATE
            while feed.sent < requests * chunks:
                await feed.paced(pieces, rate, min(1.0, (requests * chunks - feed.sent) / rate + PACE_SLACK))
                advance(feed.sent)
            await feed.settle()
            await worker.records(watch, requests, 300.0)
        device = worker.process.cost().written
        done = await worker.stop()
    changelog, _ = topic_bytes(ground.site.cluster, name + "-", stage.settings.record_topic)
    return Costs(changelog / feed.size, done["put_bytes"] / feed.size, device / feed.size, feed.size)


def noise(requests: int, opened: int, chunks: int, seed: int = SEED) -> Iterator[Piece]:
    """Speech chunks of seeded random audio, requests that are open together taking turns."""
    source = random.Random(seed)  # noqa: S311 (noise that can be made again)
    envelope = b',"stream_type":"audio.speech","timestamp":"2026-11-23T16:00:00.000Z","response":'
    for first in range(0, requests, opened):
        for index in range(chunks):
            last = index == chunks - 1
            for number in range(first, min(requests, first + opened)):
                key = b"noise-%06d" % number
                head = b'{"request_id":"%b","chunk_index":%d,"is_final":%b' % (
                    key,
                    index,
                    b"true" if last else b"false",
                )
                audio = b64encode(source.randbytes(FRAGMENT))
                payload = b'{"type":"speech.audio.delta","audio":"' + audio + b'"}}'
                yield Piece(key, head + envelope + payload, last)
