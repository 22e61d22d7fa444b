"""What a diff found, made good on the record topic: one more revision each, or the record that is missing.

A correction is made, guarded and sent by `pipeline.ops.correction`, as those of `reprice` are: its order of work is
part of the promise. A record that is missing is sent as the worker would have sent it, under the same record_id, and
only if the worker has passed what closed it: until then it may still come. What is extra or double has no chunks to be
corrected by, and stays. Imports corrections and the replay's files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from pipeline.core.revision import headers
from pipeline.core.rows import Outgoing
from pipeline.ops.correction import (
    Correction,
    Guard,
    Latest,
    Sender,
    Standing,
    altered,
    amended,
    correcting,
    latest_of,
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

AT_ONCE: Final = 5_000
"""Corrections made before they are sent."""

NOT_PASSED: Final = "missing, but the worker may still send it"
OVERTAKEN: Final = "missing, but a later revision of it is there"
REUSED: Final = "the id is that of a later request by now"

_CORRECTED: Final = (Finding.DIFFERENT, Finding.CONFIG, Finding.PRICE)


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
            batch: list[Correction] = []
            async for correction in work.corrections(topics, standing[outcome.share.partition]):
                batch.append(correction)
                if len(batch) == AT_ONCE:
                    await _send(sender, batch)
            await _send(sender, batch)
    return emitted


@asynccontextmanager
async def _sender(settings: Settings, *, execute: bool) -> AsyncIterator[Sender | None]:
    """Who sends; nobody, and no other run is disturbed, if nothing is to be sent."""
    if not execute:
        yield None
        return
    async with correcting(settings) as sender:
        yield sender


async def _send(sender: Sender | None, batch: list[Correction]) -> None:
    if sender is not None:
        await sender.send(batch)
    batch.clear()


class _Partition:
    """One partition's differences."""

    def __init__(self, replayed: Replayed, share: Share, emitted: Emitted) -> None:
        self._order, self._share, self._emitted = replayed.order, share, emitted
        self._folder = replayed.order.work / f"{share.partition:04d}"
        self._guard = Guard(self._order.settings.policy(), self._order.settings.clock_slack, self._order.now)

    async def corrections(self, topics: Topics, standing: Standing) -> AsyncIterator[Correction]:
        """What is to be sent, in the order of the files of differences and of the record topic."""
        settings, number = self._order.settings, self._share.partition
        wanted: dict[str, Difference] = {}
        missing: list[Difference] = []
        for difference in differences(self._folder):
            if difference.kind in _CORRECTED:
                wanted[difference.request_id] = difference
            elif difference.kind == Finding.MISSING:
                missing.append(difference)
        if not wanted and not missing:
            return
        ids = frozenset(wanted) | {difference.request_id for difference in missing}
        since = Bound("where the records of the range begin", offset=self._share.records)
        index = await latest_of(topics, settings, number, Selection(since=since, request_ids=ids))
        for record in self._missing(missing, index.requests):
            yield Correction(number, record)
        chosen = {request_id: latest for request_id, latest in index.requests.items() if request_id in wanted}
        async for stored in stored_of(topics, settings, number, chosen):
            amendment = self._amended(
                stored.record, wanted[stored.record["request_id"]], stored.latest, standing, stored.traceparent
            )
            if amendment is not None:
                yield Correction(number, amendment)

    def _amended(
        self, old: dict[str, Any], difference: Difference, latest: Latest, standing: Standing, traceparent: str | None
    ) -> Outgoing | None:
        settings, held = self._order.settings, self._emitted.held
        wrong = altered(old, settings.ledger)
        if wrong not in (None, ALTERED):  # an altered one is replaced as a whole
            held[wrong] += 1
            return None
        if old["source"]["first_offset"] != difference.first_offset:
            held[REUSED] += 1
            return None
        waits = self._guard.held(old, latest.appended, standing)
        if waits is not None:
            held[waits.reason] += 1
            return None
        new = msgspec.json.decode(_slice(self._folder / f"{RECORDS}.jsonl", difference.last, difference.last_length))
        limit = settings.policy().max_record_bytes
        amendment = amended(old, new, ledger=settings.ledger, limit=limit, traceparent=traceparent)
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
