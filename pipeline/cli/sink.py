"""`streamledger sink duckdb|postgres`: the records in a database, each exactly once.

Owns the options, signals and the summary; the work is `pipeline.sinks`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from pipeline.cli.options import (
    KAFKA,
    LOGGING,
    SHOWING,
    database,
    duration,
    examples,
    json_option,
    start_logging,
    with_settings,
)
from pipeline.cli.progress import bar
from pipeline.cli.shell import COMMANDS
from pipeline.errors import FOUND_PROBLEM, OK, UsageError
from pipeline.settings import Loaded, Settings

if TYPE_CHECKING:
    from pipeline.sinks.plan import Plan, Summary
    from pipeline.topics.reader import Progress

EXIT: Final = (
    "Exit 1 if a record was refused, contradicts one of the same id, or its request is on two partitions: they are in "
    "the tables rejects and conflicts."
)
_Command = Callable[..., Any]


@click.group(
    "sink",
    help=f"{COMMANDS['sink']} One row for each request and revision, without content; the position in the topic is "
    "kept in the same transaction, so nothing is lost or doubled, whatever dies. No consumer group. Views are made.",
    epilog=examples(
        "streamledger sink duckdb --once",
        "streamledger sink postgres --db postgresql://billing@db.example/ledger --metrics-address :9465",
    ),
)
def command() -> None:
    """Keep records in a database."""


def _options(function: _Command) -> _Command:
    """What both databases have."""
    for option in reversed(
        (
            click.option("--once", is_flag=True, help="End at the end that the topic has now; else follow it."),
            click.option(
                "--from",
                "since",
                metavar="POSITION",
                help="Where a new database begins: earliest, latest, a time (RFC 3339, or ago: -24h). Another goes on "
                "where it is. [default: earliest]",
            ),
            click.option(
                "--batch",
                type=click.IntRange(1, 1_000_000),
                default=20_000,
                show_default=True,
                metavar="N",
                help="Most records in a transaction.",
            ),
            click.option(
                "--flush",
                default="1s",
                show_default=True,
                metavar="DURATION",
                help="Longest time that a record waits for others.",
            ),
            click.option(
                "--content", is_flag=True, help="Keep what was asked and answered too, in the table contents."
            ),
            click.option(
                "--skip-lost",
                is_flag=True,
                help="Where retention went over records that were not read: go on behind them, and note the gap in the "
                "table gaps. Without it that is refused.",
            ),
            json_option,
            with_settings(*KAFKA, "record_topic", "ledger", "data_dir", *SHOWING, *LOGGING),
        )
    ):
        function = option(function)
    return function


@command.command(
    short_help="Into a DuckDB file.",
    help="Keep the records in a DuckDB file. It is let go of whenever the sink has caught up, so that others can read "
    f"it. {EXIT}",
    epilog=examples(
        "streamledger sink duckdb --once",
        "streamledger sink duckdb --db ledger.duckdb --from 2026-11-01T00:00:00Z",
        "streamledger sink duckdb --once --parquet export/",
    ),
)
@click.option("--db", metavar="PATH", help="The file. [default: LEDGER.duckdb in data_dir]")
@click.option(
    "--parquet",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Export to DIR/day=2026-11-23/records.parquet, by the day (UTC) a request began: at the end, or whenever "
    "caught up, each day that has new rows, whole.",
)
@_options
def duckdb(loaded: Loaded, *, db: str | None, **options: Any) -> int:
    """Keep records in a DuckDB file."""
    settings = loaded.settings
    return _run(settings, db or database(settings), options)


@command.command(
    short_help="Into a PostgreSQL database.",
    help="Keep the records in a PostgreSQL database; the tables are made in the first schema of its search_path. "
    f"{EXIT}",
    epilog=examples(
        "streamledger sink postgres --db postgresql://billing@db.example/ledger",
        "streamledger sink postgres --db 'postgresql:///ledger?options=-csearch_path=billing' --once --json",
    ),
)
@click.option(
    "--db",
    required=True,
    metavar="URL",
    help="postgresql://USER@HOST/NAME. A command line can be read by others: leave the password to PGPASSWORD, a "
    "service or ~/.pgpass.",
)
@_options
def postgres(loaded: Loaded, *, db: str, **options: Any) -> int:
    """Keep records in a PostgreSQL database."""
    from pipeline.sinks.database import Dialect, dialect_of

    if dialect_of(db) is not Dialect.POSTGRES:
        raise UsageError("--db is no URL of PostgreSQL", hint="write postgresql://user@host/name")
    return _run(loaded.settings, db, {**options, "parquet": None})


def _run(settings: Settings, db: str, options: dict[str, Any]) -> int:
    """Run to the end or a signal, then say what was done."""
    start_logging(settings)
    plan = _plan(db, options)
    with bar("offsets") if plan.once else contextlib.nullcontext(lambda _: None) as progress:
        summary = asyncio.run(_sink(settings, plan, progress))
    told = summary.document(db, settings.record_topic)
    click.echo(json.dumps(told) if options["as_json"] else _sentence(told))
    written = summary.written
    return FOUND_PROBLEM if written.conflicts or written.rejects or written.split else OK


def _plan(db: str, options: dict[str, Any]) -> Plan:
    from pipeline.sinks.plan import Plan
    from pipeline.topics.bound import Bound

    since = options["since"]
    bound = None if since is None else Bound.of(since, int(time.time() * 1_000))
    if bound is not None and bound.offset is not None:
        raise UsageError(f"--from {since} is an offset, and every partition has its own", hint="give a time")
    names = ("once", "batch", "content", "parquet", "skip_lost")
    return Plan(
        db, since=bound, flush_ms=duration("--flush", options["flush"]), **{name: options[name] for name in names}
    )


async def _sink(settings: Settings, plan: Plan, progress: Progress) -> Summary:
    """Run it; SIGINT and SIGTERM are its ordinary end."""
    from pipeline.sinks.consumer import Sink

    sink = Sink(settings, plan, progress)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, sink.stop)
    return await sink.run()


def _sentence(told: dict[str, Any]) -> str:
    """The summary for a person."""
    lines = [f"{told['rows']:,} rows written to {told['db']} in {told['seconds']:.1f} s"]
    for name, what in (
        ("repeats", "were there already"),
        ("conflicts", "contradict a record of the same id: see the table conflicts"),
        ("rejects", "are no records: see the table rejects"),
        ("split", "are of a request that is on another partition too"),
    ):
        if told[name]:
            lines.append(f"{told[name]:,} {what}")
    if told["parquet"]:
        lines.append(f"{len(told['parquet'])} days exported")
    return "\n".join(lines)
