"""`streamledger export`: records as CloudEvents, FOCUS rows or OTLP log events, to a file or an address.

Owns the options of each format and the summary; the work is `pipeline.sinks.export`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from pipeline.cli.delivery import (
    origin_of,
    receiver_of,
    run_until_stopped,
    way_of,
    with_address,
    with_courier,
    with_source,
)
from pipeline.cli.options import examples
from pipeline.cli.progress import bar
from pipeline.cli.shell import COMMANDS
from pipeline.errors import FOUND_PROBLEM, OK, UsageError
from pipeline.settings import Loaded

if TYPE_CHECKING:
    from pipeline.sinks.export.focus.dataset import Dataset
    from pipeline.sinks.export.format import Format

ONCE: Final = (
    "A request has one id, a revision another (`ID#rN`) and carries only the change: who drops repeats by id and adds "
    "up has what the latest records say. An address gets everything at least once: 5xx, 429 and silence are tried "
    "again, what it refuses becomes a dead letter, and the position goes on after that. "
    "Exit codes: 0 ok · 1 something was refused, or the address can't be used · 2 bad usage · 3 can't reach Kafka."
)
_SUFFIX: Final = ".parquet"


@click.group(
    "export",
    help=f"{COMMANDS['export']} Records come from the record topic, or with FILE (`-` for standard input) from JSON "
    "lines.",
    epilog=examples(
        "streamledger export cloudevents records.jsonl --subject label.tenant",
        "streamledger export focus --from -24h --by day --out costs.parquet",
        "streamledger export otlp --url http://localhost:4318 --follow --positions otlp.json --dead-letters otlp.dead",
    ),
)
def command() -> None:
    """Export records."""


@command.command(
    short_help="For metering: CloudEvents 1.0 in the shape of OpenMeter.",
    help=f"Usage events for metering, as CloudEvents 1.0 in the shape of OpenMeter. {ONCE}",
    epilog=examples(
        "streamledger fold chunks.jsonl | streamledger export cloudevents - --subject label.tenant",
        "streamledger export cloudevents --from -1h --out events.jsonl",
        "streamledger export cloudevents --url http://localhost:8888/api/v1/events --positions meter.json "
        "--dead-letters meter.dead --follow",
    ),
)
@click.option(
    "--subject",
    default="label.tenant",
    show_default=True,
    metavar="label.NAME|TEXT",
    help="Who is billed. An event without one is written, but meters refuse it.",
)
@click.option("--cluster", metavar="NAME", help="In the source of events. [default: the ledger's name]")
@click.option(
    "--mode",
    type=click.Choice(["batched", "structured"]),
    default="batched",
    show_default=True,
    help="Many events a request to --url, or one.",
)
@with_courier
@with_source()
def cloudevents(subject: str, cluster: str | None, mode: str, **options: Any) -> int:
    """Write or send usage events."""
    from pipeline.sinks.export.cloudevent import Metering, source_of
    from pipeline.sinks.export.payer import Payer

    settings = options["loaded"].settings
    source = source_of(cluster or settings.ledger, settings.record_topic)
    form = Metering(source, Payer.of(subject), batched=mode == "batched")
    return _events("cloudevents", form, options["url"], options)


@command.command(
    short_help="For observability: OpenTelemetry log events or spans by the GenAI names.",
    help="One log event for each record, or with --spans one span, by OpenTelemetry's GenAI names, over OTLP/HTTP; an "
    "address that is a host alone gets /v1/logs or /v1/traces. A span is below that of the `traceparent` which the "
    f"request's first chunk had as a Kafka header. Without --content no text of a model or a person is in it. {ONCE}",
    epilog=examples(
        "streamledger export otlp records.jsonl --content",
        "streamledger export otlp --url http://localhost:4318 --from -24h --positions otlp.json",
        "streamledger export otlp --spans --url http://localhost:4318 --follow --positions spans.json "
        "--dead-letters spans.dead",
    ),
)
@click.option("--spans", is_flag=True, help="Spans instead of log events; for both run two exports.")
@click.option("--content", is_flag=True, help="With what was answered, as gen_ai.output.messages.")
@click.option(
    "--encoding",
    type=click.Choice(["protobuf", "json"]),
    default="protobuf",
    show_default=True,
    help="Of requests to --url; files are JSON lines.",
)
@with_courier
@with_source()
def otlp(*, spans: bool, content: bool, encoding: str, **options: Any) -> int:
    """Write or send log events or spans."""
    from pipeline.sinks.export.otlp import LogEvents, Spans, endpoint

    kind = Spans if spans else LogEvents
    form, url = kind(metadata.version("streamledger"), content=content, json=encoding == "json"), options["url"]
    name = "otlp spans" if spans else "otlp"  # positions belong to one of them
    return _events(name, form, None if url is None else endpoint(url, kind.signal), options)


@command.command(
    short_help="For cost reports: rows of FOCUS 1.2, as CSV or Parquet.",
    help="Cost and usage rows of FOCUS 1.2, one for each SKU meter, so that unit price × quantity is the cost. Records "
    "whose cost was stated as a total are one row without a unit price; revisions are corrections with the difference; "
    "costs that nobody knows are null and counted on standard error. "
    "Exit codes: 0 ok · 1 found a problem · 2 bad usage · 3 can't reach Kafka.",
    epilog=examples(
        "streamledger export focus records.jsonl > costs.csv",
        "streamledger export focus -o @2026-11-01T00:00:00Z:2026-12-01T00:00:00Z --by day --out november.parquet",
        "streamledger export focus --by hour --billing-account label.tenant --sub-account label.key --out costs.csv",
    ),
)
@click.option("--by", type=click.Choice(["hour", "day"]), help="Gather rows that are alike. [default: each request]")
@click.option(
    "--billing-account",
    default="label.tenant",
    show_default=True,
    metavar="label.NAME|TEXT",
    help="Account that pays; without that label, the ledger's name.",
)
@click.option(
    "--sub-account", default="label.key", show_default=True, metavar="label.NAME|TEXT", help="A part of the account."
)
@click.option(
    "--as", "kind", type=click.Choice(["csv", "parquet"]), help="[default: by the end of --out's name, else csv]"
)
@with_address
@with_source("price_overlay")
def focus(*, loaded: Loaded, by: str | None, kind: str | None, out: Path | None, **options: Any) -> int:
    """Write rows, and put the file to an address."""
    from pipeline.pricing import price_list
    from pipeline.pricing.pricer import PriceList
    from pipeline.sinks.export.focus.charge import Tariff
    from pipeline.sinks.export.focus.columns import Accounts
    from pipeline.sinks.export.focus.dataset import PERIODS, Dataset
    from pipeline.sinks.export.payer import Payer

    billing, sub = (Payer.of(options[name]) for name in ("billing_account", "sub_account"))
    tariff = Tariff(price_list(loaded.settings), PriceList())
    dataset = Dataset(tariff, Accounts(billing, sub, loaded.settings.ledger), None if by is None else PERIODS[by])
    columnar = kind == "parquet" or (kind is None and out is not None and out.suffix == _SUFFIX)
    url, told = options["url"], {**options, "loaded": loaded, "out": out}
    if columnar and out is None and url is None:
        raise UsageError("Parquet needs --out or --url", hint="name a file, or write CSV")
    target = _rows(dataset, told, columnar=columnar)
    seen = dataset.seen
    if seen.unpriced:
        text = f"note: {seen.unpriced} of {seen.records} records have no price: their costs are null, see x_CostReason"
        click.echo(text, err=True)
    if target is not None:
        summary = {"records": seen.records, "unpriced": seen.unpriced, "repeats": seen.repeats, "to": target}
        _summary(f"{seen.records} records written to {target}", summary, as_json=options["as_json"])
    return OK


def _rows(dataset: Dataset, options: dict[str, Any], *, columnar: bool) -> str | None:
    """Write a dataset to standard output, or to a file and from there to an address; the answer is where it is."""
    from pipeline.sinks.export.flow import put, to_table
    from pipeline.sinks.export.focus.file import CSV, PARQUET, Csv, parquet
    from pipeline.sinks.target import replaced

    origin, out, url = origin_of(options), options["out"], options["url"]
    receiver = None if url is None else receiver_of(url, options, "PUT")
    if out is None and receiver is None:
        with bar() as progress:
            asyncio.run(to_table(origin, dataset, Csv(sys.stdout, dataset.columns), progress))
        return None
    with tempfile.TemporaryDirectory(dir=None if out is None else out.parent) as directory:
        final = Path(directory, "rows") if out is None else out
        with replaced(final) as new:
            lines = Path(directory, "rows.csv") if columnar else new
            with bar() as progress, lines.open("w", encoding="utf-8", newline="") as file:
                asyncio.run(to_table(origin, dataset, Csv(file, dataset.columns), progress))
            if columnar:
                parquet(lines, new, dataset.columns)
        if receiver is None:
            return str(out)
        asyncio.run(put(final.read_bytes(), PARQUET if columnar else CSV, receiver))
        return receiver.shown


def _events(export: str, form: Format, url: str | None, options: dict[str, Any]) -> int:
    """Write or send events, and say what became of them."""
    from pipeline.sinks.export.courier import Delivered
    from pipeline.sinks.export.flow import to_receiver, to_stream
    from pipeline.sinks.target import replaced

    origin, out, as_json = origin_of(options), options["out"], options["as_json"]
    if url is not None:
        way, delivered = way_of(export, url, options), Delivered()
        with bar() as progress:
            run = run_until_stopped if origin.follow else asyncio.run
            run(to_receiver(origin, form, way, delivered, progress))
        told = {"sent": delivered.sent, "refused": delivered.refused, "to": way.receiver.shown}
        _summary(f"{delivered.sent} events sent to {told['to']}, {delivered.refused} refused", told, as_json=as_json)
        return FOUND_PROBLEM if delivered.refused else OK
    with bar() as progress:
        if out is None:
            asyncio.run(to_stream(origin, form, sys.stdout.buffer, progress))
            return OK
        with replaced(out) as new, new.open("wb") as file:
            written = asyncio.run(to_stream(origin, form, file, progress))
    _summary(f"{written} events written to {out}", {"written": written, "out": str(out)}, as_json=as_json)
    return OK


def _summary(text: str, told: dict[str, Any], *, as_json: bool) -> None:
    click.echo(json.dumps(told) if as_json else text)
