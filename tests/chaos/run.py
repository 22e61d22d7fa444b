"""A round of chaos: load on, faults in, everything read and reconciled.

    python -m tests.chaos.run --seed 7 --minutes 10 [--faults kill,pause] [--brokers 3] [--grace 3] [--json [FILE]]

Imports the siblings, `pipeline.ops` and `pipeline.settings`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pipeline.settings import Settings, client
from pipeline.topics.admin import create, definitions
from tests.chaos.again import again
from tests.chaos.faults import CORE, FAULTS, deck, play
from tests.chaos.garbage import MAX_CHUNK_BYTES
from tests.chaos.generator import HEADER, Ledger, Sender, plan
from tests.chaos.kafka import ProxiedCluster
from tests.chaos.proxy import Proxies
from tests.chaos.reader import Reader, chunks
from tests.chaos.reconcile import reconcile
from tests.chaos.report import Report, Verdict
from tests.chaos.scenarios import broker_gone_holds, changelog_deleted_holds
from tests.chaos.stage import Stage, until
from tests.chaos.workers import Fleet

PROGRESS_SECONDS: Final = 15.0
"""Between two lines that say how far a round is."""

START_SECONDS: Final = 15.0
"""Faults begin when every worker has come up, or after this."""

SCENARIO_MINUTES: Final = 5.0
"""From this length on a round is followed by the scenarios that need a stage of their own, and by its control."""

PER_SECOND: Final = 400.0
GRACE: Final = 15_000
"""finish_grace of a round in ms: longer than the load ever pauses by itself, and than a broker needs to come back."""

QUIET_SECONDS: Final = 6.0
"""So long nothing more may come before it counts as all."""

LAST_SECONDS: Final = 150.0
"""Deadline for all records after the last chunk; windows and restores take about 30 of them."""

TOLD: Final = 40
"""Lines of a log that tell what a traceback was."""


@dataclass
class Options:
    """What is asked for."""

    seed: int = 1
    minutes: float = 1.0
    faults: Sequence[str] = tuple(CORE)
    brokers: int = 1
    workers: int = 3
    control: bool = False
    per_second: float = PER_SECOND
    grace: int = GRACE
    home: Path | None = None
    then: Callable[[Settings], Awaitable[None]] | None = None
    """What stands downstream of the round, while its cluster is still up."""
    report: Report = field(init=False)

    def __post_init__(self) -> None:
        """Begin the report."""
        self.report = Report(self.seed, self.minutes, self.brokers, self.control, self.faults)


async def chaos(options: Options) -> Report:
    """Run a round on a cluster of its own."""
    async with AsyncExitStack() as held:
        home = options.home or Path(held.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        cluster = ProxiedCluster(home / "kafka", brokers=options.brokers)
        held.callback(cluster.discard)
        await asyncio.to_thread(cluster.start)
        proxies = await held.enter_async_context(Proxies(cluster.doors))
        settings = _settings(cluster, options)
        direct = settings.model_copy(update={"bootstrap_servers": cluster.bootstrap_servers})
        await create(client(direct), definitions(direct))
        fleet = Fleet(
            settings, home, size=options.workers, options={"leak": str(home / "leaked")} if options.control else {}
        )
        held.push_async_callback(fleet.kill)
        stage = Stage(direct, fleet, cluster, proxies)
        await _play(stage, options)
    return options.report


def _settings(cluster: ProxiedCluster, options: Options) -> Settings:
    return Settings(
        bootstrap_servers=cluster.proxied_servers,
        ledger=f"chaos-{options.seed}",
        replication=min(3, options.brokers),
        max_chunk_bytes=MAX_CHUNK_BYTES,
        finish_grace=options.grace,
        attempt_grace=options.grace,
        session_window=options.grace + 5_000,
        clock_slack=1_000,
    )


async def _play(stage: Stage, options: Options) -> None:
    """Load, faults, last records, reconciliation."""
    settings, report = stage.settings, options.report
    servers = settings.bootstrap_servers
    ledger = Ledger()
    reader = Reader(servers, records=settings.record_topic, dead=settings.dead_topic, partitions=settings.partitions)
    sender = Sender(servers, settings.chunk_topic)
    started = time.monotonic()
    stage.fleet.start()
    background = [
        asyncio.create_task(reader.run()),
        asyncio.create_task(stage.fleet.supervise()),
        asyncio.create_task(_progress(options, ledger, reader, sender, stage)),
    ]
    try:
        sends = plan(options.seed, ledger, seconds=options.minutes * 60, per_second=options.per_second)
        sending = asyncio.create_task(sender.run(sends))
        await _faults(stage, options, sending)
        await sending
        await _last_records(reader, ledger, background, quiet=QUIET_SECONDS + options.grace / 1_000)
        report.seconds = time.monotonic() - started
        sent = await chunks(servers, settings.chunk_topic, partitions=settings.partitions, header=HEADER)
        report.result = reconcile(ledger, sent, reader.records, reader.dead, grace=options.grace)
        report.result.reread_different = len(reader.places ^ await reader.again())
        await _again(stage, options)
        if options.then is not None:
            await options.then(settings)
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
    report.plan = ledger.plan.hexdigest()[:16]
    report.longest_wait, report.longest_wait_with_outages = reader.waits.longest, reader.waits.longest_with_outages
    report.looks, report.blind_seconds = reader.waits.looks, reader.waits.blind
    report.resent = sender.again
    _tell(stage, report)


async def _again(stage: Stage, options: Options) -> None:
    """Fold the topic a second time, offline."""
    say("folding the topic again")
    with tempfile.TemporaryDirectory(prefix="chaos-again-") as folder:
        told = stage.settings.model_dump(mode="json")
        options.report.result.fold_again(await again(told, Path(folder), seed=options.seed))


async def _faults(stage: Stage, options: Options, sending: asyncio.Task[None]) -> None:
    """Faults in turn for as long as chunks are sent."""
    if not options.faults:
        return
    started = time.monotonic()
    await until(lambda: stage.seen("assigned") >= len(stage.fleet.workers), START_SECONDS)
    for name, seed, rest in deck(options.seed, options.faults):
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(sending), rest)
        if sending.done():
            return
        try:
            turn = await play(stage, name, seed, at=time.monotonic() - started, over=sending.done)
        except Exception as error:  # noqa: BLE001 (the round fails, but what it found is still worth telling)
            stage.notes.append(f"{name} broke off: {type(error).__name__}: {error}")
            continue
        effect = "" if turn.effect else "without effect, "
        say(f"{name} {effect}{turn.seconds:g} s{f', {turn.tries} tries' if turn.tries > 1 else ''}")


async def _progress(options: Options, ledger: Ledger, reader: Reader, sender: Sender, stage: Stage) -> None:
    """Say now and then how far the round is, until cancelled."""
    started = time.monotonic()
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        minutes = (time.monotonic() - started) / 60
        say(
            f"{minutes:.1f} min, load until {options.minutes:g}  {sender.acknowledged:,} sent  "
            f"{len(ledger.requests):,} requests  {len(reader.records):,} with a record  {len(stage.turns)} faults  "
            f"readers held back {reader.waits.longest:.1f} s at most"
        )


async def _last_records(
    reader: Reader, ledger: Ledger, background: Sequence[asyncio.Task[Any]], *, quiet: float
) -> None:
    """Wait until every request has a record and nothing comes any more, or the deadline is over."""
    deadline = time.monotonic() + LAST_SECONDS
    while time.monotonic() < deadline:
        for task in background:
            if task.done():
                task.result()
        whole = reader.records.keys() >= ledger.requests.keys() and len(reader.dead) >= len(ledger.garbage)
        if whole and time.monotonic() - reader.moved > quiet:
            return
        await asyncio.sleep(0.2)


def _tell(stage: Stage, report: Report) -> None:
    """What the workers said of themselves."""
    fleet = stage.fleet
    report.turns = stage.turns
    report.memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    report.exits = {str(status): count for status, count in sorted(fleet.exits.items())}
    report.late_leaves, report.notes = fleet.late_leaves, [*stage.notes, *fleet.late_words]
    report.fenced = stage.fenced()
    report.holes = sum(len(worker.events("a batch is missing, reading again")) for worker in fleet.everyone)
    for worker in fleet.everyone:
        lines = worker.log.read_text(encoding="utf-8", errors="replace").splitlines() if worker.log.exists() else []
        for number, line in enumerate(lines):
            if line.startswith(("REFUSED", "Traceback")):
                report.refused += [f"{worker.name}: {each}" for each in lines[max(number - 2, 0) : number + TOLD]]


async def _verdicts(seed: int) -> list[Verdict]:
    """What needs a stage of its own, and the negative control."""
    verdicts = []
    for scenario in (broker_gone_holds, changelog_deleted_holds, control_holds):
        say(scenario.__name__)
        verdicts.append(await scenario(seed))
    return verdicts


async def control_holds(seed: int) -> Verdict:
    """The negative control: records sent outside the transaction must be caught by reader and second fold alike."""
    report = await chaos(
        Options(seed=seed, minutes=0.12, faults=(), per_second=200, grace=5_000, workers=1, control=True)
    )
    result = report.result
    caught = not report.passed and result.duplicate > 0 and result.folded_different > 0
    shown = f"{result.duplicate} doubles caught, {result.folded_different} by a second fold"
    return Verdict("records outside the transaction", caught, shown)


def say(line: str) -> None:
    """One line to whoever watches."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")


