"""Find the requests, erase what can be, and see how long the rest stays.

Owns the order: topics are looked at first, then the state and the database; only then, and only if it was asked for, is
anything changed. Whatever was done can be done again. Imports its siblings, the engine's erasure, the sinks' contents.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from pipeline.core.erasure import Standing
from pipeline.engine.config import Config, configure
from pipeline.engine.erasure import erase, look
from pipeline.engine.expulsion import expel
from pipeline.errors import UsageError
from pipeline.ops.erase.report import Kept, Report
from pipeline.ops.erase.traces import Trace, Traces, dead_letters, records
from pipeline.settings import Settings, client
from pipeline.sinks.contents import contents, delete
from pipeline.sinks.database import masked
from pipeline.topics.admin import Found, describe
from pipeline.topics.reader import Progress, Seen, reading
from pipeline.topics.selection import Selection

COMPACTION: Final = ("min.compaction.lag.ms", "max.compaction.lag.ms", "segment.ms", "delete.retention.ms")
FOREVER: Final = -1
PATIENCE: Final = 10.0
"""Seconds after which workers that were fenced are told to go on; after 30 they would end."""

Standings = dict[str, Standing | None]


async def run(settings: Settings, selection: Selection, db: str | None, progress: Progress, *, execute: bool) -> Report:
    """Erase the content of requests, or say what would be erased.

    Args:
        settings: Of the ledger.
        selection: Requests by id or label; a range and partitions are those of the record topic that is searched.
        db: Database of records; None: none.
        progress: Told how far the reading is.
        execute: Whether to change anything.

    Raises:
        UsageError: neither an id nor a label is named, or a topic or the database does not exist.
        BrokerFault: Kafka does not do it; trying again is safe.
        FoundProblem: the database can't be changed.
    """
    if selection.request_ids is None and not selection.labels:
        raise UsageError("whose content is to be erased?", hint="name it: --request-id ID or --label KEY=VALUE")
    config = configure(settings)
    described = await _described(settings, config)
    async with reading(settings, progress) as topics:
        traces = await records(topics, settings, selection)
        state = await _look(config, topics.partitions(settings.record_topic), selection, progress)
        named = selection.request_ids or frozenset()
        ids = frozenset(traces.records) | {name for found in state.values() for name in found} | named
        rows = contents(db, ids, selection.labels) if db is not None else {}
        ids |= frozenset(rows)
        traces.topics[settings.dead_topic] = await dead_letters(topics, settings, ids)
    standings: Standings = dict.fromkeys(ids & (traces.records.keys() | rows.keys()))
    for found in state.values():
        standings.update(found)
    setup = described[config.changelog].config
    report = Report(
        executed=execute,
        standings=standings,
        changelog=config.changelog,
        compaction={name: setup[name] for name in COMPACTION if name in setup},
        database=None if db is None else masked(db),
        contents=sum(rows.values()),
        topics=_kept(traces, described),
    )
    if not execute:
        return report
    standings, rejoined = await _erase(config, selection, state, standings)
    deleted = delete(db, standings, selection.labels) if db is not None and rows else 0
    return replace(report, standings=standings, rejoined=rejoined, contents=deleted)


async def _described(settings: Settings, config: Config) -> dict[str, Found]:
    """The topics as they are; all of them are needed."""
    names = [config.changelog, config.markers, settings.chunk_topic, settings.record_topic, settings.dead_topic]
    described = await describe(client(settings), names, operation="READ")
    for name in names:
        if name not in described:
            raise UsageError(f"topic {name} does not exist", hint="name the ledger and its topics, as its workers do")
    return described


async def _look(
    config: Config, partitions: int, selection: Selection, progress: Progress
) -> dict[int, Mapping[str, Standing]]:
    """The requests in the state, by partition; all partitions, because a foreign partitioner may have chosen."""
    found = {}
    for number in range(partitions):
        found[number] = await look(config, number, selection)
        progress(Seen("state", number + 1, partitions))
    return found


async def _erase(
    config: Config, selection: Selection, state: Mapping[int, Mapping[str, Standing]], standings: Standings
) -> tuple[Standings, int]:
    """Erase from the partitions that have something, and let their workers go on; how many of those there were."""
    standings = dict(standings)
    waiting: list[int] = []
    rejoined, since = 0, time.monotonic()
    try:
        for number in (number for number, found in state.items() if Standing.KEPT in found.values()):
            if time.monotonic() - since > PATIENCE:
                rejoined, since, waiting = rejoined + await expel(config, waiting), time.monotonic(), []
            waiting.append(number)
            standings.update(await erase(config, number, selection))
    finally:
        rejoined += await expel(config, waiting) if waiting else 0
    return standings, rejoined


def _kept(traces: Traces, described: Mapping[str, Found]) -> list[Kept]:
    return [_one(topic, trace, described[topic].config) for topic, trace in traces.topics.items()]


def _one(topic: str, trace: Trace, config: Mapping[str, str]) -> Kept:
    retention = int(config.get("retention.ms", FOREVER))
    return Kept(topic, trace.messages, trace.last, None if retention == FOREVER else retention)
