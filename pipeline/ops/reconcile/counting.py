"""Topics into the store: chunks become tallies, records claims, dead letters reasons.

Owns what is said of a chunk that no request can be blamed for.  Imports `pipeline.topics`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, NamedTuple

from pipeline.ops.reconcile.chunk import Chunk, read
from pipeline.ops.reconcile.claim import Claim, Place, Unreadable, claim_of
from pipeline.ops.reconcile.envelope import Refused, beyond
from pipeline.ops.reconcile.finding import Finding, Kind, Result
from pipeline.ops.reconcile.price import Prices
from pipeline.ops.reconcile.store import Store
from pipeline.ops.reconcile.tally import Tally
from pipeline.settings import Settings
from schemas.deadletter import HEADER_OFFSET, HEADER_PARTITION, HEADER_REASON, HEADER_TOPIC

BATCH: Final = 1_000
UNREAD: Final = frozenset(("not_json", "invalid", "key_mismatch", "unsupported_version", "oversize"))
"""Reasons that a chunk has in itself."""
REBUILT: Final = "internal"
"""Reason of chunks that were admitted, and given back when their fold failed."""


class Pace(NamedTuple):
    """How far the worker has come in a partition.

    Attributes:
        offset: next one that it reads; None: nobody knows.
        reached: append time up to which it has read; None: it has read all of the range, or nobody knows.
        clock: append time of the last chunk of the range.
    """

    offset: int | None
    reached: int | None
    clock: int


class Counter:
    """Counts the chunks of a range."""

    def __init__(self, store: Store, settings: Settings, result: Result) -> None:
        """Start."""
        self._store, self._result = store, result
        self._limit = settings.max_chunk_bytes
        self._topic = settings.chunk_topic
        self.strange: list[tuple[int, int, int, str]] = []
        """Partition, offset, append time and reason of unreadable chunks without a dead letter."""

    async def count(
        self,
        records: AsyncIterator[Any],
        span: tuple[int, int, int],
        wanted: frozenset[str] | None,
        read_to: int | None,
    ) -> Pace:
        """Count the chunks of one partition.

        Args:
            records: of the range, in order.
            span: partition, first offset, end.
            wanted: ids of requests; None: all.
            read_to: next offset that the worker reads; None: nobody knows.
        """
        partition, begin, end = span
        dead = _Letters(self._store.refused(partition, begin, end))
        reached, clock = 0, 0
        keys = None if wanted is None else {request_id.encode() for request_id in wanted}
        async for record in records:
            clock = max(clock, record.timestamp)
            if read_to is not None and record.offset < read_to:
                reached = clock
            reason = dead.of(record.offset)
            if keys is not None and record.key not in keys:
                continue
            self._result.counts["chunks"] += 1
            self._take(partition, record, reason)
        behind = read_to is not None and read_to < end
        return Pace(read_to, reached if behind else None, clock)

    def _take(self, partition: int, record: Any, reason: str | None) -> None:
        if reason is not None:
            self._result.counts[f"dead letters: {reason}"] += 1
        try:
            chunk = read(record.key, record.value, self._limit)
        except Refused as refused:
            if reason is None:
                self.strange.append((partition, record.offset, record.timestamp, str(refused)))
            return
        place = f"{self._topic}/{partition}/{record.offset}"
        if reason in UNREAD and not beyond(record.value):
            self._result.add(Finding(Kind.DIFFERENT, chunk.request_id, f"refused as {reason}, but is a chunk", place))
        tally = self._store.tally(partition, chunk.request_id)
        if tally is None:
            if reason in UNREAD or self._store.is_done(partition, chunk.request_id):
                return
            tally = Tally(chunk.request_id, chunk.stream_type, record.timestamp)
            self._store.open(partition, tally)
        if reason is None or reason == REBUILT:
            tally.take(chunk, record.offset, record.timestamp)
        if reason is not None:
            tally.refused.append((record.offset, reason))
            if reason == "conflict" and not _contradicts(tally, chunk):
                text = "refused as a conflict, but repeats the first"
                self._result.add(Finding(Kind.DIFFERENT, chunk.request_id, text, place))
        self._store.grew()


def _contradicts(tally: Tally, chunk: Chunk) -> bool:
    """Whether the first chunk of this identity said something else; also where it is not remembered."""
    first = tally.prints.get(f"{chunk.attempt} {chunk.kind} {chunk.image} {chunk.position}")
    return first is None or first != chunk.print


class _Letters:
    """Dead letters of a partition, asked for by rising offsets."""

    def __init__(self, letters: Iterator[tuple[int, str]]) -> None:
        self._letters = letters
        self._next = next(letters, None)

    def of(self, offset: int) -> str | None:
        """The reason of the dead letter of this chunk; None: it has none."""
        while self._next is not None and self._next[0] < offset:
            self._next = next(self._letters, None)
        return self._next[1] if self._next is not None and self._next[0] == offset else None


async def take_letters(records: AsyncIterator[Any], store: Store, topic: str) -> None:
    """Remember the dead letters that came from `topic`."""
    found = []
    async for record in records:
        headers = {name: value for name, value in record.headers if name.startswith("dl.")}
        if headers.get(HEADER_TOPIC) != topic.encode():
            continue
        partition, offset = (int(headers[name]) for name in (HEADER_PARTITION, HEADER_OFFSET))
        found.append((partition, offset, headers[HEADER_REASON].decode()))
        if len(found) >= BATCH:
            store.add_refused(found)
            found = []
    store.add_refused(found)


async def take_records(
    records: AsyncIterator[Any],
    store: Store,
    result: Result,
    prices: Prices,
    *,
    topic: str,
    wanted: frozenset[str] | None = None,
) -> None:
    """Remember what records claim; one that is none is a finding."""
    found: list[Claim] = []
    keys = None if wanted is None else {request_id.encode() for request_id in wanted}
    async for record in records:
        if keys is not None and record.key not in keys:
            continue
        try:
            place = Place(record.partition, record.offset, record.timestamp)
            found.append(claim_of(record.key, record.value, place, prices))
        except Unreadable:
            where = f"{topic}/{record.partition}/{record.offset}"
            result.add(Finding(Kind.DIFFERENT, None, "no record, though on the record topic", where))
            continue
        result.counts["records"] += 1
        if len(found) >= BATCH:
            store.add_claims(found)
            found = []
    store.add_claims(found)
