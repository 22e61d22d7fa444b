"""What a diff found, made good on the record topic: one more revision each, or the record that is missing.

A correction is made, guarded and sent by `pipeline.ops.correction`, as those of `reprice` are: its order of work is
part of the promise. A record that is missing is sent as the worker would have sent it, under the same record_id, and
only if the worker has passed what closed it: until then it may still come. Left alone: records of other settings or
prices, which are right by theirs (`reprice` is for the latter), and what is extra or double, for which no chunks speak.
Imports corrections and the replay's files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from pipeline.core.revision import headers
from pipeline.core.rows import Outgoing
from pipeline.ops.correction import (
    Correction,
    Doubt,
    Guard,
    Latest,
    Sender,
    Standing,
    Stored,
    altered,
    amended,
    correcting,
    latest_of,
    restless,
    standings,
    stored_of,
)
from pipeline.ops.correction.amendment import ALTERED
from pipeline.ops.replay.diff import Difference, Finding
from pipeline.ops.replay.flow import DIFFERENCES, RECORDS, Replayed
from pipeline.ops.replay.order import Share
from pipeline.settings import Settings
from pipeline.topics.bound import Bound
from pipeline.topics.reader import Progress, Topics, reading
from pipeline.topics.selection import Selection

NOT_PASSED: Final = "missing, but the worker may still send it"
OVERTAKEN: Final = "missing, but a later revision of it is there"
LATER: Final = "chunks are in it that came after what was replayed"
REUSED: Final = "the id is that of a later request by now"

_LEFT: Final = {
    Finding.CONFIG: "made under other settings: replay with those of the worker",
    Finding.PRICE: "prices from elsewhere: `streamledger reprice` is for them",
    Finding.EXTRA: "extra: no chunks speak for it",
    Finding.DOUBLE: "double: its record_id says that it is one",
}


@dataclass
class Emitted:
    """What was sent, or without `execute` would be.

    Attributes:
        revisions, missing: records, by what they are.
        cost: change of the sum of costs, USD, as the records state them.
        held: requests that were left alone, by reason.
    """

    revisions: int = 0
    missing: int = 0
    cost: Decimal = Decimal(0)
    held: Counter[str] = field(default_factory=Counter)


async def emit(replayed: Replayed, progress: Progress, *, execute: bool) -> Emitted:
    """Send what makes the record topic say what the replay says.

    Raises:
        Fenced: another run corrects this ledger.
        BrokerFault: the broker failed; what was committed is found when it runs again.
    """
    settings, emitted = replayed.order.settings, Emitted()
    async with _sender(settings, execute=execute) as sender, reading(settings, progress) as topics:
        numbers = [outcome.share.partition for outcome in replayed.outcomes]
        standing = await standings(topics, settings, numbers)
        for outcome in replayed.outcomes:
            work = _Partition(replayed, outcome.share, emitted)
            async with aclosing(work.corrections(topics, standing[outcome.share.partition])) as corrections:
                async for correction in corrections:
                    if sender is not None:
                        await sender.add(correction)
        if sender is not None:
            await sender.flush()
    return emitted


@asynccontextmanager
async def _sender(settings: Settings, *, execute: bool) -> AsyncIterator[Sender | None]:
    """Who sends; nobody, and no other run is disturbed, if nothing is to be sent."""
    if not execute:
        yield None
        return
    async with correcting(settings) as sender:
        yield sender


class _Partition:
    """One partition's differences."""

    def __init__(self, replayed: Replayed, share: Share, emitted: Emitted) -> None:
        self._order, self._share, self._emitted = replayed.order, share, emitted
        self._folder = replayed.order.work / f"{share.partition:04d}"
        self._guard = Guard(self._order.settings.policy(), self._order.settings.clock_slack, self._order.now)

    async def corrections(self, topics: Topics, standing: Standing) -> AsyncGenerator[Correction, None]:
        """What is to be sent: what is missing, what is clear at once, then what the chunks have to tell."""
        settings, number = self._order.settings, self._share.partition
        wanted, missing = self._sorted()
        if not wanted and not missing:
            return
        ids = frozenset(wanted) | {difference.request_id for difference in missing}
        since = Bound("where the records of the range begin", offset=self._share.records)
        index = await latest_of(topics, settings, number, Selection(since=since, request_ids=ids))
        for record in self._missing(missing, index.requests):
            yield Correction(number, record)
        chosen = {request_id: latest for request_id, latest in index.requests.items() if request_id in wanted}
        doubts: dict[str, Doubt] = {}
        async with aclosing(stored_of(topics, settings, number, chosen)) as records:
            async for stored in records:
                difference = wanted[stored.record["request_id"]]
                rebuilt = self._rebuilt(difference)
                judged = self._guard.judge(rebuilt, stored.latest.appended, standing)
                if isinstance(judged, Doubt):
                    doubts[difference.request_id] = judged
                elif found := self._amended(stored, rebuilt, judged and judged.reason):
                    yield Correction(number, found)
        waiting = await restless(topics, settings, number, doubts)
        async with aclosing(stored_of(topics, settings, number, {name: chosen[name] for name in doubts})) as records:
            async for stored in records:
                name = stored.record["request_id"]
                if found := self._amended(stored, self._rebuilt(wanted[name]), waiting.get(name)):
                    yield Correction(number, found)

    def _sorted(self) -> tuple[dict[str, Difference], list[Difference]]:
        """Requests to be corrected, and records that are missing; the others are counted as left alone."""
        wanted: dict[str, Difference] = {}
        missing: list[Difference] = []
        for difference in differences(self._folder):
            kind = Finding(difference.kind)
            if kind is Finding.DIFFERENT:
                wanted[difference.request_id] = difference
            elif kind is Finding.MISSING:
                missing.append(difference)
            elif kind in _LEFT:
                self._emitted.held[_LEFT[kind]] += 1
        return wanted, missing

    def _rebuilt(self, difference: Difference) -> dict[str, Any]:
        """What the latest record of a request should say; the worker, too, goes by this, not by what was changed."""
        value = _slice(self._folder / f"{RECORDS}.jsonl", difference.last, difference.last_length)
        record: dict[str, Any] = msgspec.json.decode(value)
        return record

    def _amended(self, stored: Stored, new: Mapping[str, Any], waits: str | None) -> Outgoing | None:
        """The correction of a record; what stands against it is counted."""
        settings, old = self._order.settings, stored.record
        why = altered(old, settings.ledger)
        if why in (None, ALTERED):  # an altered one is replaced as a whole, so nothing of it is passed on
            why = waits or _elsewhere(old["source"], new["source"])
        if why is not None:
            self._emitted.held[why] += 1
            return None
        amendment = amended(
            old, new, ledger=settings.ledger, limit=settings.max_record_bytes, traceparent=stored.traceparent
        )
        if amendment is not None:
            self._emitted.revisions += 1
            self._emitted.cost += _cost(new) - _cost(old)
        return amendment

    def _missing(self, missing: list[Difference], there: Mapping[str, Latest]) -> Iterator[Outgoing]:
        """Records that the topic lacks, as the worker would have sent them."""
        for difference in missing:
            latest = there.get(difference.request_id)
            if not difference.passed:
                self._emitted.held[NOT_PASSED] += 1
            elif latest is not None and latest.revision >= difference.revision:
                self._emitted.held[OVERTAKEN] += 1
            else:
                value = _slice(self._folder / f"{RECORDS}.jsonl", difference.at, difference.length)
                record = msgspec.json.decode(value)
                self._emitted.missing += 1
                self._emitted.cost += _cost(record if not difference.revision else record["delta"])
                yield Outgoing(difference.request_id.encode(), value, headers(record, difference.trace))


def _elsewhere(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Why the replay can't speak for a record: it is of another request, or of more chunks."""
    if old["first_offset"] != new["first_offset"]:
        return REUSED
    return LATER if old["last_offset"] > new["last_offset"] else None


def differences(folder: Path) -> Iterator[Difference]:
    """All differences of a partition."""
    with (folder / DIFFERENCES).open("rb") as lines:
        for line in lines:
            yield msgspec.json.decode(line, type=Difference)


def _slice(path: Path, at: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(at)
        return file.read(length)


def _cost(record: Mapping[str, Any]) -> Decimal:
    return Decimal(repr(record["cost"] or 0))
