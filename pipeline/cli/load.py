"""`streamledger load`: realistic streams to the chunk topic, and a ledger of what must be billed for them.

Owns the options and the output; the load is `pipeline.ops.load`.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from pipeline.cli.options import KAFKA, LOGGING, OutputFile, examples, json_option, start_logging, with_settings
from pipeline.cli.progress import bar
from pipeline.cli.shell import COMMANDS
from pipeline.errors import UsageError
from pipeline.ops.layout import columns
from pipeline.settings import Loaded, Settings

if TYPE_CHECKING:
    from pipeline.ops.load.choice import Choice
    from pipeline.ops.load.flow import Outcome, Show
    from pipeline.ops.load.ledger import Ledger

PROFILES: Final = ("chat", "agents", "audio", "images", "mixed")
REQUESTS: Final = 1_000
LATE_BY: Final = 1_000
"""Milliseconds past its grace that a late chunk comes."""
LABELS: Final = 30
"""A chunk takes 32 (CONTRACT §1); tenant and team are there already."""
_STREAMS, _PACE = "Streams", "Pace"


def _number(_: click.Context, __: click.Parameter, value: float) -> float:
    """Every comparison with NaN is false, so it passes a range's own check."""
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is no number")
    return value


@click.command(
    help=f"{COMMANDS['load']} Lengths and times are log-normal, models are those of price lists; with --chaos some "
    "requests come with repeats, in another order, with a gap, without an end, at the second attempt, or with a chunk "
    "that is late. Ctrl-C begins nothing more and ends what is open with an error of type request_cancelled.",
    epilog=examples(
        "streamledger load --requests 10000 --open 500",
        "streamledger load --profile mixed --timing real --open 200 --seconds 300",
        "streamledger load --profile agents --rate 5000 --chaos 0.1 --labels team=search --ledger sent.jsonl",
        "streamledger reconcile --usage-file sent.jsonl",
        "streamledger load --requests 3 --dry | streamledger fold",
    ),
)
@click.option("--profile", type=click.Choice(PROFILES), default="chat", show_default=True, panel=_STREAMS)
@click.option(
    "--requests", type=click.IntRange(1), metavar="N", help=f"How many. [default: {REQUESTS}]", panel=_STREAMS
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="None begins later; those that are open go on to their ends.",
    panel=_STREAMS,
)
@click.option(
    "--chaos",
    type=click.FloatRange(0, 1),
    callback=_number,
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Share of requests that trouble befalls.",
    panel=_STREAMS,
)
@click.option("--labels", multiple=True, metavar="KEY=VALUE", help="Of every request; may be repeated.", panel=_STREAMS)
@click.option(
    "--seed", type=int, default=1, show_default=True, metavar="N", help="Equal seeds, equal streams.", panel=_STREAMS
)
@click.option(
    "--open",
    "opened",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="N",
    help="At once.",
    panel=_PACE,
)
@click.option(
    "--rate",
    type=click.FloatRange(0),
    callback=_number,
    default=0.0,
    metavar="N",
    help="Chunks a second; 0: as fast as it goes. [default: 0]",
    panel=_PACE,
)
@click.option(
    "--timing",
    type=click.Choice(("real", "none")),
    default="none",
    show_default=True,
    help="Wait between chunks as streams do, or let requests take turns.",
    panel=_PACE,
)
@click.option(
    "--ledger",
    "ledger_file",
    type=OutputFile(),
    metavar="FILE",
    help="JSON lines: what must be billed for each request, for `reconcile --usage-file`.",
)
@click.option("--dry", is_flag=True, help="Print chunk JSON lines instead; the summary goes to stderr.")
@json_option
@with_settings(*KAFKA, "chunk_topic", "finish_grace", "compression", *LOGGING)
def command(loaded: Loaded, *, ledger_file: Path | None, dry: bool, as_json: bool, **options: Any) -> None:
    """Send, then say what was sent."""
    from pipeline.ops.load.ledger import ledger

    choice = _choice(loaded.settings, options)
    start_logging(loaded.settings)
    with ledger(ledger_file) as book, bar("requests" if choice.requests is not None else "seconds") as progress:

        def show(what: str, done: int, total: int) -> None:
            from pipeline.topics.reader import Seen

            progress(Seen(what, done, total))

        try:
            outcome = asyncio.run(_run(loaded.settings, choice, book, show, dry=dry))
        except asyncio.CancelledError:  # a second Ctrl-C
            raise KeyboardInterrupt from None
    told = _document(choice, loaded.settings, outcome, book)
    click.echo(json.dumps(told) if as_json else "\n".join(_text(told)), err=dry)


