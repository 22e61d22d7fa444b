"""Letters go back: each at most once, whatever dies.

    1. `correcting` fences every other command that changes this ledger's past, and ends what it left open.
    2. The dead letter topic is read to the end of what is written: letters with a receipt have gone back already.
    3. Each letter goes back in one transaction with its receipt: as a chunk, or in a correction of its record.

Only 1 before 2 makes it once: after the fence no receipt can appear that 2 does not see. Without `execute` nothing is
fenced or sent, all else is the same. Imports its siblings, `ops.correction` and the engine's transactions.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final

from pipeline.core.rows import Outgoing, SourceRecord
from pipeline.engine.transaction import Parcel
from pipeline.errors import FoundProblem
from pipeline.ops.correction import Latest, Sender, Stored, correcting, standings
from pipeline.ops.correction.sender import BATCH, BATCH_BYTES
from pipeline.ops.dead.choice import Foreign, walk
from pipeline.ops.dead.correction import Made, Workshop
from pipeline.ops.dead.examination import Order, Ticket, examine
from pipeline.ops.dead.history import History, admitted, apart, histories, letters_at, original
from pipeline.ops.dead.letter import Letter, Place, Receipt, receipt_of
from pipeline.ops.dead.request import Decision, decide, known
from pipeline.ops.dead.verdict import Corrected, Json, Outcome, Report, Verdict
from pipeline.pricing import valuation
from pipeline.settings import Settings
from pipeline.topics.group import group_of
from pipeline.topics.reader import Progress, Topics, reading
from schemas.deadletter import HEADER_REDRIVE, Way


async def redrive(order: Order, settings: Settings, now: int, progress: Progress, *, execute: bool) -> Report:
    """Send letters back, or say what would be done.

    Args:
        order: which ones, and how.
        settings: of the ledger's worker.
        now: wall clock, ms.
        progress: told how far the reading has come.
        execute: do it.

    Raises:
        KafkaUnreachable: no broker answers.
        Fenced: another command changes this ledger's past now.
        FoundProblem: a place has no letter.
        UsageError: a partition does not exist.
    """
    async with contextlib.AsyncExitStack() as held:
        sender = await held.enter_async_context(correcting(settings)) if execute else None
        topics = await held.enter_async_context(reading(settings, progress))
        run = _Redrive(order, settings, topics, sender)
        await run.look()
        await run.decide(now)
        await run.send_chunks()
        await run.send_corrections()
        run.report.verdicts.sort(key=lambda verdict: verdict.place)
        return run.report


LIST: Final = "`streamledger dead ls --list` lists what there is"

Request = tuple[int, str]
"""Partition and id: one id may have been used in two partitions by mistake."""


@dataclass
class _Redrive:
    """One run.

    Attributes:
        waiting: Letters that are still to be decided on, or sent.
        decided: What was decided on those that go back.
        records: The latest record of each request that has one.
    """

    order: Order
    settings: Settings
    topics: Topics
    sender: Sender | None
    report: Report = field(init=False)
    waiting: dict[Place, Ticket] = field(default_factory=dict)
    decided: dict[Place, Decision] = field(default_factory=dict)
    records: dict[Request, Stored] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.report = Report(executed=self.sender is not None)

    # ---- what is there -----------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Read the letters that are meant, and what was done with them."""
        done: dict[Place, Verdict] = {}
        seen: dict[Place, Verdict] = {}
        partitions = self.topics.partitions(self.settings.chunk_topic)
        async for each in walk(self.topics, self.settings.dead_topic, self.order.choice, Foreign()):
            if isinstance(each, Receipt):
                if each.of in seen:
                    done[each.of] = replace(seen[each.of], outcome=Outcome.DONE, why=each.way.value)
                continue
            found = examine(each, self.order, self.settings, partitions)
            if isinstance(found, Ticket):
                self.waiting[each.place] = found
            seen[each.place] = _refused(each, found)
        for place in sorted((self.order.choice.places or frozenset()) - seen.keys()):
            raise FoundProblem(f"there is no dead letter {place}", topic=self.settings.dead_topic, hint=LIST)
        for place, verdict in seen.items():
            if place in done:
                self.waiting.pop(place, None)
                self.report.verdicts.append(done[place])
            elif place not in self.waiting:
                self.report.verdicts.append(verdict)

    async def decide(self, now: int) -> None:
        """Decide which way each letter goes."""
        if not self.waiting:
            return
        partitions = {ticket.partition for ticket in self.waiting.values()}
        group = await group_of(self.settings, self.settings.ledger, self.settings.chunk_topic)
        standing = await standings(self.topics, self.settings, sorted(partitions))
        for partition, tickets in _by_partition(self.waiting.values()):
            found = await known(self.topics, self.settings, tickets, (group, standing[partition]), now)
            self.records |= {(partition, request_id): each for request_id, each in found.stored.items()}
            for ticket in tickets:
                decision = decide(ticket, found, self.settings, now)
                if decision.outcome in (Outcome.CHUNKS, Outcome.CORRECTION):
                    self.decided[ticket.place] = decision
                else:
                    self._note(ticket, decision)

    def _note(self, ticket: Ticket, decision: Decision) -> None:
        self.report.verdicts.append(Verdict(ticket.place, ticket.reason, ticket.request_id, *decision))

    def _going(self, outcome: Outcome) -> list[Ticket]:
        """Letters that go one way, in the order of their places."""
        places = sorted(place for place, decision in self.decided.items() if decision.outcome is outcome)
        return [self.waiting[place] for place in places]

    async def _values(self, tickets: Sequence[Ticket]) -> AsyncIterator[tuple[Ticket, Letter, bytes]]:
        """Letters with the value that is to be sent, read again."""
        for _, group in groupby(tickets, key=lambda ticket: ticket.place.partition):
            listed = list(group)
            letters = await letters_at(self.topics, self.settings, [ticket.place for ticket in listed])
            for ticket in listed:
                letter = letters[ticket.place]
                yield ticket, letter, await self._value(ticket, letter)

    async def _value(self, ticket: Ticket, letter: Letter) -> bytes:
        """What is sent: what was given, else the original of a rebuilt chunk while it is kept, else the letter's."""
        value = self.order.value
        if value is None and ticket.rebuilt:
            key = ticket.request_id.encode()
            value = await original(self.topics, self.settings, ticket.stood, key)
        return (letter.value or b"") if value is None else value

    # ---- as chunks ---------------------------------------------------------------------------------------------

    async def send_chunks(self) -> None:
        """Send letters to the chunk topic, in the order of their places, batch by batch."""
        for batch in _batches(self._going(Outcome.CHUNKS)):
            chunks: dict[int, list[Outgoing]] = {}
            receipts: dict[int, list[Outgoing]] = {}
            async for ticket, letter, value in self._values(batch):
                key = ticket.request_id.encode()
                headers = [(name, told) for name, told in letter.headers if name != HEADER_REDRIVE]
                headers.append((HEADER_REDRIVE, f"{self.settings.dead_topic}:{letter.place}".encode()))
                chunks.setdefault(ticket.partition, []).append(Outgoing(key, value, headers))
                receipt = Outgoing(key, None, receipt_of(ticket.place, Way.CHUNKS, ticket.stood))
                receipts.setdefault(ticket.place.partition, []).append(receipt)
            await self._commit({self.settings.chunk_topic: chunks, self.settings.dead_topic: receipts}, len(batch))
            for ticket in batch:
                self._note(ticket, self.decided[ticket.place])

    async def _commit(self, rows: Mapping[str, Mapping[int, Sequence[Outgoing]]], count: int) -> None:
        """All of it in one transaction, if this is no rehearsal."""
        if self.sender is not None:
            parcels = [
                Parcel(topic, topic, partition, found)
                for topic, partitions in rows.items()
                for partition, found in sorted(partitions.items())
            ]
            await self.sender.commit(parcels, count)

    # ---- as corrections ----------------------------------------------------------------------------------------

    async def send_corrections(self) -> None:
        """Correct the records of closed requests, one after the other."""
        requests: dict[Request, list[Ticket]] = {}
        for ticket in self._going(Outcome.CORRECTION):
            requests.setdefault((ticket.partition, ticket.request_id), []).append(ticket)
        if not requests:
            return
        past = await histories(self.topics, self.settings, {request_id for _, request_id in requests})
        workshop = Workshop(self.settings, valuation(self.settings), self.order.as_of_now)
        for request, tickets in requests.items():
            try:
                await self._correct(workshop, self.records[request], past[request[1]], tickets)
            except FoundProblem as problem:
                told = {verdict.place for verdict in self.report.verdicts}
                for ticket in (each for each in tickets if each.place not in told):
                    self._note(ticket, Decision(Outcome.REFUSED, _sentence(problem)))

    async def _correct(self, workshop: Workshop, stored: Stored, history: History, tickets: Sequence[Ticket]) -> None:
        """Correct one record by its letters; more of them than fit into one transaction make several revisions.

        Raises:
            FoundProblem: it can't be corrected; what was sent before counts.
        """
        base = [*await admitted(self.topics, self.settings, stored, history)]
        partition = stored.record["source"]["partition"]
        for batch in _batches(tickets):
            letters: dict[Ticket, SourceRecord] = {}
            async for ticket, letter, value in self._values(batch):
                key, offset = ticket.request_id.encode(), apart(len(base) + len(letters))
                letters[ticket] = SourceRecord(key, value, offset, ticket.seen_at, letter.headers)
            made = workshop.correction(stored, base, letters)
            if made.record is not None:
                record = await self._send(partition, made, made.record)
                stored = Stored(Latest(record["revision"], -1, stored.latest.appended), record, stored.traceparent)
                base += [letters[ticket] for ticket in made.taken]
            for ticket in batch:
                why = made.refused.get(ticket)
                self._note(ticket, self.decided[ticket.place] if why is None else Decision(Outcome.REFUSED, why))

    async def _send(self, partition: int, made: Made, record: Outgoing) -> Json:
        """A correction and its receipts; the record."""
        rows: dict[int, list[Outgoing]] = {}
        for ticket, chunk in made.taken.items():
            headers = receipt_of(ticket.place, Way.CORRECTION, ticket.stood)
            receipt = Outgoing(ticket.request_id.encode(), chunk, headers)
            rows.setdefault(ticket.place.partition, []).append(receipt)
        corrected = {self.settings.record_topic: {partition: [record]}, self.settings.dead_topic: rows}
        await self._commit(corrected, 1)
        told: Json = json.loads(record.value or b"")
        self.report.corrections.append(
            Corrected(told["request_id"], told["record_id"], told["revision"], len(made.taken), told["delta"])
        )
        return told


def _refused(letter: Letter, found: Ticket | str) -> Verdict:
    """The verdict of a letter, should nothing better come of it."""
    why = found if isinstance(found, str) else None
    return Verdict(letter.place, letter.reason, letter.request_id, Outcome.REFUSED, why)


def _sentence(problem: FoundProblem) -> str:
    return problem.message + (f" ({problem.hint})" if problem.hint else "")


def _by_partition(tickets: Iterable[Ticket]) -> Iterator[tuple[int, list[Ticket]]]:
    """By the partition of their requests."""
    ordered = sorted(tickets, key=lambda ticket: ticket.partition)
    for partition, group in groupby(ordered, key=lambda ticket: ticket.partition):
        yield partition, list(group)


def _batches(tickets: Sequence[Ticket]) -> Iterator[list[Ticket]]:
    """In order, none larger than a transaction may be."""
    batch: list[Ticket] = []
    size = 0
    for ticket in tickets:
        if batch and (len(batch) == BATCH or size + ticket.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(ticket)
        size += ticket.size
    if batch:
        yield batch
