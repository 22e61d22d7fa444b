"""A reconciliation as text for people and as JSON.  Owns the layout; rich is imported to print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.ops.reconcile.finding import STATES, Cause, Difference, Finding, Kind, Result, Sum, plain

if TYPE_CHECKING:
    from rich.console import Console


def document(result: Result) -> dict[str, Any]:
    """A result as JSON."""
    return {
        "compared": result.title,
        "found": result.found,
        "looked_at": dict(sorted(result.counts.items())),
        "findings": {kind.value: result.kinds[kind] for kind in Kind},
        "states": {state.value: result.states[state] for state in STATES},
        "unchecked": dict(sorted(result.unchecked.items())),
        "billed": {"usd": plain(result.usd), "tokens": result.tokens},
        "causes": {cause.value: _sum(result.bar.get(cause, Sum())) for cause in Cause},
        "notes": result.notes,
        "listed": [finding.document() for finding in result.listed],
    }


def _sum(money: Sum) -> dict[str, Any]:
    return {
        "findings": money.findings,
        "usd": plain(money.usd),
        "usd_unknown": money.unknown,
        "tokens": money.tokens,
    }


def render(result: Result, console: Console) -> None:
    """Print a result."""
    from rich.table import Table

    counts = "  ".join(f"{name} {count:,}" for name, count in sorted(result.counts.items()))
    console.print(f"{result.title}: {counts}", soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for kind in Kind:
        table.add_row(kind.value, f"{result.kinds[kind]:,}", "")
    for state, meaning in STATES.items():
        table.add_row(state.value, f"{result.states[state]:,}", meaning, style="dim")
    console.print(table)
    for finding in result.listed:
        console.print(_line(finding), soft_wrap=True, markup=False)
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


def _line(finding: Finding) -> str:
    told = "; ".join(_difference(each) for each in finding.differences)
    name = finding.request_id or "-"
    return f"  {finding.kind.value:<10} {name}  {finding.place}  {finding.what}" + (f": {told}" if told else "")


def _difference(each: Difference) -> str:
    expected, found = (value if value is not None else "-" for value in (plain(each.expected), plain(each.found)))
    return f"{each.field} should be {expected}, is {found}"


def _render_bar(result: Result, console: Console) -> None:
    """The money bar: what is billed, and by cause what it is off."""
    from rich.table import Table

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
