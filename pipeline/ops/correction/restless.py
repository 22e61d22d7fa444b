"""Records with late chunks: those that a worker which has not passed their time may yet revise.

One sweep over the chunks that came after them; exact, whether a worker runs or not. Imports `topics`, the guard.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from types import MappingProxyType
from typing import Final

from pipeline.ops.correction.guard import Doubt
from pipeline.settings import Settings
from pipeline.topics.reader import Topics

LATE: Final = "a chunk came after it, which no worker has passed"
GONE: Final = "no worker has passed its time, and the chunks after it are not kept"

_NONE: Final[Mapping[str, AbstractSet[int]]] = MappingProxyType({})


async def restless(
    topics: Topics,
    settings: Settings,
    partition: int,
    doubts: Mapping[str, Doubt],
    passed: Mapping[str, AbstractSet[int]] = _NONE,
) -> dict[str, str]:
    """Which of these requests have to wait, and why.

    Args:
        topics: to read from.
        settings: of the ledger.
        partition: of all of them.
        doubts: by request id.
        passed: offsets of chunks that the worker is known to have passed, by request id: it has refused them.

    Raises:
        KafkaUnreachable: no broker answers any more.
        BrokerFault: a producer's transaction stays open, and what it holds may be late chunks.
    """
    place = settings.chunk_topic, partition
    begin, _ = await topics.bounds(*place) if topics.has(*place) else (0, 0)
    after: dict[bytes, tuple[str, int, int]] = {}
    held: dict[str, str] = {}
    for name, doubt in doubts.items():
        last = doubt.source["last_offset"]
        if not topics.has(*place) or doubt.source["topic"] != settings.chunk_topic or last is None or last + 1 < begin:
            held[name] = GONE
        else:
            after[name.encode()] = name, last, doubt.until
    if not after:
        return held
    first, end = min(last for _, last, _ in after.values()) + 1, await topics.written(*place)
    over = max(until for _, _, until in after.values())
    async with aclosing(topics.read(f"late chunks of partition {partition}", *place, first, end)) as chunks:
        async for chunk in chunks:
            if chunk.timestamp >= over:
                break
            name, last, until = after.get(chunk.key or b"", ("", chunk.offset, 0))
            if chunk.offset > last and chunk.timestamp < until and chunk.offset not in passed.get(name, ()):
                held[name] = LATE
    return held
