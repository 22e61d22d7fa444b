"""Chunks against records: a range of the chunk topic, its dead letters, and the records that it must have given.

Owns the order of reading: chunks first, then what the worker made of them, so that nothing seems missing that only came
later.  Imports `pipeline.topics`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.ops.reconcile.clock import Clock
from pipeline.ops.reconcile.counting import Counter, Pace, take_letters, take_records
from pipeline.ops.reconcile.finding import Cause, Difference, Finding, Kind, Result, State
from pipeline.ops.reconcile.judge import Scope, judge
from pipeline.ops.reconcile.price import Prices
from pipeline.ops.reconcile.store import Row, Store
from pipeline.settings import Settings
from pipeline.topics.bound import Bound
from pipeline.topics.group import group_of
from pipeline.topics.reader import Progress, Topics, reading
from pipeline.topics.selection import Selection

TITLE: Final = "chunks against records"


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        selection: range of the chunk topic.
        now: wall clock in ms.
        settle: how long after its deadline a record may take, in ms.
        limit: findings that are listed.
    """

    selection: Selection
    now: int
    settle: int
    limit: int = 1_000


def prices_of(settings: Settings) -> Prices:
    """The price data that records are held against."""
    return Prices(None if settings.price_overlay is None else Path(settings.price_overlay))


async def reconcile(settings: Settings, asked: Request, progress: Progress) -> Result:
    """Hold the chunks of a range against their records.

    Raises:
        KafkaUnreachable: no broker answers.
        UsageError: a topic or partition does not exist.
    """
    result = Result(TITLE, asked.limit)
    with Store() as store:
        async with reading(settings, progress) as topics:
            spans, paces, strange = await _count(settings, asked, topics, store, result)
            await _claim(settings, asked, topics, store, result, spans)
        clocks = {
            number: Clock.of(settings, now=asked.now, settle=asked.settle, reached=pace.reached, offset=pace.offset)
            for number, pace in paces.items()
        }
        judge_strange(result, strange, clocks, settings.chunk_topic)
        whole = asked.selection.since is None
        scopes = {
            number: Scope(settings.ledger, settings.chunk_topic, settings.record_topic, number, *span, whole=whole)
            for number, span in spans.items()
        }
        for row in store.rows():
            if row.partition in scopes and wants(asked.selection, row):
                note(result, row, scopes[row.partition], clocks[row.partition])
        for request_id, numbers in store.parted():
            add_parted(result, request_id, numbers, settings.chunk_topic)
    return result


async def _count(
    settings: Settings, asked: Request, topics: Topics, store: Store, result: Result
) -> tuple[dict[int, tuple[int, int]], dict[int, Pace], list[tuple[int, int, int, str]]]:
    """Read dead letters and chunks."""
    topic, selection = settings.chunk_topic, asked.selection
    numbers = selection.numbers(topics.partitions(topic), topic)
    spans = {number: await topics.bounds(topic, number, selection.since, selection.until) for number in numbers}
    read_to = (await group_of(settings, settings.ledger, topic)).offsets
    since = await _appended(topics, topic, spans) if selection.since is not None else None
    for number in range(topics.partitions(settings.dead_topic)):
        bounds = await topics.bounds(settings.dead_topic, number, since)
        records = topics.read(f"dead letters {number}", settings.dead_topic, number, *bounds)
        await take_letters(records, store, topic)
    counter = Counter(store, settings, result)
    paces = {}
    for number, span in spans.items():
        records = topics.read(f"chunks {number}", topic, number, *span)
        paces[number] = await counter.count(records, (number, *span), selection.request_ids, read_to.get(number))
        note_behind(result, number, paces[number], span[1])
    return spans, paces, counter.strange


def note_behind(result: Result, number: int, pace: Pace, end: int) -> None:
    """Say how far the worker is behind: what it has not read is open."""
    if pace.offset is not None and pace.offset < end:
        result.counts["chunks that the worker has not read"] += end - pace.offset
        result.notes.append(f"partition {number}: the worker has not read offsets {pace.offset} to {end - 1}")


