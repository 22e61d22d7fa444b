"""The chunk topic of a round folded again offline: each partition must give the bytes of its record topic (G3).

The reader is the independent one, and the fold is the product as a program, `streamledger fold`, with the settings of
the workers. Imports the siblings and the standard library.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.chaos.reader import partition
from tests.replay import Place, fold

MOST_CHUNKS: Final = 200_000
"""Whole partitions are folded until so many chunks were; a round of a few minutes is folded whole."""


class Again(NamedTuple):
    """What a second fold has shown.

    Attributes:
        partitions: how many were folded again.
        compared: records that the folds gave.
        different: records that are in one of the two only.
        findings: the first of those in words.
    """

    partitions: int
    compared: int
    different: int
    findings: list[str]


async def again(settings: Mapping[str, Any], folder: Path, *, seed: int) -> Again:
    """Fold partitions again, in an order drawn by the seed.

    Args:
        settings: of the ledger, as JSON values, with the address of its brokers.
        folder: for files on the way; it is there.
        seed: of the round.
    """
    servers = str(settings["bootstrap_servers"])
    numbers = list(range(int(settings["partitions"])))
    random.Random(seed).shuffle(numbers)
    chunks = compared = different = partitions = 0
    findings: list[str] = []
    for number in numbers:
        if chunks >= MOST_CHUNKS:
            break
        lines = [
            (each.key, each.value, Place(each.topic, each.partition, each.offset, each.timestamp))
            async for each in partition(servers, str(settings["chunk_topic"]), number)
        ]
        folded = Counter((await asyncio.to_thread(fold, lines, settings, folder)).records)
        seen = Counter([each.value async for each in partition(servers, str(settings["record_topic"]), number)])
        partitions, chunks, compared = partitions + 1, chunks + len(lines), compared + folded.total()
        for what, more in (("live only", seen - folded), ("of the second fold only", folded - seen)):
            different += more.total()
            findings += [f"{what}: {_named(record)}" for record in sorted(more)[:3]]
    return Again(partitions, compared, different, findings)


def _named(record: bytes) -> str:
    told = json.loads(record)
    named = {name: told[name] for name in ("request_id", "revision", "closed_by", "status", "chunk_count", "source")}
    return f"{json.dumps(named)} {sha256(record).hexdigest()[:8]}"
