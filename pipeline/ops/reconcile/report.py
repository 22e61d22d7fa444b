"""A reconciliation as JSON and as lines.  Owns the words of both; `layout` has the tables."""

from __future__ import annotations

from typing import Any

from pipeline.ops.reconcile.finding import STATES, Cause, Difference, Finding, Kind, Result, Sum, plain


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


def finding_line(finding: Finding) -> str:
    """A finding in one line."""
    told = "; ".join(_difference(each) for each in finding.differences)
    name = finding.request_id or "-"
    return f"  {finding.kind.value:<10} {name}  {finding.place}  {finding.what}" + (f": {told}" if told else "")


def _difference(each: Difference) -> str:
    expected, found = (value if value is not None else "-" for value in (plain(each.expected), plain(each.found)))
    return f"{each.field} should be {expected}, is {found}"


def line(result: Result, at: str) -> str:
    """A result in one line, for an alarm that follows."""
    kinds = "  ".join(f"{kind.value} {result.kinds[kind]:,}" for kind in Kind)
    states = "  ".join(f"{state.value} {result.states[state]:,}" for state in STATES)
    counts = "  ".join(f"{name} {count:,}" for name, count in sorted(result.counts.items()))
    return "  ".join(part for part in (at, kinds, "|", states, "|", counts, *result.notes) if part)
