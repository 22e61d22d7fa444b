"""A tally as text: a table by model, then why records stay as they are. Imports rich."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from rich.console import Console

from pipeline.core.cost import EXACT, plain
from pipeline.ops.explain.words import safe
from pipeline.ops.reprice.revaluation import Outcome
from pipeline.ops.reprice.tally import Row, Tally

HEAD: Final = ("model", "requests", "changed", "old USD", "new USD", "delta", "unpriced", "held", "other")


def render(tally: Tally, console: Console) -> None:
    """Print what a revaluation comes to."""
    if not tally.rows:
        console.print("No record of this range is meant.")
    else:
        head, *lines = _lines(tally)
        console.print(head, style="dim", markup=False, soft_wrap=True)
        for line in lines:
            console.print(line, markup=False, soft_wrap=True)
    for (outcome, reason), count in sorted(tally.reasons.items()):
        console.print(f"{outcome.value}: {count:,} ({reason})")
    if tally.held_until is not None:
        moment = datetime.fromtimestamp(tally.held_until / 1_000, UTC)
        console.print(f"run again after {moment:%Y-%m-%dT%H:%M:%SZ} for those that time alone holds")
    if tally.unreadable:
        console.print(f"unreadable: {tally.unreadable:,} of the range are no records")
    changed = tally.total.counts[Outcome.CHANGED]
    if tally.sent is None:
        console.print(f"dry run: {changed:,} corrections would be sent; --execute sends them")
    else:
        console.print(f"sent: {tally.sent:,} corrections")


def _lines(tally: Tally) -> Iterator[str]:
    """A line for each model, as wide as it is: where there is no room a terminal breaks it, and no amount is cut."""
    named = [("/".join(part for part in key if part) or "–", row) for key, row in sorted(tally.rows.items())]
    if len(named) > 1:
        named.append(("total", tally.total))
    rows = [HEAD, *((safe(name), *_cells(row)) for name, row in named)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *figures in rows:
        yield "  ".join([name.ljust(widths[0]), *map(str.rjust, figures, widths[1:])])


def _cells(row: Row) -> list[str]:
    """Its figures in the order of HEAD; `other` are stated costs and those that are the same."""
    other = row.counts[Outcome.SAME] + row.counts[Outcome.STATED]
    before, after = row.unpriced
    return [
        f"{row.counts.total():,}",
        f"{row.counts[Outcome.CHANGED]:,}",
        plain(row.old),
        plain(row.new),
        plain(EXACT.subtract(row.new, row.old)),
        f"{before:,}" if before == after else f"{before:,} → {after:,}",
        f"{row.counts[Outcome.HELD]:,}",
        f"{other:,}",
    ]
