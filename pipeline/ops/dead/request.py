"""What became of the requests that letters belong to, and so which way their letters can go back.

A chunk may go to its topic only while the ledger still knows its request: after marker_retention the worker would take
it for a new request and bill it a second time. So a letter goes that way only if its request has no record and the
worker can't have forgotten it, or if the record is so young that a late chunk revises it. Everything else is a
correction of the record, made once the worker can't revise it any more. Records are looked for from marker_retention
before the letter's chunk came: of what closed earlier the worker itself knew nothing any more. Imports its siblings and
`ops.correction`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from pipeline.ops.correction import Doubt, Guard, Held, Standing, Stored, altered, latest_of, restless, stored_of
from pipeline.ops.dead.examination import Ticket
from pipeline.ops.dead.history import histories
from pipeline.ops.dead.verdict import Outcome
from pipeline.settings import Settings
from pipeline.topics.bound import Bound
from pipeline.topics.group import Group
from pipeline.topics.reader import Topics
from pipeline.topics.selection import Selection
from schemas.deadletter import DeadLetterReason

MARGIN: Final = 60_000
"""ms: time to be sent in, and for clocks that differ; a tenth of the window where that is less."""

NO_RECORD: Final = "no record of its request is kept, so there is nothing to correct"
PAST: Final = "records are not kept that far back: whether its request was billed can't be told"
ASLEEP: Final = "its request has no record yet and no worker has read up to now: run the worker until it has caught up"


class Decision(NamedTuple):
    """Which way a letter goes, or why it stays."""

    outcome: Outcome
    why: str | None = None
    until: int | None = None


@dataclass(frozen=True)
class Known:
    """What is known of the requests of one partition.

    Attributes:
        stored: Latest record by request id.
        whole: Every record is there that the letters' requests can have.
        awake: A worker runs and has read up to now.
        standing: Of the worker.
        waiting: Requests whose records the worker may yet revise though their time is over, and why.
        closed: Append time by request id that its close was not before, ms; left out if that is too long ago to matter,
            or not kept any more.
    """

    stored: Mapping[str, Stored]
    whole: bool
    awake: bool
    standing: Standing
    closed: Mapping[str, int]
    waiting: Mapping[str, str] = field(default_factory=dict)


async def known(
    topics: Topics, settings: Settings, tickets: Sequence[Ticket], worker: tuple[Group, Standing], now: int
) -> Known:
    """Look the requests of these letters up, all of one partition.

    Args:
        topics: to read from.
        settings: of the ledger.
        tickets: at least one.
        worker: its group and standing, asked for before: who had read up to there has sent all that it could.
        now: wall clock, ms.

    Raises:
        KafkaUnreachable: no broker answers any more.
    """
    partition, (group, standing) = tickets[0].partition, worker
    awake = await _awake(topics, settings, partition, group, now)
    back = max(0, min(ticket.seen_at for ticket in tickets) - settings.marker_retention)
    since = Bound("the oldest letter", time=back)
    begin, _ = await topics.bounds(settings.record_topic, partition)
    first, _ = await topics.bounds(settings.record_topic, partition, since)
    wanted = Selection(since=since, request_ids=frozenset(ticket.request_id for ticket in tickets))
    index = await latest_of(topics, settings, partition, wanted)
    stored: dict[str, Stored] = {}
    async with aclosing(stored_of(topics, settings, partition, index.requests)) as records:
        async for each in records:
            stored[each.record["request_id"]] = each
    closed = {}
    for request_id, each in stored.items():
        if now >= each.latest.appended + settings.revise_window:
            continue  # it closed before its record was written
        at = await _closed_after(topics, settings, each)
        if at is not None:
            closed[request_id] = at
    found = Known(stored, begin == 0 or first > begin, awake, standing, closed)
    return replace(found, waiting=await _waiting(topics, settings, partition, found, now))


def decide(ticket: Ticket, found: Known, settings: Settings, now: int) -> Decision:
    """Which way a letter goes, at wall clock time `now` in ms."""
    stored = found.stored.get(ticket.request_id)
    if stored is None:
        return _without_record(ticket, found, settings, now)
    record = stored.record
    wrong = altered(record, settings.ledger)
    if wrong is not None:
        return Decision(Outcome.REFUSED, f"the record of its request can't be built on: {wrong}")
    if _revisable(ticket, stored, settings) and now < _closed(ticket, found) + _open_for(settings):
        return Decision(Outcome.CHUNKS)
    judged = _judged(stored, found, settings, now)
    if isinstance(judged, Held):
        return Decision(Outcome.HELD, _waits(judged.reason), judged.until)
    if isinstance(judged, Doubt) and ticket.request_id in found.waiting:
        return Decision(Outcome.HELD, _waits(found.waiting[ticket.request_id]))
    return Decision(Outcome.CORRECTION)


def _judged(stored: Stored, found: Known, settings: Settings, now: int) -> Held | Doubt | None:
    """Whether a record may be corrected, as far as times tell."""
    guard = Guard(settings.policy(), settings.clock_slack, now)
    return guard.judge(stored.record, stored.latest.appended, found.standing)


def _without_record(ticket: Ticket, found: Known, settings: Settings, now: int) -> Decision:
    """Its request is open, or no chunk of it was ever admitted; unless that can't be known."""
    if ticket.reason == DeadLetterReason.LATE:
        return Decision(Outcome.REFUSED, NO_RECORD)
    if not found.whole:
        return Decision(Outcome.REFUSED, PAST)
    young = now < ticket.seen_at + _open_for(settings)
    return Decision(Outcome.CHUNKS) if young or found.awake else Decision(Outcome.REFUSED, ASLEEP)


