"""A range of the record topic under another price list: partition by partition, corrections sent as they come.

Dry unless told. Imports the corrections and its siblings.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from pipeline.core.valuation import Valuation
from pipeline.ops.correction import (
    NOWHERE,
    Correction,
    Doubt,
    Guard,
    Held,
    Latest,
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
from pipeline.ops.reprice.refold import refolded
from pipeline.ops.reprice.revaluation import Outcome, Verdict, kind_of, verdict_on
from pipeline.ops.reprice.tally import Tally
from pipeline.settings import Settings
from pipeline.topics.reader import Progress, Topics, reading
from pipeline.topics.selection import Selection

SLICE: Final = 1_000
"""Records that are made again from their chunks in one sweep: they wait for it in memory."""
ELSEWHERE: Final = "it does not lie on the partition of its chunks"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be done.

    Attributes:
        selection: a range of the record topic and requests in it.
        kinds: which records may change, of KINDS and STATED_COST.
        models: names or patterns with `*`; none: all.
        valuation: the other prices.
        override: what gateway and provider stated counts for nothing.
        guard: what the worker may still revise.
        execute: send; else only tell.
    """

    selection: Selection
    kinds: frozenset[str]
    models: tuple[str, ...]
    valuation: Valuation
    override: bool
    guard: Guard
    execute: bool


async def reprice(settings: Settings, order: Order, progress: Progress, note: Callable[[bytes], None]) -> Tally:
    """Value the records of a range anew.

    Args:
        settings: of the ledger.
        order: what is to be done.
        progress: hears how far it is.
        note: gets each corrected record, before it is sent.

    Raises:
        KafkaUnreachable: no broker answers any more.
        Fenced: another run of this ledger has begun.
        UsageError: a topic or partition does not exist.
    """
    tally = Tally(sent=0 if order.execute else None)
    async with AsyncExitStack() as held:
        sender = await held.enter_async_context(correcting(settings)) if order.execute else None
        topics = await held.enter_async_context(reading(settings, progress))
        numbers = order.selection.numbers(topics.partitions(settings.record_topic), settings.record_topic)
        places = await standings(topics, settings, numbers) if order.guard.worker else {}
        for partition in numbers:
            work = _Partition(settings, order, topics, tally, places.get(partition, NOWHERE))
            async with aclosing(work.corrections(partition)) as corrections:
                async for corrected in corrections:
                    note(corrected.record.value or b"")
                    if sender is not None:
                        await sender.add(corrected)
        if sender is not None:
            await sender.flush()
            tally.sent = sender.sent
    return tally


class _Partition:
    """One partition of the record topic."""

    def __init__(self, settings: Settings, order: Order, topics: Topics, tally: Tally, standing: Standing) -> None:
        self._settings, self._order, self._topics = settings, order, topics
        self._tally, self._standing = tally, standing

    async def corrections(self, partition: int) -> AsyncGenerator[Correction, None]:
        """What has to be sent, record by record: first what is clear at once, then what the chunks have to tell."""
        index = await latest_of(self._topics, self._settings, partition, self._order.selection)
        self._tally.unreadable += index.unreadable
        unclear: dict[str, Latest] = {}
        doubts: dict[str, Doubt] = {}
        async with aclosing(stored_of(self._topics, self._settings, partition, index.requests)) as records:
            async for stored in records:
                verdict = self._verdict(stored.record, partition)
                if verdict is None:
                    continue
                judged = self._order.guard.judge(stored.record, stored.latest.appended, self._standing)
                changes = verdict.record is not None or verdict.chunks_may_tell
                if changes and isinstance(judged, Doubt):
                    doubts[stored.record["request_id"]] = judged
                elif not verdict.chunks_may_tell:
                    if correction := self._settle(stored, verdict, partition, judged):
                        yield correction
                    continue
                unclear[stored.record["request_id"]] = stored.latest
        async with aclosing(self._cleared(partition, unclear, doubts)) as cleared:
            async for correction in cleared:
                yield correction

    async def _cleared(
        self, partition: int, unclear: Mapping[str, Latest], doubts: Mapping[str, Doubt]
    ) -> AsyncGenerator[Correction, None]:
        """The same of records that tell too little, or that a late chunk may yet revise."""
        topics, settings = self._topics, self._settings
        waiting = await restless(topics, settings, partition, doubts) if doubts else {}
        names = list(unclear)
        for begin in range(0, len(names), SLICE):
            part = {name: unclear[name] for name in names[begin : begin + SLICE]}
            lossy: list[Stored] = []
            told: list[tuple[Stored, Verdict]] = []
            async for stored in stored_of(topics, settings, partition, part):
                verdict = self._verdict(stored.record, partition)
                if verdict is not None and not verdict.chunks_may_tell:
                    told.append((stored, verdict))
                else:
                    lossy.append(stored)
            told += [each async for each in refolded(topics, settings, partition, lossy, self._order.valuation)]
            for stored, verdict in told:
                why = waiting.get(stored.record["request_id"])
                judged = self._order.guard.judge(stored.record, stored.latest.appended, self._standing)
                held = Held(why, None) if why is not None else judged
                if correction := self._settle(stored, verdict, partition, held):
                    yield correction

    def _verdict(self, record: Mapping[str, Any], partition: int) -> Verdict | None:
        """What becomes of a record; None of one that is not meant."""
        order = self._order
        why = altered(record, self._settings.ledger)
        if why is None and record["source"]["partition"] not in (None, partition):
            why = ELSEWHERE
        if why is not None:
            self._tally.refuse(why)
            return None
        model = str(record["model"] or "")
        if order.models and not any(fnmatchcase(model, pattern) for pattern in order.models):
            return None
        if kind_of(record) not in order.kinds:
            return None
        return verdict_on(record, order.valuation.pricer, override=order.override)

    def _settle(
        self, stored: Stored, verdict: Verdict, partition: int, judged: Held | Doubt | None
    ) -> Correction | None:
        """Count a verdict; the correction that it asks for, unless that has to wait."""
        record = stored.record
        made = None
        if verdict.record is not None:
            made = amended(
                record,
                verdict.record,
                ledger=self._settings.ledger,
                limit=self._settings.max_record_bytes,
                traceparent=stored.traceparent,
            )
            if isinstance(judged, Held):
                self._tally.hold(judged.until)
                verdict, made = verdict._replace(outcome=Outcome.HELD, reason=judged.reason), None
        self._tally.add(record, verdict)
        return None if made is None else Correction(partition, made)
