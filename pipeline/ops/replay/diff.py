"""The record topic held to a replay: every record of the range in one class, and what one side has and the other lacks.

Memory: nine bytes a replayed record; the records themselves are read where they lie. Imports the passage and the
verdicts; no Kafka.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

import msgspec

from pipeline.ops.replay.facts import UNREADABLE, Facts, Name, facts_of
from pipeline.ops.replay.note import JUST_NOW, Kept
from pipeline.ops.replay.passage import Passage
from pipeline.ops.replay.verdict import Kind, Verdict, compared, verdict
from pipeline.ops.replay.window import Part

FIELDS_KEPT: Final = 10_000
"""Of so many DIFFERENT records the names of the fields are told; of what is beyond, only that they differ."""


class Finding(StrEnum):
    """What a record can be; the values are the words of the report."""

    SAME = Kind.SAME
    CONFIG = Kind.CONFIG
    PRICE = Kind.PRICE
    DIFFERENT = Kind.DIFFERENT
    MISSING = "missing"
    EXTRA = "extra"
    DOUBLE = "double"
    UNREADABLE = "unreadable"
    PENDING = "pending"
    OPEN = "open"
    CUT = "cut"


PROBLEMS: Final = (Finding.DIFFERENT, Finding.MISSING, Finding.EXTRA, Finding.DOUBLE, Finding.UNREADABLE)
"""What is not explained by settings, prices or the range: money."""

LISTED: Final = (*PROBLEMS, Finding.CONFIG, Finding.PRICE)

_CODES: Final = tuple(Kind)


class Difference(msgspec.Struct, omit_defaults=True):
    """A record that is not the same.

    Attributes:
        kind: a Finding.
        partition: of both topics.
        request_id, first_offset, revision: which; of an unreadable one empty.
        fields: names of those that differ.
        record: offset in the record topic, if it is there.
        passed: of a missing one: the worker has passed what closed it, and will not send it any more.
        at, length: where among the replayed records of the partition this one lies; and `last`, `last_length` the last
            revision of the request, which says what the latest record should say.
        trace: header `traceparent` of a missing one.
    """

    kind: str
    partition: int
    request_id: str = ""
    first_offset: int = -1
    revision: int = 0
    fields: tuple[str, ...] = ()
    record: int = -1
    passed: bool = False
    at: int = -1
    length: int = 0
    last: int = -1
    last_length: int = 0
    trace: str | None = None


class Diff:
    """The comparison of one partition.

    Attributes:
        counts: by finding, and `corrected`: corrections among them, each judged as the state of its request.
    """

    def __init__(self, passage: Passage) -> None:
        """Hold records to a passage that is finished."""
        self._passage = passage
        records = passage.note.counts.records
        self._codes = bytearray(records)
        self._where = array("q", [-1]) * records
        self._fields: dict[int, tuple[str, ...]] = {}
        self._unjudged = {
            Name(head.request_id, head.first_offset, 0).request: head.revision for head in passage.unsettled()
        }
        self._others: list[Difference] = []
        self.counts = dict.fromkeys((*Finding, "corrected"), 0)

    def take(self, records: Sequence[Any]) -> None:
        """Judge records of the record topic, in their order."""
        order = self._passage.order
        for record in records:
            value = record.value or b""
            try:
                facts = facts_of(value)
            except UNREADABLE:
                self._other(Finding.UNREADABLE, Name("", -1, 0), record.offset)
                continue
            source = facts.source
            if (source.topic, source.partition) != (order.settings.chunk_topic, self._passage.share.partition):
                continue
            part = self._passage.window.part(source.first_offset)
            if part is Part.OUTSIDE or not order.selection.wants(facts.request_id, facts.labels or {}):
                continue
            if part is not Part.INSIDE or self._passage.is_doubted(source.first_offset):
                self.counts[Finding.CUT] += 1
                continue
            self._judge(facts, value, record.offset)

    def _judge(self, facts: Facts, value: bytes, offset: int) -> None:
        kept = self._passage.kept(facts.name)
        if kept is not None:
            if self._codes[kept.number]:
                self._other(Finding.DOUBLE, facts.name, offset)
            else:
                self._note(kept, verdict(value, self._passage.read(kept)), offset)
            return
        head_revision = self._unjudged.get(facts.name.request)
        if facts.source.last_offset >= self._passage.position or (
            head_revision is not None and facts.revision >= head_revision
        ):
            self.counts[Finding.OPEN] += 1
        elif not self._correction(facts, value, offset):
            self._other(Finding.EXTRA, facts.name, offset)

    def _correction(self, facts: Facts, value: bytes, offset: int) -> bool:
        """Whether a revision without chunks of its own corrects the last replayed one, which it then stands for."""
        last: Kept | None = None
        for name, kept in self._passage.every_kept(facts.name.request):
            if name.revision < facts.revision:
                last = kept
        if last is None:
            return False
        rebuilt = msgspec.json.decode(self._passage.read(last))
        if rebuilt["source"]["last_offset"] != facts.source.last_offset:
            return False
        self._fields.pop(last.number, None)
        self._note(last, compared(msgspec.json.decode(value), rebuilt, correction=True), offset)
        self.counts["corrected"] += 1
        return True

    def _note(self, kept: Kept, found: Verdict, offset: int) -> None:
        self._codes[kept.number] = 1 + _CODES.index(found.kind)
        self._where[kept.number] = offset
        if found.kind is Kind.DIFFERENT and len(self._fields) < FIELDS_KEPT:
            self._fields[kept.number] = found.fields

    def _other(self, finding: Finding, name: Name, offset: int) -> None:
        partition = self._passage.share.partition
        self.counts[finding] += 1
        self._others.append(Difference(finding, partition, *name, record=offset))

    def differences(self, committed: int | None) -> Iterator[Difference]:
        """All that is not the same, when every record was taken; the counts are complete after it.

        Args:
            committed: position of the worker before the record topic was read, None if it is not known: what it has
                not closed yet is no loss.
        """
        yield from self._others
        for _, revisions in groupby(self._passage.every_kept(), key=lambda each: each[0].request):
            found = list(revisions)
            last = found[-1][1]
            for name, kept in found:
                code = self._codes[kept.number]
                finding = Finding(_CODES[code - 1]) if code else self._absent(kept, committed)
                self.counts[finding] += 1
                if finding in LISTED:
                    difference = self._difference(finding, name, kept, last)
                    difference.passed = committed is not None and kept.decided is not None
                    yield difference

    def _difference(self, finding: Finding, name: Name, kept: Kept, last: Kept) -> Difference:
        return Difference(
            finding,
            self._passage.share.partition,
            *name,
            fields=self._fields.get(kept.number, ()),
            record=self._where[kept.number],
            at=kept.at,
            length=kept.length,
            last=last.at,
            last_length=last.length,
            trace=kept.trace,
        )

    @staticmethod
    def _absent(kept: Kept, committed: int | None) -> Finding:
        if kept.decided == JUST_NOW:
            return Finding.PENDING
        passed = kept.decided is None or committed is None or committed >= kept.decided
        return Finding.MISSING if passed else Finding.PENDING
