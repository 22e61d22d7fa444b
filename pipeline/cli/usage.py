"""`streamledger usage`: what was used and what it cost, out of a database of records.

Owns the options and the output; the figures are `pipeline.sinks.usage`.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from pipeline.cli.options import KAFKA, POLICY, database, examples, json_option, start_logging, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.errors import OK, UsageError
from pipeline.ops.kinds import KINDS
from pipeline.ops.layout import columns
from pipeline.settings import Loaded, Settings

if TYPE_CHECKING:
    from pipeline.sinks.usage import Answer, Line, Question
    from pipeline.topics.bound import Bound

COLUMNS: Final = {
    "requests": "requests",
    "prompt_tokens": "tokens in",
    "cached_read_tokens": "cached",
    "completion_tokens": "out",
    "reasoning_tokens": "reasoning",
    "cost": "cost USD",
    "unpriced": "unpriced",
    "incomplete": "incomplete",
    "errors": "errors",
    "estimated": "estimated",
    "ttft_p50": "TTFT p50",
}
"""Figures of the table and their heads; JSON and CSV have all."""

NOTHING: Final = "–"
STATES: Final = ("success", "error", "incomplete")
"""A status that is none would be an empty bill."""


@click.command(
    help=f"{COMMANDS['usage']} Each request counts once, as its latest revision says, at the end of its original. "
    "A cost is the sum of what has a price, to the last digit; how many requests have none stands beside it. "
    "The database is a DuckDB file or a PostgreSQL that `streamledger sink` or `streamledger demo` filled.",
    epilog=examples(
        "streamledger usage --by day --since -7d",
        "streamledger usage --by label.team --by model --since 2026-11-01T00:00:00Z --until -1h",
        "streamledger usage --month 2026-11 --by label.tenant --by model --subtotals",
        "streamledger usage --db postgresql://ledger@db/ledger --by month --json",
        "streamledger usage --by label.tenant --by model --csv > usage.csv",
        "streamledger usage --open --at 2026-12-01T00:00:00Z --label tenant=acme",
    ),
)
@click.option(
    "--db", metavar="PATH|URL", help="DuckDB file, or postgresql:// URL. [default: <data_dir>/<ledger>.duckdb]"
)
@click.option(
    "--by",
    "names",
    multiple=True,
    metavar="NAME",
    help="Group by this: day, month, hour, model, provider, stream_type, status, label.KEY and more; may be repeated.",
)
@click.option("--since", metavar="TIME", help="First end that counts: RFC 3339, or ago: -7d. [default: all]")
@click.option("--until", metavar="TIME", help="Where it ends, exclusive. [default: all]")
@click.option("--month", metavar="YYYY-MM", help="Both in one: a month in UTC.")
@click.option("--label", "labels", metavar="KEY=VALUE", multiple=True, help="Only requests with it; all must hold.")
@click.option("--model", multiple=True, metavar="NAME", help="Only this model; may be repeated.")
@click.option("--provider", multiple=True, metavar="NAME", help="Only this provider; may be repeated.")
@click.option(
    "--stream-type",
    multiple=True,
    type=click.Choice([str(each) for each in KINDS]),
    metavar="TYPE",
    help="Only this type; may be repeated.",
)
@click.option(
    "--status",
    multiple=True,
    type=click.Choice(STATES),
    metavar="STATUS",
    help="Only success, error or incomplete; may be repeated.",
)
@click.option("--subtotals", is_flag=True, help="With several --by: a sum of each group of all but the last.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the rows as CSV, without totals.")
@click.option(
    "--open",
    "still_open",
    is_flag=True,
    help="Instead, out of the chunk topic: the requests that were open at --at, with what they had used by then. "
    "Give it the settings of the ledger's worker.",
)
@click.option("--at", metavar="TIME", help="With --open: the moment, by append time. [default: now]")
@json_option
@with_settings(*KAFKA, "chunk_topic", "data_dir", *POLICY)
def command(
    db: str | None, loaded: Loaded, *, as_json: bool, as_csv: bool, still_open: bool, at: str | None, **asked: Any
) -> int:
    """Print the figures."""
    from pipeline.sinks.database import opened
    from pipeline.sinks.usage import ask

    if as_json and as_csv:
        raise UsageError("--json and --csv are two forms of one answer", hint="leave one of them out")
    if still_open:
        return _open(loaded.settings, at, {**asked, "db": db, "csv": as_csv}, as_json=as_json)
    if at is not None:
        raise UsageError("--at is of --open", hint="a span of finished requests is --since and --until")
    question = _question(asked)
    with opened(db or database(loaded.settings)) as records:
        answer = ask(records, question)
    if as_json:
        click.echo(json.dumps(_document(answer, question), ensure_ascii=False, indent=2))
    elif as_csv:
        _write_csv(answer, question)
    else:
        _print(answer, question)
    return OK


def _open(settings: Settings, at: str | None, asked: Mapping[str, Any], *, as_json: bool) -> int:
    """What is open is known to the chunk topic, so what is asked of a database makes no sense."""
    from pipeline.cli.opening import show
    from pipeline.topics.selection import Selection, labels_of

    wrong = [name for name, value in asked.items() if name != "labels" and value]
    if wrong:
        flag = "--by" if wrong[0] == "names" else f"--{wrong[0].replace('_', '-')}"
        raise UsageError(f"{flag} is of a database, and --open looks at the chunk topic", hint="leave it out")
    now = int(time.time() * 1_000)
    moment = _moment("at", at, now)
    start_logging(settings)
    show(
        settings,
        now if moment is None or moment.time is None else moment.time,
        Selection(labels=labels_of(asked["labels"])),
        as_json=as_json,
    )
    return OK


def _question(asked: Mapping[str, Any]) -> Question:
    from pipeline.sinks.usage import FILTERS, Question, checked
    from pipeline.topics.bound import sensible
    from pipeline.topics.selection import labels_of

    now = int(time.time() * 1_000)
    first, last = (_moment(flag, asked[flag], now) for flag in ("since", "until"))
    sensible(first, last, now)
    since, until = (None if each is None else each.time for each in (first, last))
    if asked["month"] is not None:
        if (since, until) != (None, None):
            raise UsageError("--month is --since and --until in one", hint="leave one of them out")
        since, until = _month(asked["month"])
    return Question(
        by=checked(asked["names"]),
        since=since,
        until=until,
        only={name: asked[name] for name in FILTERS},
        labels=labels_of(asked["labels"]),
        subtotals=asked["subtotals"],
    )


def _moment(flag: str, text: str | None, now: int) -> Bound | None:
    """A time; None if none was given."""
    from pipeline.topics.bound import Bound

    if text is None:
        return None
    try:
        moment = Bound.of(text, now)
    except UsageError:
        moment = None
    if moment is None or moment.time is None:
        hint = "write a time such as 2026-11-23T16:00:00Z, or a time ago such as -7d"
        raise UsageError(f"--{flag} {text} is no time", hint=hint)
    return moment


def _month(text: str) -> tuple[int, int]:
    """First moments of a month and of the next, ms since the epoch."""
    try:
        first = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"--month {text} is no month", hint="write a year and a month such as 2026-11") from None
    after = (first + timedelta(days=31)).replace(day=1)
    return int(first.timestamp() * 1_000), int(after.timestamp() * 1_000)


# ---- output ----------------------------------------------------------------------------------------------------------


def _document(answer: Answer, question: Question) -> dict[str, Any]:
    """For programs; money as text, so that no digit is lost."""
    from pipeline.sinks.usage import rfc3339

    return {
        "by": list(question.by),
        "since": None if question.since is None else rfc3339(question.since),
        "until": None if question.until is None else rfc3339(question.until),
        "rows": [{**line.group, **_plain(line)} for line in _whole(answer, question)],
        **({"subtotals": _subtotals(answer, question)} if question.subtotals else {}),
        "total": _plain(answer.total),
        "unpriced_reasons": dict(answer.reasons),
    }


def _whole(answer: Answer, question: Question) -> list[Line]:
    """The lines that are no subtotals."""
    return [line for line in answer.lines if len(line.group) == len(question.by)]


def _subtotals(answer: Answer, question: Question) -> list[dict[str, Any]]:
    return [{**line.group, **_plain(line)} for line in answer.lines if len(line.group) < len(question.by)]


def _plain(line: Line) -> dict[str, Any]:
    from pipeline.sinks.usage import amount

    return {name: amount(value) if isinstance(value, Decimal) else value for name, value in line.figures.items()}


def _write_csv(answer: Answer, question: Question) -> None:
    """Rows without their total, which would be counted once more; without groups the total is the row."""
    lines = _whole(answer, question) if question.by else [answer.total]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*question.by, *answer.total.figures])
    for line in lines:
        writer.writerow([*(line.group[name] for name in question.by), *_plain(line).values()])


def _print(answer: Answer, question: Question) -> None:
    heads = (*question.by, *COLUMNS.values()) if question.by else ("", *COLUMNS.values())
    left = len(question.by) or 1
    total = ("total", *("" for _ in question.by[1:]))
    places = _places(answer)
    rows = [(*_names(line, question), *_cells(line, places)) for line in answer.lines]
    lines = [heads, *rows, (*total, *_cells(answer.total, places))]
    for text in columns(lines, right=range(left, len(heads))):
        click.echo(text)
    for note in _notes(answer):
        click.echo(note)


def _names(line: Line, question: Question) -> Iterable[str]:
    """Values of a group as a terminal can show them; behind those of a subtotal stands `sum`."""
    from pipeline.ops.explain.words import safe

    for value in line.group.values():
        yield "(none)" if value is None else safe(value)
    missing = len(question.by) - len(line.group)
    yield from ("sum", *("" for _ in range(missing - 1))) if missing else ()


def _places(answer: Answer) -> int:
    """Digits behind the point that show every amount of a table whole."""
    from pipeline.sinks.usage import amount

    costs = [line.figures["cost"] for line in (*answer.lines, answer.total)]
    return max((len(amount(cost).partition(".")[2]) for cost in costs if cost is not None), default=2)


def _cells(line: Line, places: int) -> Iterable[str]:
    from pipeline.sinks.usage import amount

    for name in COLUMNS:
        value = line.figures[name]
        if value is None:
            yield NOTHING
        elif name == "cost":
            yield amount(value, places)
        else:
            yield f"{value:,}" + (" ms" if name == "ttft_p50" else "")


def _notes(answer: Answer) -> Iterable[str]:
    """What the sums leave out."""
    figures = answer.total.figures
    if figures["unpriced"]:
        why = ", ".join(f"{reason} {count}" for reason, count in answer.reasons.items())
        yield f"cost leaves out {figures['unpriced']:,} of {_requests(figures['requests'])} without a price: {why}"
    if figures["without_usage"]:
        yield f"tokens leave out {_requests(figures['without_usage'])} whose usage nobody stated"
    if figures["estimated"]:
        yield f"tokens are estimated of {_requests(figures['estimated'])} whose stream was cut"


def _requests(count: int) -> str:
    return f"{count:,} request{'' if count == 1 else 's'}"
