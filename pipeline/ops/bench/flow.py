"""The benchmark from start to end: broker, topics, loads, participants in turn; nothing is left behind.

Owns the order of things and the settings that everyone is given. Imports its siblings, the tools of `pipeline.ops` and
`pipeline.settings`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.errors import FOUND_PROBLEM, OK, FoundProblem
from pipeline.ops.bench.load import FULL, QUICK, SMALL, Load, send
from pipeline.ops.bench.measure import measure, topic_folders
from pipeline.ops.bench.peer import PEERS, WORKER, Peer, Stage
from pipeline.ops.bench.report import Report, Section
from pipeline.ops.bench.site import Site, machine, site
from pipeline.ops.broker import KAFKA_VERSION
from pipeline.ops.demo.reader import remove
from pipeline.settings import Settings, client
from pipeline.topics.admin import create, definitions

BROKER: Final = {"log.segment.delete.delay.ms": "1000", "log.initial.task.delay.ms": "1000"}
"""Topics of finished runs leave the disk soon."""


@dataclass(frozen=True)
class Choice:
    """What to run.

    Attributes:
        quick: Take the smaller loads.
        loads: Names of loads; none: all.
        peers: Names of participants; none: all.
        chunks: About so many chunks for each load instead of its own number.
        rounds: How often everyone runs, in turn.
        python: Interpreter that has QuixStreams; None: ours.
    """

    quick: bool = False
    loads: Sequence[str] = ()
    peers: Sequence[str] = ()
    chunks: int | None = None
    rounds: int = 1
    python: Path | None = None

    @property
    def chosen(self) -> list[Load]:
        """The loads, in order."""
        shapes = [load for load in (QUICK if self.quick else FULL) if not self.loads or load.name in self.loads]
        return shapes if self.chunks is None else [load.limited(self.chunks) for load in shapes]

    @property
    def taking_part(self) -> list[Peer]:
        """The participants, in order."""
        return [peer for peer in PEERS if not self.peers or peer.name in self.peers]


def run(settings: Settings, choice: Choice, *, as_json: bool) -> int:
    """Run the benchmark and print what came out of it.

    Args:
        settings: Of the worker, but for names, topics and the way to Kafka; its checkpoint interval is everyone's
            commit interval.
        choice: What to run.
        as_json: Print one JSON object instead of tables.

    Returns:
        Exit status: 1 if somebody came to no end or, with the full loads, a ratio is missed.

    Raises:
        BrokerUnavailable: There is no Kafka.
        UsageError: This system does not tell what processes use.
    """
    with site(BROKER) as ours:
        report = Report(
            asyncio.run(_Bench(settings, choice, ours).run()),
            commit_ms=settings.checkpoint_interval,
            judged=not choice.quick and choice.chunks is None,
            machine=machine(),
            kafka=KAFKA_VERSION,
        )
    text = json.dumps(report.as_json()) if as_json else "\n".join(report.as_text())
    sys.stdout.write(text + "\n")
    return OK if report.passed else FOUND_PROBLEM


class _Bench:
    """One run on a broker that is there."""

    def __init__(self, settings: Settings, choice: Choice, ours: Site) -> None:
        self._settings, self._choice, self._site = settings, choice, ours
        self._client = client(self._of_run("any", "any"))
        self._python = choice.python or Path(sys.executable)
        self._runs = 0

    async def run(self) -> list[Section]:
        """Every load in turn, then the small one for those who are slow."""
        fast = [peer for peer in self._choice.taking_part if not peer.small]
        slow = [peer for peer in self._choice.taking_part if peer.small]
        sections = [await self._section(load, fast) for load in self._choice.chosen if fast]
        if slow and (not self._choice.loads or SMALL.name in self._choice.loads):
            ours = [peer for peer in fast if peer.name == WORKER]
            limit = self._choice.chunks
            sections.append(await self._section(SMALL if limit is None else SMALL.limited(limit), [*ours, *slow]))
        return sections

    async def _section(self, load: Load, peers: Sequence[Peer]) -> Section:
        """Fill a topic, let everyone work through it, remove it."""
        section, topic = Section(load), f"load-{load.name}"
        wanted = [each for each in definitions(self._of_run(topic, topic)) if each.role == "chunks"]
        await create(self._client, wanted)
        with self._site.steps.step(topic, f"{load.name}: loading chunks", total=load.total) as advance:
            section.chunk_bytes = await send(self._client, topic, load, advance)
        for number in range(self._choice.rounds):
            for peer in peers:
                if peer.name not in section.skipped:
                    await self._turn(section, peer, f"round {number + 1}" if self._choice.rounds > 1 else "")
        await remove(self._client, [topic])
        return section

    async def _turn(self, section: Section, peer: Peer, words: str) -> None:
        """One run of one participant."""
        self._runs += 1
        name = f"run{self._runs:03d}"
        home = self._site.home / name
        home.mkdir()
        settings = self._of_run(name, f"load-{section.load.name}", data_dir=home / "data")
        stage = Stage(settings, home, self._python, self._site.steps.say)
        if reason := peer.missing(stage):
            section.skipped[peer.name] = reason
            self._site.steps.say(f"{peer.name}: skipped, {reason}")
            return
        await create(self._client, [each for each in definitions(settings) if each.role != "chunks"])
        text = ": ".join(filter(None, (section.load.name, peer.name, words)))
        try:
            with self._site.steps.step(name, text, total=section.load.total) as advance:
                section.add(
                    peer.name, await measure(peer.command(stage), stage, section.load, self._site.cluster, advance)
                )
        except FoundProblem as error:
            section.failed[peer.name] = error.message
            self._site.steps.say(f"{text}: failed, {error.message}")
        finally:
            folders = topic_folders(self._site.cluster, name)
        await remove(self._client, sorted({folder.name.rpartition("-")[0] for folder in folders}))

    def _of_run(self, name: str, source: str, **changes: Any) -> Settings:
        return self._site.settings(self._settings, name, source, **changes)
