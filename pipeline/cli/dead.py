"""`streamledger dead`: dead letters counted, shown, and sent back once.

Owns options, output and exit codes; the work is `pipeline.ops.dead`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import rich_click as click

from pipeline.cli.options import KAFKA, LOGGING, POLICY, OutputFile, examples, json_option, start_logging, with_settings
from pipeline.cli.progress import bar
from pipeline.cli.ranges import with_selection
from pipeline.cli.shell import COMMANDS
from pipeline.errors import FOUND_PROBLEM, OK, UsageError
from pipeline.settings import Loaded, Settings

if TYPE_CHECKING:
    from pipeline.ops.dead import Choice
    from pipeline.topics.selection import Selection

TOPICS: Final = ("chunk_topic", "record_topic", "dead_topic")
MOST_BYTES: Final = 64 << 20
"""Of a value given as a file: more than any topic takes."""

reason_option = click.option(
    "--reason", "reasons", metavar="REASON", multiple=True, help="Only letters of this reason; may be repeated."
)


@click.group(
    "dead",
    help=f"{COMMANDS['dead']} What could not be admitted lies untouched on the dead letter topic; most of it can go "
    "back once its cause is mended. Contents are shown only where --content asks for them.",
    epilog=examples(
        "streamledger dead ls",
        "streamledger dead show 3:17",
        "streamledger dead redrive --reason unsupported_version --execute",
    ),
)
def command() -> None:
    """Count, look, send back."""


@command.command(
    short_help="Count dead letters by reason, or list them.",
    help="Count dead letters by reason: how many, how many of them were sent back, where they came from. With --list "
    "one line each: place, time, reason, request by its key, size, detail. Exit codes: 0 ok · 2 bad usage · 3 can't "
    "reach Kafka.",
    epilog=examples(
        "streamledger dead ls",
        "streamledger dead ls --from -24h --reason conflict --list",
        "streamledger dead ls --json",
    ),
)
@click.option("--list", "listed", is_flag=True, help="One line for each letter; with --json one object.")
@reason_option
@json_option
@with_selection("the dead letters")
@with_settings(*KAFKA, *TOPICS, *LOGGING)
def ls(loaded: Loaded, selection: Selection, *, reasons: tuple[str, ...], listed: bool, as_json: bool) -> int:
    """Print figures or lines."""
    from pipeline.ops.dead import Choice, reasons_of, surveyed, view

    settings = loaded.settings
    start_logging(settings)
    choice = Choice(selection, reasons_of(reasons))
    if listed:
        asyncio.run(_list(choice, settings, as_json=as_json))
        return OK
    with bar() as progress:
        told = asyncio.run(surveyed(choice, settings, progress)).as_json(settings.dead_topic)
    _print([json.dumps(told)] if as_json else view.figures(told))
    return OK


async def _list(choice: Choice, settings: Settings, *, as_json: bool) -> None:
    """Line by line, as they are read."""
    from pipeline.ops.dead import lines, view

    with bar() as progress:
        async for row in lines(choice, settings, progress):
            click.echo(json.dumps(row) if as_json else view.listed(row))


@command.command(
    short_help="Show a dead letter, what it means, and what can be done.",
    help="Show one dead letter by its place, or all of a request: headers, where the chunk stood, what its reason "
    "means and what can be done. --value writes the bytes to a file, to be mended and sent back. Exit codes: 0 ok · "
    "1 there is none · 2 bad usage · 3 can't reach Kafka.",
    epilog=examples(
        "streamledger dead show 3:17",
        "streamledger dead show req-7 --content",
        "streamledger dead show 3:17 --value chunk.json",
    ),
)
@click.argument("which", metavar="PARTITION:OFFSET|REQUEST")
@click.option("--content", is_flag=True, help="Show the value, and the values of the producer's headers.")
@click.option("--value", "target", type=OutputFile(), metavar="FILE", help="Write the value to FILE.")
@json_option
@with_settings(*KAFKA, *TOPICS, *LOGGING)
def show(loaded: Loaded, *, which: str, content: bool, target: Path | None, as_json: bool) -> int:
    """Print letters."""
    from pipeline.ops.dead import shown, view
    from pipeline.sinks.target import replaced

    start_logging(loaded.settings)
    with bar() as progress:
        found = asyncio.run(shown(_which(which), loaded.settings, progress))
    if target is not None:
        if len(found) > 1:
            raise UsageError(f"the request has {len(found)} dead letters", hint="choose one by its place for --value")
        if found[0].letter.value is None:
            raise UsageError("the letter has no value", hint="see its detail: a tombstone, or left out on its topic")
        with replaced(target) as new:
            new.write_bytes(found[0].letter.value)
    told = [each.as_json(content=content) for each in found]
    if as_json:
        _print([json.dumps(told)])
    else:
        for number, each in enumerate(told):
            _print(["", *view.letter(each, content=content)] if number else view.letter(each, content=content))
    return OK


@command.command(
    short_help="Send dead letters back, each once; dry unless --execute.",
    help="Send dead letters back: of the places given, or of a range. Each goes back at most once, however often this "
    "is run and whatever dies: a receipt on the dead letter topic is written in the same transaction. A letter whose "
    "request is open, has no record, or was closed within revise_window goes to the chunk topic, and the worker takes "
    "it like any other; for a request closed longer ago its record is corrected: the request is folded anew with the "
    "letter, as the next revision. What would be refused again is not sent. --value sends a mended value in the place "
    "of a letter's own. Use the settings of the ledger's worker. Dry unless --execute. Exit codes: 0 all of them went "
    "back, or would, or had · 1 some wait or stay · 2 bad usage · 3 can't reach Kafka.",
    epilog=examples(
        "streamledger dead redrive --reason unsupported_version",
        "streamledger dead redrive --reason late --from -7d --execute",
        "streamledger dead redrive --reason key_mismatch --repair-key --execute",
        "streamledger dead redrive 3:17 --value chunk.json --execute",
    ),
)
@click.argument("places", nargs=-1, metavar="[PARTITION:OFFSET]...")
@click.option(
    "--value", "source", type=click.File("rb"), metavar="FILE", help="Send these bytes as the value of the one letter."
)
@click.option("--repair-key", is_flag=True, help="Send letters key_mismatch under the request_id of their value.")
@click.option(
    "--as-of-now",
    is_flag=True,
    help="Correct a record also where settings or prices have changed since it was made: it gets the figures of now.",
)
@click.option("--execute", is_flag=True, help="Do it.")
@reason_option
@json_option
@with_selection("the dead letters")
@with_settings(*KAFKA, *TOPICS, "clock_slack", *POLICY, *LOGGING)
def redrive(loaded: Loaded, selection: Selection, *, execute: bool, as_json: bool, **options: Any) -> int:
    """Send back, then say what was done."""
    from pipeline.ops import dead

    start_logging(loaded.settings)
    choice = dead.Choice(selection, dead.reasons_of(options["reasons"]))
    places = frozenset(map(dead.place_of, options["places"]))
    if places:
        choice = replace(choice, places=places)
    order = dead.Order(choice, _value(options["source"], places), options["repair_key"], options["as_of_now"])
    now = int(time.time() * 1_000)
    with bar() as progress:
        report = asyncio.run(dead.redrive(order, loaded.settings, now, progress, execute=execute))
    told = report.as_json()
    _print([json.dumps(told)] if as_json else dead.view.report(told))
    return FOUND_PROBLEM if report.problem else OK


def _which(text: str) -> Choice:
    """A place, or a request."""
    from pipeline.ops.dead import Choice, place_of
    from pipeline.topics.selection import Selection

    try:
        return Choice(places=frozenset({place_of(text)}))
    except UsageError:
        return Choice(Selection(request_ids=frozenset({text})))


def _value(source: BinaryIO | None, places: frozenset[Any]) -> bytes | None:
    """The mended value, of one letter."""
    if source is None:
        return None
    if len(places) != 1:
        raise UsageError("--value is the value of one letter", hint="give its place: dead redrive 3:17 --value FILE")
    value = source.read(MOST_BYTES + 1)
    if len(value) > MOST_BYTES:
        raise UsageError("the file is larger than any topic takes")
    return value


def _print(lines: Iterable[str]) -> None:
    """Each line as it is: tables are as wide as they are, a pipe has no width."""
    for line in lines:
        click.echo(line)
