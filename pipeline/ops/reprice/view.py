"""A tally as text: a table by model, then why records stay as they are. Imports rich."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table

from pipeline.core.cost import EXACT, plain
from pipeline.ops.reprice.revaluation import Outcome
from pipeline.ops.reprice.tally import Row, Tally

HEAD: Final = ("model", "requests", "changed", "old USD", "new USD", "delta", "unpriced", "held", "other")


def render(tally: Tally, console: Console) -> None:
    """Print what a revaluation comes to."""
    if not tally.rows:
        console.print("No record of this range is meant.")
    else:
        console.print(_table(tally))
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


def _table(tally: Tally) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for name in HEAD:
        named = name == "model"  # broken into lines where there is no room, never cut: rows would look alike
        table.add_column(name, justify="left" if named else "right", no_wrap=not named, overflow="fold")
    for (provider, model), row in sorted(tally.rows.items()):
        table.add_row("/".join(part for part in (provider, model) if part) or "–", *_cells(row))
    if len(tally.rows) > 1:
        table.add_row("total", *_cells(tally.total))
    return table


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
