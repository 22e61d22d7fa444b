"""`streamledger replay`: a range of the chunk topic folded again.

Owns the options, the output and the exit code; the work is `pipeline.ops.replay`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import rich_click as click

from pipeline.cli.console import console
from pipeline.cli.options import (
    KAFKA,
    LOGGING,
    POLICY,
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
    from pipeline.ops.replay import Order, Replayed
    from pipeline.topics.selection import Selection

SHOWN: Final = 20


@click.command(
    help=f"{COMMANDS['replay']} By the worker's own core and the ledger's settings, so the same offsets give the same "
    "bytes. A request belongs to the range in which its first chunk lies; it is read with what came before and after "
    "the range, or listed as cut. Joins no group, commits nothing; what writes to Kafka is dry without --execute. "
    "Exit codes: 0 ok · 1 --diff found records that are different without a reason, missing, extra or double · 2 bad "
    "usage · 3 can't reach Kafka.",
    epilog=examples(
        "streamledger replay --from -24h > records.jsonl",
        "streamledger replay -o @2026-11-01T00:00:00Z:2026-12-01T00:00:00Z --parquet november.parquet --resume work",
        "streamledger replay --from -24h --diff",
        "streamledger replay --from -24h --price-overlay new.toml --diff --json",
        "streamledger replay --from -24h --diff --emit --execute",
        "streamledger replay --label tenant=acme --to-topic acme.records --execute",
    ),
)
@with_selection("the chunks")
@click.option("--out", type=OutputFile(), metavar="FILE", help="Records as JSON lines. [default: stdout]")
@click.option("--parquet", type=OutputFile(), metavar="FILE", help="Records as rows, without content.")
@click.option("--to-topic", metavar="TOPIC", help="Records to another topic, as the worker would send them.")
@click.option("--diff", is_flag=True, help="Compare with the record topic: same, config, price, DIFFERENT, missing …")
@click.option("--emit", is_flag=True, help="With --diff: make good what differs, by revisions on the record topic.")
@click.option("--execute", is_flag=True, help="Really write to Kafka.")
@click.option("--cut", type=OutputFile(), metavar="FILE", help="Requests without a record, and why.")
@click.option(
    "--show",
    type=click.IntRange(0),
    default=SHOWN,
    show_default=True,
    metavar="N",
    help="Differences to list, of each kind.",
)
@click.option(
    "--look-back", metavar="DURATION", help="How long before the range to begin reading. [default: the longest silence]"
)
@click.option(
    "--look-ahead",
    metavar="DURATION",
    help="How long after the range to read. [default: until no request of it can change any more]",
)
@click.option(
    "--first-index",
    type=click.IntRange(0, 1),
    default=0,
    show_default=True,
    help="What your gateways count chunks from: a request whose first one was not read is cut.",
)
@click.option("--processes", type=click.IntRange(1), metavar="N", help="[default: one for each processor]")
@click.option(
    "--resume",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Work here, and go on with what was begun here. It is removed at the end.",
)
@json_option
@with_settings(*KAFKA, "chunk_topic", "record_topic", "clock_slack", *POLICY, *LOGGING)
def command(selection: Selection, loaded: Loaded, *, as_json: bool, **options: Any) -> int:
    """Replay, write what was asked for, and say what was found."""
    from pipeline.ops import replay

    start_logging(loaded.settings)
    _check(loaded.settings, options)
    with _orderly(), replay.workplace(options["resume"]) as work:
        order = _order(loaded.settings, selection, work, options)
        with bar() as progress:
            replayed = replay.replay(order, options["processes"] or os.cpu_count() or 1, progress)
            to_stdout = _write(replayed, options)
            sent = _send(replayed, options, progress)
            emitted = _emit(replayed, options, progress)
        told = replay.document(replayed, show=options["show"], emitted=emitted, execute=options["execute"])
        if sent is not None:
            told["to_topic"] = {"topic": options["to_topic"], "sent": sent if options["execute"] else 0}
        _say(told, as_json=as_json, err=to_stdout)
        return FOUND_PROBLEM if replay.problems(replayed) else OK


def _orderly() -> contextlib.AbstractContextManager[None]:
    from pipeline.ops.ending import orderly_end

    return orderly_end()


def _check(settings: Settings, options: dict[str, Any]) -> None:
    """Refuse what can't be done before anything is read."""
    if options["emit"] and not options["diff"]:
        raise UsageError("--emit sends what a diff finds", hint="add --diff")
    if options["execute"] and not (options["emit"] or options["to_topic"]):
        raise UsageError("--execute is of --to-topic and --emit", hint="leave it out")
    if options["parquet"] is not None:
        from pipeline.ops.replay import parquet

        parquet.needed()
    if options["to_topic"] is not None:
        from pipeline.ops.replay import delivery

        delivery.refuse(settings, options["to_topic"])


def _order(settings: Settings, selection: Selection, work: Path, options: dict[str, Any]) -> Order:
    from pipeline.ops.replay import Order, shortest_look_back

    back, ahead = (_duration(options, name) for name in ("look_back", "look_ahead"))
    least = shortest_look_back(settings.policy())
    if back is not None and back < least:
        text = f"--look-back {options['look_back']} is shorter than a request may be silent"
        raise UsageError(text, hint=f"at least {least / 1_000:g}s: requests would look as if they began in the range")
    return Order(
        settings,
        selection,
        work,
        now=int(time.time() * 1_000),
        look_back=least if back is None else back,
        look_ahead=ahead,
        first_index=options["first_index"],
        diff=options["diff"],
        rows=options["parquet"] is not None,
        traces=options["to_topic"] is not None,
    )


def _duration(options: dict[str, Any], name: str) -> int | None:
    text = options[name]
    return None if text is None else duration(f"--{name.replace('_', '-')}", text)


def _write(replayed: Replayed, options: dict[str, Any]) -> bool:
    """Files and standard output; whether records went to the latter."""
    from pipeline.ops import replay

    if options["out"] is not None:
        with _whole(options["out"]) as sink:
            replayed.copy(replay.RECORDS, sink)
    if options["cut"] is not None:
        with _whole(options["cut"]) as sink:
            replayed.copy(replay.LEFT, sink)
    if options["parquet"] is not None:
        from pipeline.ops.replay import parquet

        parquet.write(replayed.files(replay.ROWS), options["parquet"])
    if options["diff"] or any(options[name] is not None for name in ("out", "parquet", "to_topic")):
        return False
    replayed.copy(replay.RECORDS, sys.stdout.buffer)
    sys.stdout.buffer.flush()
    return True


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file that is there when all of it is; a device or pipe is written to as it is."""
    from pipeline.sinks.target import replaced

    with replaced(path) as draft, draft.open("wb") as sink:
        yield sink


def _send(replayed: Replayed, options: dict[str, Any], progress: Any) -> int | None:
    if options["to_topic"] is None:
        return None
    if not options["execute"]:
        return 0
    from pipeline.ops.replay import delivery

    return asyncio.run(delivery.deliver(replayed, options["to_topic"], progress))


def _emit(replayed: Replayed, options: dict[str, Any], progress: Any) -> Any:
    if not options["emit"]:
        return None
    from pipeline.ops.replay import emission

    return asyncio.run(emission.emit(replayed, progress, execute=options["execute"]))


def _say(told: dict[str, Any], *, as_json: bool, err: bool) -> None:
    """The summary: on stdout, unless the records went there."""
    if as_json:
        click.echo(json.dumps(told), err=err)
        return
    from pipeline.ops import replay

    replay.render(told, console(stderr=err))
