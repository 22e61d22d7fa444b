"""A reconciliation as tables for people.  Imports rich."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from pipeline.ops.reconcile.finding import STATES, Cause, Kind, Result, Sum, plain
from pipeline.ops.reconcile.report import finding_line


def render(result: Result, console: Console) -> None:
    """Print a result."""
    counts = "  ".join(f"{name} {count:,}" for name, count in sorted(result.counts.items()))
    console.print(f"{result.title}: {counts}", soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for kind in Kind:
        table.add_row(kind.value, f"{result.kinds[kind]:,}", "")
    for state, meaning in STATES.items():
        table.add_row(state.value, f"{result.states[state]:,}", meaning, style="dim")
    console.print(table)
    for finding in result.listed:
        console.print(finding_line(finding), soft_wrap=True, markup=False)
    left = sum(result.kinds.values()) - len(result.listed)
    if left:
        console.print(f"… and {left:,} more; --limit lists them")
    _render_bar(result, console)
    if result.unchecked:
        console.print("not checked, because these can't be told from the chunks alone:")
        for reason, count in result.unchecked.most_common():
            console.print(f"  {count:,}  {reason}", soft_wrap=True, markup=False)
    for note in result.notes:
        console.print(f"note: {note}", soft_wrap=True, markup=False)


def _render_bar(result: Result, console: Console) -> None:
    """The money bar: what is billed, and by cause what it is off."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("money", "USD", "tokens", "findings", ""):
        table.add_column(name, justify="left" if name in ("money", "") else "right")
    table.add_row("billed", plain(result.usd), f"{result.tokens:,}", "", "")
    for cause in Cause:
        money = result.bar.get(cause)
        if money is not None:
            unknown = f"{money.unknown:,} of them of unknown worth" if money.unknown else ""
            table.add_row(f"  {cause.value}", _signed(money), f"{money.tokens:+,}", f"{money.findings:,}", unknown)
    console.print(table)


def _signed(money: Sum) -> str:
    text = plain(money.usd)
    return text if money.usd <= 0 else f"+{text}"
