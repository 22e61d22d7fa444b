"""`streamledger doctor`: is everything as it must be, and what is to be done?

Owns the output and the exit code; the checks are `pipeline.ops.doctor`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import rich_click as click

from pipeline.cli.options import examples, json_option, start_logging, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.errors import FOUND_PROBLEM, NO_KAFKA, OK
from pipeline.settings import NAMES, Loaded

if TYPE_CHECKING:
    from pipeline.ops.doctor import Report, State

SIGNS: Final[Mapping[State, str]] = {"ok": "✓", "warn": "!", "wrong": "✗", "unknown": "–"}
COLOURS: Final[Mapping[State, str]] = {"ok": "green", "warn": "yellow", "wrong": "red", "unknown": "bright_black"}
TITLES: Final = {"machine": "this machine", "kafka": "Kafka", "ledger": "the ledger"}


@click.command(
    help=f"{COMMANDS['doctor']} Nothing is written to Kafka, and no group is joined. Run it where a worker runs, with "
    "its settings. ✓ as it should be · ! less is promised than could be · ✗ wrong · – could not be seen. "
    "Exit 1 if something is ✗ (with --strict also for !), 3 if no Kafka answers.",
    epilog=examples(
        "streamledger doctor",
        "streamledger doctor --bootstrap-servers kafka:9092 --data-dir /var/lib/streamledger",
        "streamledger doctor --config ledger.toml --strict --json",
    ),
)
@click.option("--strict", is_flag=True, help="Exit 1 for warnings, too.")
@click.option("--quiet", is_flag=True, help="Only what is not ✓.")
@json_option
@with_settings(*NAMES)
def command(loaded: Loaded, *, strict: bool, quiet: bool, as_json: bool) -> int:
    """Print a line for each finding."""
    from pipeline.ops.doctor import examine

    start_logging(loaded.settings)
    report = asyncio.run(examine(loaded, tell=_tell if sys.stderr.isatty() else lambda _: None))
    bad = report.count("wrong") + (report.count("warn") if strict else 0)
    code = NO_KAFKA if not report.reached else FOUND_PROBLEM if bad else OK
    if as_json:
        click.echo(json.dumps(_document(report, code), ensure_ascii=False, indent=2))
    else:
        _print(report, quiet=quiet)
    return code


def _tell(what: str) -> None:
    """Progress for a person."""
    click.echo(f"looking at {what} …", err=True)


def _document(report: Report, code: int) -> dict[str, object]:
    """The same for programs."""
    checks = [{"section": section, **asdict(finding)} for section, finding in report.findings]
    counts = {state: report.count(state) for state in SIGNS}
    return {"exit_code": code, "reached_kafka": report.reached, "counts": counts, "checks": checks}


def _print(report: Report, *, quiet: bool) -> None:
    """A title for each section, a line for each finding, and how many there are of each kind."""
    width = max(len(finding.check) for _, finding in report.findings)
    title = None
    for section in TITLES:
        for place, finding in report.findings:
            if place != section or (quiet and finding.state == "ok"):
                continue
            if title != section:
                title = section
                click.secho(TITLES[section], bold=True)
            sign = click.style(SIGNS[finding.state], fg=COLOURS[finding.state])
            advice = f" — {finding.advice}" if finding.advice else ""
            click.echo(f"  {sign} {finding.check:{width}}  {' '.join(f'{finding.text}{advice}'.split())}")
    counts = {state: report.count(state) for state in SIGNS}
    click.echo(
        f"{counts['ok']} fine, {counts['warn']} to look at, {counts['wrong']} wrong, {counts['unknown']} not to be seen"
    )
