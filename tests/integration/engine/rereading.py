"""What a ledger has made of its chunk topic beside what `streamledger fold` makes of the same topic read again (G3)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.settings import Settings
from tests.integration.engine.harness import Seen, committed
from tests.replay import Folded, Place, fold


@dataclass
class Live:
    """What a committed reader saw of a ledger.

    Attributes:
        records: bytes of each, in the order of their partition.
        dead: (reason, partition, offset) of the dead letters.
    """

    records: list[bytes] = field(default_factory=list)
    dead: Counter[tuple[str, int, int]] = field(default_factory=Counter)

    def of(self, request_id: str) -> list[dict[str, Any]]:
        """The records of a request."""
        documents = map(json.loads, self.records)
        return [record for record in documents if record["request_id"] == request_id]


def refold(settings: Settings, chunks: Sequence[Seen], folder: Path) -> Folded:
    """Fold a chunk topic offline with the settings of a ledger."""
    folder.mkdir(parents=True)
    records = [
        (each.key, each.value, Place(settings.chunk_topic, each.partition, each.offset, each.timestamp))
        for each in sorted(chunks, key=lambda each: (each.partition, each.offset))
    ]
    return fold(records, settings.model_dump(mode="json"), folder)


async def live(settings: Settings, expected: Folded) -> Live:
    """What a ledger has sent once it is as much as was expected, or more."""
    records = await committed(settings, settings.record_topic, at_least=len(expected.records))
    count = expected.dead.total() + len(expected.passing)
    letters = await committed(settings, settings.dead_topic, at_least=count)
    dead: Counter[tuple[str, int, int]] = Counter()
    for letter in letters:
        told = dict(letter.headers)
        dead[told["dl.reason"].decode(), int(told["dl.partition"]), int(told["dl.offset"])] += 1
    return Live([each.value or b"" for each in records], dead)


def assert_equal(expected: Folded, seen: Live) -> None:
    """Hold a ledger to the fold, byte for byte.

    Raises:
        AssertionError: They differ; the first record that does is shown.
    """
    more, less = Counter(seen.records) - Counter(expected.records), Counter(expected.records) - Counter(seen.records)
    assert not more, f"{more.total()} live records are not what fold says, first {_beside(more, less)}"
    assert not less, f"{less.total()} records are missing, first {min(less)[:600]!r}"
    letters = {place: count for place, count in seen.dead.items() if place[1:] not in expected.passing}
    assert expected.dead == letters


def _beside(more: Counter[bytes], less: Counter[bytes]) -> str:
    first = json.loads(min(more))
    for other in map(json.loads, less):
        if all(other[name] == first[name] for name in ("request_id", "revision")):
            names = [name for name in first if first[name] != other[name]]
            return f"{first['request_id']}: " + ", ".join(f"{n} {first[n]!r}, fold {other[n]!r}" for n in names)
    return json.dumps(first)[:600]
