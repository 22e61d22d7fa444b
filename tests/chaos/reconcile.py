"""The generator's ledger against what was read: missing, double, different, and the same for the dead letters.

The last revision of a request must say what was sent. A revision, or a chunk refused as late, may exist only where the
chunks themselves came too late for their request, by the append times of the topic (CONTRACT §4): an outage outlasted
the grace. What a record must say without a chunk that was rightly refused follows from the ledger again. Imports the
siblings and the standard library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pipeline.ops.load.piece import Json
from tests.chaos.again import Again
from tests.chaos.garbage import Garbage
from tests.chaos.generator import HEADER, Ledger
from tests.chaos.reader import DeadLetter, Record, Sent

SHOWN: Final = 20
"""Findings that are written out."""


@dataclass
class Result:
    """What a round found; everything but the figures of the load must be zero."""

    requests: int = 0
    chunks: int = 0
    duplicates: int = 0
    garbage: int = 0
    records: int = 0
    revised: int = 0
    refused_late: int = 0
    unsent: int = 0
    missing: int = 0
    duplicate: int = 0
    different: int = 0
    unexpected: int = 0
    garbage_missing: int = 0
    garbage_duplicate: int = 0
    garbage_different: int = 0
    dead_unexpected: int = 0
    reread_different: int = 0
    folded_partitions: int = 0
    folded: int = 0
    folded_different: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is missing, double, different or unexpected."""
        return not any(
            (
                self.unsent,
                self.missing,
                self.duplicate,
                self.different,
                self.unexpected,
                self.garbage_missing,
                self.garbage_duplicate,
                self.garbage_different,
                self.dead_unexpected,
                self.reread_different,
                self.folded_different,
            )
        )

    def fold_again(self, seen: Again) -> None:
        """Note what a second fold of the topic has shown."""
        self.folded_partitions, self.folded, self.folded_different = seen[:3]
        for finding in seen.findings:
            self.find(finding)

    def find(self, what: str) -> None:
        """Write a finding out, as long as there are not too many."""
        if len(self.findings) < SHOWN:
            self.findings.append(what)

    def document(self) -> Json:
        """As JSON."""
        return {**asdict(self), "clean": self.clean}


def reconcile(
    ledger: Ledger, sent: Sent, records: Mapping[str, Sequence[Record]], dead: Sequence[DeadLetter], *, grace: int
) -> Result:
    """Compare.

    Args:
        ledger: Of the generator.
        sent: What lies in the topic of chunks.
        records: All that were read, by request id.
        dead: All dead letters that were read.
        grace: Shortest time in ms after which a request may close before its next chunk.
    """
    result = Result(
        requests=len(ledger.requests),
        chunks=ledger.chunks,
        duplicates=ledger.duplicates,
        garbage=len(ledger.garbage),
        records=sum(map(len, records.values())),
        unsent=ledger.chunks - len(sent.hashes),
    )
    refused: dict[bytes | None, set[bytes]] = {}
    for letter in dead:
        if _late(letter, sent, grace):
            refused.setdefault(letter.key, set()).add(letter.value or b"")
    for request_id, expected in ledger.requests.items():
        seen = records.get(request_id, ())
        if not seen:
            result.missing += 1
            result.find(f"missing {request_id}")
            continue
        key = request_id.encode()
        view = expected
        if late := refused.get(key):
            result.refused_late += 1
            view = ledger.without(request_id, late)
        _compare(result, request_id, view, seen, parted=sent.parted(key, grace))
    for request_id in records.keys() - ledger.requests.keys():
        result.unexpected += len(records[request_id])
        result.find(f"unexpected record of {request_id}")
    _garbage(result, ledger.garbage, sent, dead, grace)
    return result


def _late(letter: DeadLetter, sent: Sent, grace: int) -> bool:
    """Whether it is a good chunk, refused after its request may have closed."""
    good = letter.reason == "late" and HEADER not in letter.headers
    return good and sent.parted(letter.key, grace, before=letter.source[1])


def _compare(result: Result, request_id: str, expected: Json, seen: Sequence[Record], *, parted: bool) -> None:
    counts = Counter(record.revision for record in seen)
    repeated = sum(counts.values()) - len(counts)
    if repeated:
        result.duplicate += repeated
        places = [(record.partition, record.offset, record.revision) for record in seen]
        result.find(f"duplicate {request_id} at (partition, offset, revision) {places}")
    last = max(seen, key=lambda record: record.revision)
    wrong = sorted(name for name in expected if expected[name] != last.view[name])
    if not all(record.key_agrees and record.partition == record.source_partition for record in seen):
        wrong.append("key, header or partition")
    ids = {record.revision: record.record_id for record in seen}
    if any(record.supersedes != ids.get(record.revision - 1) for record in seen):
        wrong.append("supersedes")
    if last.revision:
        result.revised += 1
        if not parted:
            wrong.append("revised though every chunk came in time")
    if wrong:
        result.different += 1
        values = {name: (expected[name], last.view[name]) for name in wrong if name in expected}
        result.find(f"different {request_id} revision {last.revision}: {wrong} {values}")


def _garbage(result: Result, ledger: Mapping[int, Garbage], sent: Sent, dead: Sequence[DeadLetter], grace: int) -> None:
    """Each place of garbage in the topic has one dead letter, and nothing else has one."""
    by_place: dict[tuple[int, int], list[DeadLetter]] = {}
    for letter in dead:
        by_place.setdefault(letter.source, []).append(letter)
    for number, bad in ledger.items():
        places = sent.garbage.get(number, [])
        if not places:
            result.unsent += 1
        for place in places:
            found = by_place.pop(place, [])
            if not found and not _became_a_repeat(bad, place, sent, grace):
                result.garbage_missing += 1
                result.find(f"no dead letter of garbage {number} ({bad.reason}) at {place}")
            result.garbage_duplicate += max(0, len(found) - 1)
            for letter in found:
                if _differs(letter, bad, number):
                    result.garbage_different += 1
                    result.find(f"dead letter at {place} is {letter.reason}, garbage {number} is {bad.reason}")
    for place, letters in by_place.items():
        if len(letters) == 1 and _late(letters[0], sent, grace):
            continue
        result.dead_unexpected += len(letters)
        result.find(f"unexpected dead letter {letters[0].reason} at {place}")


def _became_a_repeat(bad: Garbage, place: tuple[int, int], sent: Sent, grace: int) -> bool:
    """Whether it contradicts a chunk of a request that may have closed by then: such a repeat is only counted."""
    return bad.request_id is not None and sent.parted(bad.key, grace, before=place[1])


def _differs(letter: DeadLetter, bad: Garbage, number: int) -> bool:
    seen: tuple[Any, ...] = (letter.reason, letter.key, letter.value, letter.headers.get(HEADER))
    return seen != (bad.reason, bad.key, bad.value, b"%d" % number)
