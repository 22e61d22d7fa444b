"""Chunks against records, on and on: at each interval what the worker has read since the last one.

Counts only chunks that the worker has read, so that their dead letters and records are there or due.  Remembers
everything in one SQLite file and gives up what was judged once no revision can come any more: memory and file are
bounded by what a revise window holds.  Owns the round; the caller owns time and what is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.errors import AccessRefused, BrokerFault, UsageError
from pipeline.ops.reconcile.clock import Clock
from pipeline.ops.reconcile.counting import Counter, take_letters, take_records
from pipeline.ops.reconcile.finding import Cause, Finding, Kind, Result, State
from pipeline.ops.reconcile.judge import Scope, judge
from pipeline.ops.reconcile.ledger import Request, add_ledger, add_parted, judge_strange, prices_of, wants
from pipeline.ops.reconcile.store import Row, Store
from pipeline.settings import Settings
from pipeline.topics.bound import Bound
from pipeline.topics.group import group_of
from pipeline.topics.reader import Topics, reading

TITLE: Final = "chunks against records, since the last look"
_NOBODY: Final = Row(-1, "", None, [])


@dataclass(frozen=True)
class Pace:
    """How a follower goes.

    Attributes:
        interval: seconds between two looks.
        state: the file that it goes on from; None: a temporary one.
        clock: wall clock in ms.
    """

    interval: float
    state: Path | None
    clock: Callable[[], int]


async def follow(
    settings: Settings, asked: Request, pace: Pace, tell: Callable[[Result], None], stopped: asyncio.Event
) -> bool:
    """Reconcile at every interval until `stopped` is set.

    Args:
        settings: of the ledger.
        asked: where it begins (`since`) without a state, and which requests are meant.
        pace: interval, state, clock.
        tell: hears each result.
        stopped: ends it, after the look that is under way.

    Returns:
        Whether anything was found.

    Raises:
        UsageError: the state is that of another ledger.
    """
    if asked.selection.until is not None:
        raise UsageError("--follow has no end", hint="leave --to out")
    found = False
    with Store(pace.state) as store:
        _check_state(settings, store)
        while True:
            try:
                result = await _look(settings, asked, store, pace.clock())
            except AccessRefused:
                raise  # nobody mends it by waiting
            except BrokerFault as away:
                result = Result(TITLE, notes=[f"not looked: {away}"])
            found = found or result.found
            tell(result)
            if await _paused(stopped, pace.interval):
                return found


def _check_state(settings: Settings, store: Store) -> None:
    names = [settings.ledger, settings.chunk_topic, settings.record_topic]
    known = store.fact("ledger")
    if known not in (None, names):
        raise UsageError("the state is that of another ledger", hint="name another file")
    store.remember("ledger", names)


async def _paused(stopped: asyncio.Event, seconds: float) -> bool:
    """Wait; True when there is nothing more to wait for."""
    try:
        await asyncio.wait_for(stopped.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def _look(settings: Settings, asked: Request, store: Store, now: int) -> Result:
    """One interval: read, judge, give up, keep."""
    result = Result(TITLE, asked.limit)
    async with reading(settings, lambda _: None) as topics:
        clocks, scopes = await _read(settings, asked, topics, store, result, now)
    until = now + settings.marker_retention
    for row in store.rows(fresh=True):
        if row.partition not in scopes or not wants(asked.selection, row):
            store.judged(row)
        else:
            _judge(store, result, row, scopes[row.partition], clocks[row.partition], until)
    for request_id, numbers in store.parted():
        if store.is_new(_NOBODY._replace(request_id=request_id), "parted"):
            add_parted(result, request_id, numbers, settings.chunk_topic)
    keep = settings.revise_window + settings.finish_grace + settings.session_window + settings.clock_slack
    store.settle(now - keep - asked.settle, until)
    store.purge(now)
    store.keep()
    return result


async def _read(
    settings: Settings, asked: Request, topics: Topics, store: Store, result: Result, now: int
) -> tuple[dict[int, Clock], dict[int, Scope]]:
    """What is new of chunks that the worker has read, of dead letters and of records."""
    topic = settings.chunk_topic
    numbers = asked.selection.numbers(topics.partitions(topic), topic)
    spans = {number: await topics.bounds(topic, number, asked.selection.since) for number in numbers}
    read_to = (await group_of(settings, settings.ledger, topic)).offsets
    await _read_letters(settings, topics, store)
    counter = Counter(store, settings, result)
    clocks, scopes = {}, {}
    for number, (kept, last) in spans.items():
        first = _first(store, f"begin {number}", kept)
        begin = store.place(topic, number) or first
        end = max(begin, min(read_to.get(number, begin), last))
        records = topics.read(f"chunks {number}", topic, number, begin, end)
        pace = await counter.count(records, (number, begin, end), asked.selection.request_ids, end)
        store.forget_refused(number, end)
        store.move(topic, number, end)
        store.remember(f"clock {number}", reached := max(pace.clock, store.fact(f"clock {number}") or 0))
        if end < last:
            result.counts["chunks that the worker has not read"] += last - end
        scopes[number] = Scope(settings.ledger, topic, settings.record_topic, number, first, end, whole=False)
        reached_or_all = reached if end < last else None
        clocks[number] = Clock.of(settings, now=now, settle=asked.settle, reached=reached_or_all, offset=end)
    await _read_records(settings, asked, topics, store, result, now)
    judge_strange(result, counter.strange, clocks, topic)
    return clocks, scopes


def _first(store: Store, name: str, value: int) -> int:
    """A value as it was when it was first asked for."""
    known = store.fact(name)
    if known is None:
        store.remember(name, value)
    return value if known is None else int(known)


async def _read_letters(settings: Settings, topics: Topics, store: Store) -> None:
    topic = settings.dead_topic
    for number in range(topics.partitions(topic)):
        begin, end = await topics.bounds(topic, number)
        begin = store.place(topic, number) or begin
        await take_letters(topics.read(f"dead {number}", topic, number, begin, end), store, settings.chunk_topic)
        store.move(topic, number, end)


async def _read_records(
    settings: Settings, asked: Request, topics: Topics, store: Store, result: Result, now: int
) -> None:
    """New records; at the first look also those that were made before it, whose requests may still get repeats."""
    topic, prices = settings.record_topic, prices_of(settings)
    since = asked.selection.since
    if since is not None:
        from_time = now if since.time is None else since.time
        since = Bound("before", time=max(from_time - settings.marker_retention, 0))
    for number in range(topics.partitions(topic)):
        begin, end = await topics.bounds(topic, number, since)
        begin = store.place(topic, number) or begin
        records = topics.read(f"records {number}", topic, number, begin, end)
        await take_records(records, store, result, prices, topic=topic, wanted=asked.selection.request_ids)
        store.move(topic, number, end)


def _judge(store: Store, result: Result, row: Row, scope: Scope, clock: Clock, until: int) -> None:
    """Judge a request with news; it is looked at again as long as something of it may still come."""
    if any(claim.last is not None and claim.last >= scope.end for claim in row.claims):
        result.states[State.OPEN] += 1  # the worker has gone on since it was asked
        return
    if row.tally is None and store.is_done(row.partition, row.request_id):
        for claim in row.claims:
            what = f"revision {claim.revision}, long after the request was settled"
            place = f"{scope.record_topic}/{claim.partition}/{claim.offset}"
            cause = Cause.DUPLICATES
            result.add(Finding(Kind.DUPLICATE, row.request_id, what, place, (), cause, claim.amount, claim.tokens))
        store.give_up(row, until)
        return
    verdict = judge(row.tally, row.claims, scope, clock)
    if verdict.state is State.OPEN or verdict.waiting:
        result.states[State.OPEN] += 1
        return
    if verdict.state is State.CUT:
        store.give_up(row, until)
        result.states[State.CUT] += 1
        return
    store.judged(row)
    result.counts["requests"] += 1
    for finding in verdict.findings:
        if store.is_new(row, _name(finding)):
            result.add(finding)
    for reason in dict.fromkeys(verdict.unchecked):
        result.unchecked[reason] += 1
    if not verdict.findings:
        result.states[verdict.state] += 1
        add_ledger(result, row)


def _name(finding: Finding) -> str:
    """By what a finding is known to have been told: late repeats make no new one of it."""
    return " ".join((finding.kind, finding.what, *(each.field for each in finding.differences)))
