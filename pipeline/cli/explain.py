"""`streamledger explain`: how each number of a record arose.

Owns the options and the output; the work is `pipeline.ops.explain`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import rich_click as click

from pipeline.cli.console import console
from pipeline.cli.options import KAFKA, LOGGING, POLICY, duration, examples, json_option, start_logging, with_settings
from pipeline.cli.progress import bar
from pipeline.cli.shell import COMMANDS
from pipeline.errors import FOUND_PROBLEM, OK, UsageError
from pipeline.settings import Loaded, Settings

if TYPE_CHECKING:
    from pipeline.ops.explain import Found, Gathered

RECENT: Final = "-1h"
LATE: Final = "60s"
OF_KAFKA: Final = {"since": "--from", "until": "--to", "partition": "--partition"}
"""Options that make no sense with a FILE, and their flags."""


@click.command(
    help=f"{COMMANDS['explain']} Which chunk gave usage, cost, finish and the times, by which rule, how it closed, "
    "what was missing, double or refused; and whether the record is what its chunks give: if not, exit 1. "
    "Texts are told by their length unless --content is given. With FILE (`-` for standard input) out of chunk JSON "
    "lines. Without it from Kafka: the record names its chunks; a request without one is looked for among the chunks.",
    epilog=examples(
        "streamledger explain req-7",
        "streamledger explain req-7 chunks.jsonl",
        "streamledger explain req-7 --from -24h --partition all --json",
        "streamledger explain req-7 --record records.jsonl --all",
    ),
)
@click.argument("request_id", metavar="REQUEST")
@click.argument("file", type=click.File("rb"), required=False, metavar="[FILE|-]")
@click.option("--record", type=click.File("rb"), metavar="FILE", help="The record, instead of looking for it.")
@click.option(
    "--from",
    "since",
    metavar="POSITION",
    help="Where the search begins: a time (RFC 3339, or ago: -24h), for records and chunks; or an offset, for chunks. "
    f"[default: all records; of chunks without a record {RECENT}]",
)
@click.option("--to", "until", metavar="POSITION", help="Where it ends, exclusive. [default: the end]")
@click.option(
    "--partition", metavar="N|all", help="Where to look. [default: the partition that murmur2 gives the request id]"
)
@click.option(
    "--late",
    default=LATE,
    show_default=True,
    metavar="DURATION",
    help="How long after the close to read for late chunks.",
)
@click.option("--keep-open", is_flag=True, help="With FILE: do not close the request at the end of input.")
@click.option("--all", "everything", is_flag=True, help="Show every chunk, also in the middle of long streams.")
@click.option("--content", is_flag=True, help="Show texts.")
@json_option
@with_settings(*KAFKA, "chunk_topic", "record_topic", *POLICY, "price_overlay", *LOGGING)
def command(request_id: str, file: BinaryIO | None, loaded: Loaded, *, as_json: bool, **options: Any) -> int:
    """Explain, then say by the exit status whether the record holds."""
    from pipeline.ops import explain

    start_logging(loaded.settings)
    options["late"] = duration("--late", options["late"])
    record = options["record"]
    records = [] if record is None else explain.records_in(record, request_id, record.name)
    if file is not None:
        gathered = _of_file(request_id, file, loaded.settings, options)
        gathered = replace(gathered, records=records) if records else gathered
    else:
        gathered = _of_topics(request_id, loaded.settings, options, records)
    told = explain.explanation(gathered, content=options["content"])
    if as_json:
        click.echo(json.dumps(told))
    else:
        explain.render(told, console(), everything=options["everything"])
    return FOUND_PROBLEM if explain.problem(told) else OK


def _of_file(request_id: str, file: BinaryIO, settings: Settings, options: Mapping[str, Any]) -> Gathered:
    """Out of chunk JSON lines; options that speak of Kafka are refused."""
    from pipeline.ops import explain

    wrong = [flag for name, flag in OF_KAFKA.items() if options[name] is not None]
    if wrong:
        raise UsageError(f"{wrong[0]} is of Kafka, and a FILE is read", hint="leave one of them out")
    return explain.of_lines(file, request_id, settings, keep_open=options["keep_open"])


def _of_topics(request_id: str, settings: Settings, options: Mapping[str, Any], records: Sequence[Found]) -> Gathered:
    """From Kafka, with a progress bar."""
    from pipeline.ops import explain
    from pipeline.topics.bound import Bound, sensible

    if options["keep_open"]:
        raise UsageError("--keep-open is of a FILE", hint="on Kafka a request stays open until its time has passed")
    now = int(time.time() * 1_000)
    since, until = (None if options[name] is None else Bound.of(options[name], now) for name in ("since", "until"))
    sensible(since, until, now)
    partition = options["partition"]
    search = explain.Search(
        recent=Bound.of(RECENT, now),
        since=since,
        until=until,
        partition=None if partition in (None, "all") else _number(partition),
        everywhere=partition == "all",
        late_ms=options["late"],
        records=records,
    )
    with bar() as progress:
        return asyncio.run(explain.of_topics(request_id, settings, search, progress))


def _number(partition: str) -> int:
    if not (partition.isascii() and partition.isdigit()):
        raise UsageError(f"--partition {partition} is no partition", hint="give a number, counted from 0, or all")
    return int(partition)
