"""`streamledger prices`: what calls would be charged by, what one would cost, what an overlay changes.

Owns options, output and exit codes; prices are `pipeline.pricing`'s.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import rich_click as click

from pipeline.cli.options import examples, json_option, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.errors import FOUND_PROBLEM, OK, FoundProblem, UsageError
from pipeline.ops.layout import columns
from pipeline.settings import Loaded

if TYPE_CHECKING:
    from pipeline.pricing.pricer import PriceList, Quote
    from pipeline.pricing.sample import Sample
    from pipeline.pricing.survey import Row

EXIT: Final = "Exit codes: 0 ok · 1 no price, or not as expected · 2 bad usage."


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> datetime:
    """A day or a time with its zone; now, where nobody says."""
    from schemas.leaves import parse_timestamp

    if text is None:
        return datetime.fromtimestamp(time.time(), UTC)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        pass
    else:
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise UsageError(f"--at {text!r}: {error}", hint="write 2026-04-01 or 2026-04-01T12:00:00Z") from None


at_option = click.option(
    "--at",
    callback=_moment,
    metavar="TIME",
    help="When the request was sent: a day, or an RFC 3339 time. [default: now]",
)


@click.group(
    "prices",
    help=f"{COMMANDS['prices']} Own prices come from the overlay file of `price_overlay`, all others from the price "
    "list in the installed genai-prices; nothing is fetched. Everything is USD per million units.",
    epilog=examples(
        "streamledger prices show --provider openai --model gpt-4o",
        "streamledger prices test --provider openai --model gpt-4o --input 1000 --output 200",
        "streamledger prices diff --price-overlay prices.toml",
    ),
)
def command() -> None:
    """Show, try and compare prices."""


@command.command(
    short_help="Show the prices that would be used, and where each is from.",
    help="Show the prices that would be used, and where each is from. With a provider and a model that has prices, all "
    f"its tiers; else the standard prices of every model whose name holds MODEL. {EXIT}",
    epilog=examples(
        "streamledger prices show --provider anthropic",
        "streamledger prices show --provider azure.ai.openai --model gpt-4o-2024-08-06",
        "streamledger prices show --model whisper --json",
        "streamledger prices show --provider openai --model o3 --at 2025-06-01",
    ),
)
@click.option("--provider", metavar="NAME", help="By any of its names: bedrock, aws.bedrock, aws.")
@click.option("--model", metavar="NAME", help="As chunks name it, or a part of the name.")
@at_option
@json_option
@with_settings("price_overlay")
def show(loaded: Loaded, *, provider: str | None, model: str | None, at: datetime, as_json: bool) -> int:
    """Print prices; 1 if there are none."""
    from pipeline.pricing import price_list, survey

    prices = price_list(loaded.settings)
    found: Sequence[Row] = []
    why = None
    if provider and model:
        found, why = survey.used(prices, provider, model, at)
    if not found:
        found = list(survey.listed(prices, provider, model or "", at))
    if not found:
        name = "/".join(part for part in (provider, model) if part)
        raise FoundProblem(
            f"no price for {name}" + (f": {why}" if why else ""),
            hint="`streamledger prices show --provider …` lists what there is; price_overlay takes prices of your own",
        )
    if as_json:
        click.echo(json.dumps(_places(prices) | {"prices": [row.as_json() for row in found]}, indent=2))
        return OK
    _print_columns([("price id", "tier", "from", "USD per million"), *(line for row in found for line in _lines(row))])
    click.echo(_sources(prices))
    return OK


@command.command(
    "test",
    short_help="Price a usage, or each line of a file, line by line.",
    help="Price what is counted on the command line, or each line of FILE: records of the ledger, or objects with "
    "provider, model, usage (or counts by the keys of --use), and if need be stream_type, service_tier, "
    f"start_timestamp and expect. {EXIT}",
    epilog=examples(
        "streamledger prices test --provider openai --model gpt-4o --input 1000 --output 200 --use cache_read=300",
        "streamledger prices test --provider openai --model gpt-5 --tier flex --input 1000 --expect 0.000625",
        "streamledger prices test --provider openai --model whisper-1 --type audio.transcription --use seconds=30",
        "streamledger fold chunks.jsonl | streamledger prices test -",
        'echo \'{"provider": "openai", "model": "gpt-4o", "counts": {"input": 1000}, "expect": "0.0025"}\' '
        "| streamledger prices test -",
    ),
)
@click.argument("file", type=click.File("rb"), required=False, metavar="[FILE|-]")
@click.option("--provider", metavar="NAME", help="By any of its names.")
@click.option("--model", metavar="NAME", help="As chunks name it.")
@click.option("--tier", metavar="NAME", help="Served tier.")
@click.option("--type", "kind", metavar="TYPE", help="Stream type. [default: chat.completion]")
@click.option("--input", "given", metavar="N", help="Tokens in, cached ones included.")
@click.option("--output", "received", metavar="N", help="Tokens out, reasoning included.")
@click.option("--use", "uses", multiple=True, metavar="KEY=N", help="What else was used, by the keys of overlay files.")
@click.option("--expect", metavar="USD", help="What it has to cost.")
@at_option
@json_option
@with_settings("price_overlay")
def test(loaded: Loaded, *, file: BinaryIO | None, at: datetime, as_json: bool, **told: Any) -> int:
    """Print what each call costs, line by line; 1 if one has no price, or another than expected."""
    from pipeline.pricing import price_list

    prices = price_list(loaded.settings)
    samples = _from_line(told, at) if file is None else _from_file(file, told, at)
    passed = True
    for sample in samples:
        report = _report(prices, sample)
        passed &= report["cost"] is not None and report["as_expected"] is not False
        if as_json:
            click.echo(json.dumps(report))
        else:
            _print_report(report)
    return OK if passed else FOUND_PROBLEM


@command.command(
    short_help="Compare an overlay with the price list, or with another.",
    help="Compare prices, model by model, in percent. Without OTHER: what your overlay changes in the price list. With "
    "OTHER, an overlay file: what it would change in what you use now.",
    epilog=examples(
        "streamledger prices diff --price-overlay prices.toml",
        "streamledger prices diff --price-overlay prices.toml next-year.toml --at 2027-01-01",
        "streamledger prices diff next-year.toml --json",
    ),
)
@click.argument("other", type=click.Path(path_type=Path), required=False, metavar="[OTHER]")
@at_option
@json_option
@with_settings("price_overlay")
def diff(loaded: Loaded, *, other: Path | None, at: datetime, as_json: bool) -> int:
    """Print every price that differs."""
    from pipeline.pricing import price_list, survey
    from pipeline.pricing.overlay_file import read
    from pipeline.pricing.pricer import PriceList

    if other is None and loaded.settings.price_overlay is None:
        raise UsageError(
            "nothing to compare with the price list", hint="name an overlay: --price-overlay FILE, or OTHER"
        )
    now = price_list(loaded.settings)
    before, after = (PriceList(), now) if other is None else (now, PriceList(read(other)))
    changes = list(survey.changes(before, after, at))
    if as_json:
        places = {"before": _places(before), "after": _places(after)}
        click.echo(json.dumps(places | {"changes": [change._asdict() for change in changes]}, indent=2))
        return OK
    head = ("price id", "tier", "USD per million", "before", "after", "%")
    _print_columns([head, *(tuple(cell or "–" for cell in change) for change in changes)])
    click.echo(f"before: {_sources(before)}\nafter:  {_sources(after)}")
    return OK


def _from_line(told: dict[str, Any], at: datetime) -> Iterable[Sample]:
    """The call that the options describe."""
    from pipeline.pricing.sample import sample_of

    if not told["provider"] or not told["model"]:
        raise UsageError("whose price?", hint="name --provider and --model, or a FILE of calls, - for standard input")
    counts = {"input": told["given"], "output": told["received"]}
    for use in told["uses"]:
        key, _, count = use.partition("=")
        counts[key.strip()] = count.strip()
    document = {
        "provider": told["provider"],
        "model": told["model"],
        "stream_type": told["kind"],
        "service_tier": told["tier"],
        "counts": {key: count for key, count in counts.items() if count is not None},
        "expect": told["expect"],
    }
    yield sample_of(json.dumps(document), at)


def _from_file(file: BinaryIO, told: dict[str, Any], at: datetime) -> Iterable[Sample]:
    """A call for each line."""
    from pipeline.pricing.sample import sample_of

    extra = [name for name, value in told.items() if value]
    if extra:
        raise UsageError("a FILE says all about its calls", hint="leave out FILE, or every option but --at and --json")
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            yield sample_of(line.decode(errors="replace"), at)
        except UsageError as error:
            raise UsageError(f"line {number}: {error.message}", hint=error.hint) from None


def _report(prices: PriceList, sample: Sample) -> dict[str, Any]:
    """What a sample costs, and whether that is as expected."""
    from decimal import Decimal

    from pipeline.core.cost import plain, total_cost

    quotes = [prices.quote(call) for call in sample.calls]
    details = total_cost([quote.answer for quote in quotes])
    total, expected = details.pop("total"), sample.expected
    del details["currency"]
    return {
        "name": sample.name,
        "cost": total,
        **details,
        "lines": [line for quote in quotes for line in _bill(quote)],
        "expected": None if expected is None else plain(expected),
        "as_expected": None if expected is None else total is not None and Decimal(total) == expected,
    }


def _bill(quote: Quote) -> list[dict[str, str]]:
    from pipeline.core.cost import plain
    from pipeline.pricing.survey import per_million
    from pipeline.pricing.unit import UNITS

    return [
        {
            "unit": UNITS[line.unit].key or "seconds",
            "quantity": str(line.quantity),
            "per_million": per_million(line.price, line.per),
            "amount": plain(line.amount),
            "side": line.side,
        }
        for line in quote.lines
    ]


def _print_report(report: dict[str, Any]) -> None:
    wrong = f"   expected {report['expected']}" if report["as_expected"] is False else ""
    if report["cost"] is None:
        click.echo(f"{report['name']}   no price: {report['reason']}{wrong}")
        return
    parts = f"input {report['input']}   output {report['output']}"
    click.echo(f"{report['name']}   {report['cost']} USD   {parts}   {report['price_id']}, {report['source']}{wrong}")
    for line in report["lines"]:
        click.echo(f"    {line['unit']:<16} {line['quantity']:>12} × {line['per_million']:<10} = {line['amount']}")


def _lines(row: Row) -> Iterable[tuple[str, ...]]:
    """A row of prices, and one for each longer prompt."""
    yield row.price_id, row.tier, row.source, "  ".join(f"{key} {price}" for key, price in row.prices.items())
    for tokens, more in row.above.items():
        yield "", "", "", f"above {tokens:,}:  " + "  ".join(f"{key} {price}" for key, price in more.items())


def _print_columns(rows: Sequence[tuple[str, ...]]) -> None:
    """Cells under each other, as wide as they are: a pipe has no width."""
    for line in columns(rows):
        click.echo(line)


def _places(prices: PriceList) -> dict[str, Any]:
    """Where prices are from."""
    overlay = prices.overlay
    return {
        "overlay": overlay and {"path": overlay.path, "version": overlay.version, "hash": overlay.hash},
        "catalog": {"package": "genai-prices", "version": prices.catalog.version, "hash": prices.catalog.hash},
    }


def _sources(prices: PriceList) -> str:
    """The same in a line."""
    text = f"genai-prices {prices.catalog.version} ({prices.catalog.hash})"
    if prices.overlay is None:
        return text
    version = f" {prices.overlay.version}" if prices.overlay.version else ""
    return f"{prices.overlay.path}{version} ({prices.overlay.hash}) over {text}"