def main() -> int:
    """Parse, run, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--faults", default=None, help=f"names with commas: {','.join(FAULTS)}")
    parser.add_argument("--brokers", type=int, default=3)
    parser.add_argument("--grace", type=float, default=GRACE / 1_000, help="finish_grace in s; short: chunks come late")
    parser.add_argument("--control", action="store_true", help="records outside the transaction: must fail")
    parser.add_argument("--scenarios", action=argparse.BooleanOptionalAction, default=None, help="default: if long")
    parser.add_argument("--json", type=Path, nargs="?", const=Path("-"), default=None, help="default: below the table")
    parser.add_argument("--home", type=Path, default=None, help="directory that is kept, with the workers' logs")
    told = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # brokers die here; what matters is in the report
    every = [name for name in FAULTS if name != "bounce" or told.brokers > 1]
    names = tuple(told.faults.split(",") if told.faults else every)
    if unknown := set(names) - set(FAULTS):
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    options = Options(told.seed, told.minutes, names, told.brokers, control=told.control, home=told.home)
    options.grace = int(told.grace * 1_000)
    report = asyncio.run(chaos(options))
    wanted = told.minutes >= SCENARIO_MINUTES if told.scenarios is None else told.scenarios
    if wanted and not told.control:
        report.scenarios = asyncio.run(_verdicts(told.seed))
    report.give(told.json)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