def _choice(settings: Settings, options: dict[str, Any]) -> Choice:
    from pipeline.ops.load.choice import Choice

    requests, seconds = options["requests"], options["seconds"]
    if requests is not None and seconds is not None:
        raise UsageError("--requests and --seconds exclude each other", hint="say how many, or how long")
    if options["timing"] == "real" and options["rate"]:
        raise UsageError("--rate is of --timing none", hint="with real timing --open decides how fast it goes")
    return Choice(
        profile=options["profile"],
        requests=requests if seconds is not None else requests or REQUESTS,
        seconds=seconds,
        open=options["opened"],
        rate=options["rate"],
        timing=options["timing"],
        chaos=options["chaos"],
        labels=_labels(options["labels"]),
        seed=options["seed"],
        late_ms=settings.finish_grace + LATE_BY,
    )


def _labels(texts: Sequence[str]) -> dict[str, str]:
    labels = dict(_label(text) for text in texts)
    if len(labels) > LABELS:
        raise UsageError(f"{len(labels)} labels are too many", hint=f"at most {LABELS}: two are the streams' own")
    return labels


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not 0 < len(name.encode()) <= 64 or len(value.encode()) > 256:
        hint = "write --labels team=search; a key has at most 64 bytes, a value 256"
        raise UsageError(f"--labels {name} is no label", hint=hint)
    return name, value


async def _run(settings: Settings, choice: Choice, book: Ledger, show: Show, *, dry: bool) -> Outcome:
    from pipeline.ops.load import flow

    if dry:
        return await flow.dry(sys.stdout.buffer, choice, book, show)
    return await flow.load(settings, choice, book, show)


def _document(choice: Choice, settings: Settings, outcome: Outcome, book: Ledger) -> dict[str, Any]:
    return {
        "topic": settings.chunk_topic,
        "profile": choice.profile,
        "seed": choice.seed,
        "requests": book.requests,
        "chunks": outcome.chunks,
        "bytes": outcome.bytes,
        "seconds": round(outcome.seconds, 3),
        "chunks_per_second": round(outcome.chunks / max(outcome.seconds, 1e-6)),
        "different_streams": outcome.streams,
        "interrupted": outcome.interrupted,
        **book.as_json(),
    }


def _text(told: dict[str, Any]) -> list[str]:
    """The summary for people."""
    stopped = "  stopped before its end" if told["interrupted"] else ""
    sent = f"{told['requests']:,} requests, {told['chunks']:,} chunks, {told['bytes'] / 1e6:,.1f} MB"
    lines = [f"{sent} in {told['seconds']:,.1f} s: {told['chunks_per_second']:,} chunks/s{stopped}"]
    rows = [("stream type", "requests", "chunks", "MB", "bytes/chunk")]
    for kind, each in told["by_stream_type"].items():
        size = round(each["bytes"] / each["chunks"]) if each["chunks"] else 0
        figures = f"{each['requests']:,}", f"{each['chunks']:,}", f"{each['bytes'] / 1e6:,.1f}", f"{size:,}"
        rows.append((kind, *figures))
    lines += columns(rows, right=range(1, len(rows[0])))
    for name in ("states", "troubles"):
        if told[name]:
            lines.append(f"{name}: " + ", ".join(f"{what} {count:,}" for what, count in told[name].items()))
    return lines