def _revisable(ticket: Ticket, stored: Stored, settings: Settings) -> bool:
    """Whether the worker would take the chunk for a revision.

    Chunks of a quarantined request are repeats to it; and how long it knows a request that it closed under other
    settings than these nobody can say.
    """
    record = stored.record
    final = record["closed_by"] == "final" and record["complete"]
    apart = ticket.reason in (DeadLetterReason.LATE, DeadLetterReason.INTERNAL)
    ours = record["config_digest"] == settings.policy().digest
    return settings.late_policy == "revise" and ours and not final and not apart


def _closed(ticket: Ticket, found: Known) -> int:
    """When its request closed at the earliest; long ago if that can't be told."""
    return found.closed.get(ticket.request_id, 0)


def _open_for(settings: Settings) -> int:
    """How long after its close a request surely takes late chunks, ms."""
    return settings.revise_window - min(MARGIN, settings.revise_window // 10)


def _waits(reason: str) -> str:
    return f"{reason}; then it goes into a correction"


async def _awake(topics: Topics, settings: Settings, partition: int, group: Group, now: int) -> bool:
    """Whether a worker runs, and what it has not read yet is younger than a request is surely known."""
    position = group.offsets.get(partition)
    if not group.members or position is None:
        return False
    place = settings.chunk_topic, partition
    begin, _ = await topics.bounds(*place)
    end = await topics.written(*place)
    async with aclosing(topics.read("the worker's place", *place, max(position, begin), end)) as chunks:
        async for chunk in chunks:
            return bool(now < chunk.timestamp + _open_for(settings))
    return True


async def _waiting(topics: Topics, settings: Settings, partition: int, found: Known, now: int) -> dict[str, str]:
    """Those of whose records the chunks have to tell whether the worker may yet revise them."""
    doubts: dict[str, Doubt] = {}
    for request_id, stored in found.stored.items():
        sound = altered(stored.record, settings.ledger) is None
        judged = _judged(stored, found, settings, now) if sound else None
        if isinstance(judged, Doubt):
            doubts[request_id] = judged
    if not doubts:
        return {}
    past = await histories(topics, settings, doubts)
    passed = {
        request_id: {stood.offset for stood in history.stood if stood.partition == partition}
        for request_id, history in past.items()
    }
    return await restless(topics, settings, partition, doubts, passed)


async def _closed_after(topics: Topics, settings: Settings, stored: Stored) -> int | None:
    """Append time of a chunk that came before the first close.

    Of a first record the last one; of a revision the first, since the last may have come after the close.
    """
    source = stored.record["source"] or {}
    offset = source.get("first_offset" if stored.latest.revision else "last_offset")
    if source.get("topic") != settings.chunk_topic or offset is None:
        return None
    partition = source["partition"]
    async with aclosing(topics.read("chunks", settings.chunk_topic, partition, offset, offset + 1)) as chunks:
        async for chunk in chunks:
            appended: int = chunk.timestamp
            return appended
    return None
