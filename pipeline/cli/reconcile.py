"""`streamledger reconcile`: what should be billed against what is.

Owns the options and the output; the work is `pipeline.ops.reconcile`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from pipeline.cli.console import console
from pipeline.cli.options import (
    KAFKA,
    LOGGING,
    OutputFile,
    duration,
    examples,
    json_option,
    start_logging,
    with_settings,
)
from pipeline.cli.progress import bar
from pipeline.cli.ranges import with_selection
from pipeline.cli.shell import COMMANDS
from pipeline.errors import FOUND_PROBLEM, OK, UsageError
from pipeline.settings import Loaded, Settings

if TYPE_CHECKING:
    from pipeline.ops.reconcile.finding import Result
    from pipeline.ops.reconcile.ledger import Request

SETTLE: Final = "15s"
LIMIT: Final = 1_000
INTERVAL: Final = "60s"
TOLERANCE: Final = "0.000000001"
PRESETS: Final = ("plain", "litellm", "bifrost", "openai")
CLOSING: Final = ("finish_grace", "attempt_grace", "session_window", "max_request_age", "revise_window")
_FILE, _FOLLOW = "Usage file", "Follow"


@click.command(
    help=f"{COMMANDS['reconcile']} Without more: chunks against records, by a count of its own that shares nothing "
    "with the fold: missing, duplicate, different and mispriced records, what is late and what may still be open. "
    "With --db records against a sink's database; with --usage-file records (of the topic, or of --db) against what a "
    "provider or gateway says. What can't be told is counted as not checked, never as equal. Exit 1 on a difference.",
    epilog=examples(
        "streamledger reconcile --from -24h",
        "streamledger reconcile -o @2026-11-01T00:00:00Z:2026-12-01T00:00:00Z --json",
        "streamledger reconcile --db ledger.duckdb",
        "streamledger reconcile --db ledger.duckdb --usage-file spend.csv --preset litellm",
        "streamledger reconcile --usage-file invoice.csv --column request_id=id --column cost=amount_usd",
        "streamledger reconcile --follow --interval 60s --state reconcile.state",
    ),
)
@click.option("--db", metavar="PATH|URL", help="A DuckDB file or postgresql:// URL with the records of a sink.")
@click.option(
    "--usage-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="CSV, TSV, JSON or JSON lines.",
    panel=_FILE,
)
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    default="plain",
    show_default=True,
    help="Whose shape it has. Without request ids (openai) totals of day and model are compared.",
    panel=_FILE,
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Where a field stands: request_id=id, cost=spend, prompt_tokens=usage.input; may be repeated.",
    panel=_FILE,
)
@click.option(
    "--tolerance",
    default=TOLERANCE,
    show_default=True,
    metavar="USD",
    help="Difference in cost that is none.",
    panel=_FILE,
)
@click.option("--follow", is_flag=True, help="Go on until interrupted, with a line for each interval.", panel=_FOLLOW)
@click.option(
    "--interval", default=INTERVAL, show_default=True, metavar="DURATION", help="Between two looks.", panel=_FOLLOW
)
@click.option(
    "--state",
    type=OutputFile(),
    metavar="FILE",
    help="Remembers positions and open requests; the next run goes on from there.",
    panel=_FOLLOW,
)
@click.option(
    "--settle",
    default=SETTLE,
    show_default=True,
    metavar="DURATION",
    help="How long a record may take after its request closed.",
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=LIMIT,
    show_default=True,
    metavar="N",
    help="Most findings that are listed.",
)
@with_selection("the chunks (with --db or --usage-file: of the records)")
@json_option
@with_settings(
    *KAFKA,
    "ledger",
    "chunk_topic",
    "record_topic",
    "dead_topic",
    *CLOSING,
    "marker_retention",
    "clock_slack",
    "max_chunk_bytes",
    "price_overlay",
    *LOGGING,
)
def command(loaded: Loaded, *, as_json: bool, **options: Any) -> int:
    """Reconcile, then say by the exit status whether anything differs."""
    from pipeline.ops.reconcile.ledger import Request

    start_logging(loaded.settings)
    _check(options)
    settle = duration("--settle", options["settle"])
    asked = Request(options["selection"], int(time.time() * 1_000), settle, options["limit"])
    if options["follow"]:
        return _follow(loaded.settings, asked, options, as_json=as_json)
    return _tell(_once(loaded.settings, asked, options), as_json=as_json)


def _check(options: dict[str, Any]) -> None:
    """Refuse flags that belong to another comparison."""
    if options["follow"] and (options["db"] or options["usage_file"]):
        raise UsageError("--follow holds chunks against records", hint="leave --db and --usage-file out")
    if options["db"]:
        from pipeline.sinks.database import must_be_there

        must_be_there(options["db"])
    if options["state"] and not options["follow"]:
        raise UsageError("--state is of --follow", hint="add --follow")
    if not options["usage_file"] and (options["columns"] or options["preset"] != PRESETS[0]):
        raise UsageError("--column and --preset are of --usage-file", hint="name the file")


def _once(settings: Settings, asked: Request, options: dict[str, Any]) -> Result:
    """One of the three comparisons."""
    from pipeline.ops.reconcile import bill, ledger, sink
    from pipeline.ops.reconcile.usage_file import UsageFile

    db = options["db"]
    with bar() as progress:
        if options["usage_file"] is not None:
            file = UsageFile.of(options["usage_file"], options["preset"], options["columns"])
            tolerance = _amount(options["tolerance"])
            return asyncio.run(bill.reconcile(settings, file, asked, progress, db=db, tolerance=tolerance))
        if db is not None:
            return asyncio.run(sink.reconcile(settings, db, asked, progress))
        return asyncio.run(ledger.reconcile(settings, asked, progress))


def _follow(settings: Settings, asked: Request, options: dict[str, Any], *, as_json: bool) -> int:
    """Look at every interval until SIGINT or SIGTERM; exit 1 if any look found something.

    The first signal waits for the look that is under way, the second one for nothing: what it read is read again.
    """
    from pipeline.ops.reconcile.follow import Pace, follow

    seconds = duration("--interval", options["interval"]) / 1_000
    if seconds < 1:
        raise UsageError(f"--interval {options['interval']} is too short", hint="at least 1s; write for example 60s")
    pace = Pace(seconds, options["state"], lambda: int(time.time() * 1_000))

    async def run() -> bool:
        stopped, task = asyncio.Event(), asyncio.current_task()

        def stop() -> None:
            if stopped.is_set() and task is not None:
                task.cancel()
            stopped.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        return await follow(settings, asked, pace, lambda result: _say(result, as_json=as_json), stopped)

    try:
        return FOUND_PROBLEM if asyncio.run(run()) else OK
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _say(result: Result, *, as_json: bool) -> None:
    """One interval."""
    from pipeline.ops.reconcile.report import document, finding_line, line

    at = datetime.fromtimestamp(int(time.time()), UTC).isoformat().replace("+00:00", "Z")
    if as_json:
        click.echo(json.dumps({"at": at, **document(result)}))
        return
    click.echo(line(result, at))
    for finding in result.listed:
        click.echo(finding_line(finding))


def _tell(result: Result, *, as_json: bool) -> int:
    if as_json:
        from pipeline.ops.reconcile.report import document

        click.echo(json.dumps(document(result)))
    else:
        from pipeline.ops.reconcile.layout import render

        render(result, console())
    return FOUND_PROBLEM if result.found else OK


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"--tolerance {text} is no amount", hint="write USD, such as 0.01")
    return amount
