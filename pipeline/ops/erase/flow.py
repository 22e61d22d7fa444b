"""Find the requests, erase what can be, and see how long the rest stays.

Owns the order: topics are looked at first, then the state and the database; only then, and only if it was asked for, is
anything changed. Whatever was done can be done again. Imports its siblings, the engine's erasure, the sinks' contents.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pipeline.core.erasure import Standing
from pipeline.engine.config import Config, configure
from pipeline.engine.erasure import erase, look
from pipeline.engine.expulsion import expel
from pipeline.errors import UsageError
from pipeline.ops.erase.report import Kept, Report
from pipeline.ops.erase.spooled import found, taken
from pipeline.ops.erase.traces import Trace, Traces, dead_letters, records
from pipeline.ops.spool import Removal
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


@dataclass(frozen=True)
class Places:
    """Where content may be besides Kafka and the workers.

    Attributes:
        db: Database of records.
        spools: Directories of publishers' spools.
    """

    db: str | None = None
    spools: tuple[Path, ...] = ()


async def run(settings: Settings, selection: Selection, places: Places, progress: Progress, *, execute: bool) -> Report:
    """Erase the content of requests, or say what would be erased.

    Args:
        settings: Of the ledger.
        selection: Requests by id or label; a range and partitions are those of the record topic that is searched.
        places: Where to look besides.
        progress: Told how far the reading is.
        execute: Whether to change anything.

    Raises:
        UsageError: neither an id nor a label is named, or a topic, a spool or the database does not exist.
        BrokerFault: Kafka does not do it; trying again is safe.
        FoundProblem: the database can't be changed.
        OSError: a spool can't be read or written.
    """
    if selection.request_ids is None and not selection.labels:
        raise UsageError("whose content is to be erased?", hint="name it: --request-id ID or --label KEY=VALUE")
    config, db = configure(settings), places.db
    described = await _described(settings, config)
    async with reading(settings, progress) as topics:
        traces = await records(topics, settings, selection)
        state = await _look(config, topics.partitions(settings.record_topic), selection, progress)
        named = (selection.request_ids or frozenset()).union(*(found(each, selection) for each in places.spools))
        ids = frozenset(traces.records) | {name for held in state.values() for name in held} | named
        rows = contents(db, ids, selection.labels) if db is not None else {}
        ids |= frozenset(rows)
        traces.topics[settings.dead_topic] = await dead_letters(topics, settings, ids)
    standings: Standings = dict.fromkeys(ids & (traces.records.keys() | rows.keys()))
    for held in state.values():
        standings.update(held)
    setup = described[config.changelog].config
    report = Report(
        executed=execute,
        standings=standings,
        changelog=config.changelog,
        compaction={name: setup[name] for name in COMPACTION if name in setup},
        database=None if db is None else masked(db),
        contents=sum(rows.values()),
        topics=_kept(traces, described),
        spools=_spools(settings, places, ids, traces, execute=False),
    )
    if not execute:
        return report
    standings, rejoined = await _erase(config, selection, state, standings)
    deleted = delete(db, standings, selection.labels) if db is not None and rows else 0
    spools = _spools(settings, places, ids, traces, execute=True)
    return replace(report, standings=standings, rejoined=rejoined, contents=deleted, spools=spools)


def _spools(
    settings: Settings, places: Places, ids: frozenset[str], traces: Traces, *, execute: bool
) -> dict[str, Removal]:
    """What each spool has of the requests, taken out of it or not."""
    past = time.time_ns() // 1_000 - (settings.session_window + settings.revise_window) * 1_000
    return {str(each): taken(each, ids, traces.records, past, execute=execute) for each in places.spools}


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
    held = {}
    for number in range(partitions):
        held[number] = await look(config, number, selection)
        progress(Seen("state", number + 1, partitions))
    return held


async def _erase(
    config: Config, selection: Selection, state: Mapping[int, Mapping[str, Standing]], standings: Standings
) -> tuple[Standings, int]:
    """Erase from the partitions that have something, and let their workers go on; how many of those there were."""
    standings = dict(standings)
    waiting: list[int] = []
    rejoined, since = 0, time.monotonic()
    try:
        for number in (number for number, held in state.items() if Standing.KEPT in held.values()):
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