async def _appended(topics: Topics, topic: str, spans: Mapping[int, tuple[int, int]]) -> Bound | None:
    """When the first chunk of the ranges was appended."""
    times = []
    for number, (begin, end) in spans.items():
        records = topics.read(f"chunks {number}", topic, number, begin, min(begin + 1, end))
        times += [record.timestamp async for record in records]
    return Bound("the first chunk", time=min(times)) if times else None


async def _claim(
    settings: Settings,
    asked: Request,
    topics: Topics,
    store: Store,
    result: Result,
    spans: Mapping[int, tuple[int, int]],
) -> None:
    """Read records: those that may be of the range, and for requests without one the older ones too."""
    topic, wanted, prices = settings.record_topic, asked.selection.request_ids, prices_of(settings)
    since = None if asked.selection.since is None else await _appended(topics, settings.chunk_topic, spans)
    for number in range(topics.partitions(topic)):
        bounds = await topics.bounds(topic, number, since)
        records = topics.read(f"records {number}", topic, number, *bounds)
        await take_records(records, store, result, prices, topic=topic, wanted=wanted)
    if since is None or since.time is None:
        return
    without = frozenset(request_id for _, request_id in store.unclaimed())
    if not without:
        return
    earlier = Bound("earlier", time=max(since.time - settings.marker_retention, 0))
    aside = Result("records before the range")
    for number in range(topics.partitions(topic)):
        (begin, _), (end, _) = [await topics.bounds(topic, number, bound) for bound in (earlier, since)]
        records = topics.read(f"records {number}", topic, number, begin, end)
        await take_records(records, store, aside, prices, topic=topic, wanted=without)


def wants(selection: Selection, row: Row) -> bool:
    """Whether a request is meant, by its labels too."""
    if row.tally is not None:
        return selection.wants(row.request_id, row.tally.who_pays())
    return selection.wants(row.request_id, row.claims[-1].labels if row.claims else {})


def note(result: Result, row: Row, scope: Scope, clock: Clock) -> State | None:
    """Judge a request and count what is said of it; its state, None with a finding."""
    verdict = judge(row.tally, row.claims, scope, clock)
    if verdict.state is State.CUT and row.tally is None:
        return State.CUT  # a record of chunks that nobody asked for
    result.counts["requests"] += 1
    for finding in verdict.findings:
        result.add(finding)
    for reason in dict.fromkeys(verdict.unchecked):
        result.unchecked[reason] += 1
    if verdict.state is not State.CUT:
        add_ledger(result, row)
    if verdict.findings:
        return None
    result.states[verdict.state] += 1
    return verdict.state


def add_ledger(result: Result, row: Row) -> None:
    """Sum what the records bill: of each request its highest revision."""
    if row.claims:
        top = max(row.claims, key=lambda claim: claim.revision)
        result.usd += top.amount or 0
        result.tokens += top.tokens


def add_parted(result: Result, request_id: str, numbers: list[int], topic: str) -> None:
    """A request in several partitions has a record in each (CONTRACT §3)."""
    what = "chunks in several partitions: a changed partition count, or another partitioner"
    differences = (Difference("partitions", 1, numbers),)
    result.add(Finding(Kind.DUPLICATE, request_id, what, topic, differences, Cause.DUPLICATES))


def judge_strange(
    result: Result, strange: list[tuple[int, int, int, str]], clocks: Mapping[int, Clock], topic: str
) -> None:
    """Unreadable chunks must have a dead letter as soon as the worker has read them."""
    for partition, offset, appended, reason in strange:
        clock: Any = clocks[partition]
        if clock.read(offset) or (clock.offset is None and clock.past(appended + clock.silence)):
            what = f"no dead letter of a chunk that is {reason}"
            result.add(Finding(Kind.MISSING, None, what, f"{topic}/{partition}/{offset}"))
        else:
            result.counts["unreadable chunks that the worker has not read"] += 1
