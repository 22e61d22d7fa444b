"""`streamledger reprice`: past records under another price list.

Owns the options, the output and the exit code; the work is `pipeline.ops.reprice`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from pipeline.cli.console import console
from pipeline.cli.options import KAFKA, LOGGING, OutputFile, examples, json_option, start_logging, with_settings
from pipeline.cli.progress import bar
from pipeline.cli.ranges import with_selection
from pipeline.cli.shell import COMMANDS
from pipeline.errors import FOUND_PROBLEM, OK, UsageError
from pipeline.settings import Loaded, Settings

if TYPE_CHECKING:
    from pipeline.ops.reprice import Order
    from pipeline.topics.selection import Selection

KINDS: Final = ("unpriced", "catalog", "overlay")
EXIT: Final = (
    "Exit codes: 0 all priced · 1 some have no price, can't be priced from what is kept, or have to wait, each with "
    "its reason · 2 bad usage · 3 can't reach Kafka."
)


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    from schemas.leaves import parse_timestamp

    if text is None:
        return None
    try:
        return parse_timestamp(text if "T" in text else f"{text}T00:00:00Z")
    except ValueError as error:
        raise UsageError(f"--at {text!r}: {error}", hint="write 2026-04-01 or 2026-04-01T12:00:00Z") from None


@click.command(
    help=f"{COMMANDS['reprice']} A range of the record topic is valued with the price overlay and the installed price "
    "list, at the time of each request, from the full usage that records keep (and from their chunks where a record "
    "keeps too little). What the gateway or the provider stated is not touched, a record for which there is no price "
    "keeps what it has, and one that the worker may still revise waits. With --execute each change becomes one more "
    "revision with its delta, once, however often this runs or is killed; without it nothing is sent. "
    f"{EXIT}",
    epilog=examples(
        "streamledger reprice --from -30d --price-overlay prices.toml",
        "streamledger reprice --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z --only unpriced --execute",
        "streamledger reprice -o @-24h: --model 'gpt-4o*' --label tenant=acme --json",
        "streamledger reprice --request-id req-7 --override-stated --out corrections.jsonl",
    ),
)
@with_selection("the records")
@click.option(
    "--only",
    "kinds",
    multiple=True,
    type=click.Choice((*KINDS, "all")),
    default=("all",),
    show_default=True,
    help="Which records may change, by where their cost is from now; may be repeated.",
)
@click.option("--model", "models", multiple=True, metavar="NAME", help="Only this model; with * a pattern. Repeatable.")
@click.option("--override-stated", is_flag=True, help="Also change what the gateway or the provider stated.")
@click.option(
    "--at",
    callback=_moment,
    metavar="TIME",
    help="Prices of that day or time, instead of those of the time of each request.",
)
@click.option(
    "--without-worker",
    is_flag=True,
    help="No worker runs on this ledger or ever will: the revise window alone decides what has to wait.",
)
@click.option("--out", type=OutputFile(), metavar="FILE", help="The corrected records as JSON lines, also dry.")
@click.option("--execute", is_flag=True, help="Send the corrections to the record topic.")
@json_option
@with_settings(
    *KAFKA,
    *("ledger", "chunk_topic", "record_topic", "price_overlay", "finish_grace", "revise_window", "late_policy"),
    *("clock_slack", *LOGGING),
)
def command(loaded: Loaded, *, selection: Selection, out: Path | None, as_json: bool, **options: Any) -> int:
    """Value anew, print what it comes to; 1 if something could not be priced, or not yet."""
    from pipeline.ops.reprice import render, reprice

    start_logging(loaded.settings)
    order = _order(loaded.settings, selection, options)

    with _corrections(out) as note, bar() as progress:
        tally = asyncio.run(reprice(loaded.settings, order, progress, note))
    if as_json:
        click.echo(json.dumps(tally.as_json()))
    else:
        render(tally, console())
    return FOUND_PROBLEM if tally.problem else OK


@contextlib.contextmanager
def _corrections(path: Path | None) -> Iterator[Callable[[bytes], None]]:
    """Where corrected records go: a file that is whole, empty where nothing changes, or nowhere."""
    from pipeline.sinks.target import replaced

    if path is None:
        yield lambda _: None
        return
    with replaced(path) as new, new.open("wb") as file:
        yield lambda value: file.writelines((value, b"\n"))


def _order(settings: Settings, selection: Selection, options: dict[str, Any]) -> Order:
    """What the options ask for."""
    from pipeline.ops.correction import Guard
    from pipeline.ops.reprice import STATED_COST, Dated, Order
    from pipeline.pricing import price_list, valuation

    prices = price_list(settings)
    pricer = prices if options["at"] is None else Dated(prices, options["at"])
    everything = "all" in options["kinds"]
    chosen = set(KINDS if everything else options["kinds"])
    if everything or options["override_stated"]:
        chosen.add(STATED_COST)
    return Order(
        selection=selection,
        kinds=frozenset(chosen),
        models=options["models"],
        valuation=valuation(settings)._replace(pricer=pricer),
        override=options["override_stated"],
        guard=Guard(
            settings.policy(), settings.clock_slack, int(time.time() * 1_000), worker=not options["without_worker"]
        ),
        execute=options["execute"],
    )
