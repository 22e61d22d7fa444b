"""`streamledger reconcile`: what should be billed against what is.

Owns the options and the output; the work is `pipeline.ops.reconcile`.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from pipeline.cli.options import KAFKA, LOGGING, examples, json_option, start_logging, with_settings
from pipeline.cli.progress import bar
from pipeline.cli.ranges import with_selection
from pipeline.cli.shell import COMMANDS
from pipeline.errors import FOUND_PROBLEM, OK, UsageError
from pipeline.settings import Loaded, Settings
from pipeline.settings.units import DURATION

if TYPE_CHECKING:
    from pipeline.ops.reconcile.finding import Result
    from pipeline.topics.selection import Selection

SETTLE: Final = "15s"
LIMIT: Final = 1_000
CLOSING: Final = ("finish_grace", "attempt_grace", "session_window", "max_request_age", "revise_window")


@click.command(
    help=f"{COMMANDS['reconcile']} Without more: chunks against records, by a count of its own that shares nothing with "
    "the fold: missing, duplicate, different and mispriced records, what is late and what may still be open. What "
    "can't be told from the chunks alone is counted as not checked, never as equal. Exit 1 on a difference.",
    epilog=examples(
        "streamledger reconcile --from -24h",
        "streamledger reconcile -o @2026-11-01T00:00:00Z:2026-12-01T00:00:00Z --json",
    ),
)
@click.option(
    "--settle",
    default=SETTLE,
    show_default=True,
    metavar="DURATION",
    help="How long a record may take after its request closed.",
)
@click.option("--limit", default=LIMIT, show_default=True, metavar="N", help="Most findings that are listed.")
@with_selection("the chunks")
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
def command(loaded: Loaded, selection: Selection, settle: str, limit: int, *, as_json: bool) -> int:
    """Reconcile, then say by the exit status whether anything differs."""
    start_logging(loaded.settings)
    now, wait = int(time.time() * 1_000), _duration("--settle", settle)
    result = _chunks(loaded.settings, selection, now, wait, limit)
    return _tell(result, as_json=as_json)


def _chunks(settings: Settings, selection: Selection, now: int, settle: int, limit: int) -> Result:
    from pipeline.ops.reconcile.ledger import Request, reconcile

    with bar() as progress:
        return asyncio.run(reconcile(settings, Request(selection, now, settle, limit), progress))


def _tell(result: Result, *, as_json: bool) -> int:
    from pipeline.ops.reconcile.report import document, render

    if as_json:
        click.echo(json.dumps(document(result)))
    else:
        from rich.console import Console

        render(result, Console(highlight=False))
    return FOUND_PROBLEM if result.found else OK


def _duration(flag: str, text: str) -> int:
    try:
        return DURATION.parse(text)
    except ValueError as wrong:
        raise UsageError(f"{flag} {text}: {wrong}") from None
