"""What a cost is made of, line by line, each beginning where the one before ended.

Owns the lines' names and places; the amounts are those of `pipeline.ops.explain`: of the price list's lines where it
was asked, else of the record's parts. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

LEAST: Final = 0.4
"""A line is at least so wide, in per cent: it must be seen."""


@dataclass(frozen=True)
class Line:
    """One line of a bill.

    Attributes:
        name: What was charged.
        quantity, price: How much of it, and USD for `per` of them; None where only the amount is known.
        amount: USD.
        at, width: Of its bar, in per cent of the whole.
    """

    name: str
    quantity: str | None
    price: Decimal | None
    per: int | None
    amount: Decimal
    at: float
    width: float


@dataclass(frozen=True)
class Waterfall:
    """A cost.

    Attributes:
        total: USD; None where it is unknown, and `reason` says why.
        source: Who priced it: gateway, provider, catalog or overlay.
    """

    lines: tuple[Line, ...]
    total: Decimal | None
    source: str | None
    reason: str | None
    price_list: str | None


def waterfall(cost: dict[str, Any] | None) -> Waterfall | None:
    """The lines of the `cost` of an explanation; None where nothing was to be priced."""
    if cost is None:
        return None
    total = None if cost.get("total") is None else Decimal(str(cost["total"]))
    asked = [(line, call) for call in cost["asked"] for line in call["lines"]]
    several = len(cost["asked"]) > 1
    if asked and cost.get("source") in ("catalog", "overlay"):
        found = [
            (
                f"{line['unit'].replace('_', ' ')}{' · ' + str(call['model']) if several else ''}",
                line,
                Decimal(str(line["amount"])),
            )
            for line, call in asked
        ]
        if total is not None and (rest := total - sum((amount for *_, amount in found), Decimal(0))):
            found.append(("stated for other attempts", {}, rest))
    else:
        found = [(part["part"], {}, Decimal(str(part["amount"]))) for part in cost["parts"]]
        if not found and total is not None:
            found = [("whole request", {}, total)]
    whole = sum((amount for _, _, amount in found), Decimal(0)) or Decimal(1)
    lines, before = [], Decimal(0)
    for name, line, amount in found:
        at = min(float(before / whole * 100), 100 - LEAST)
        width = max(float(amount / whole * 100), LEAST)
        price = None if not line else Decimal(str(line["price"]))
        quantity = None if not line else f"{Decimal(str(line['quantity'])):,f}"
        lines.append(Line(name, quantity, price, line.get("per"), amount, round(at, 2), round(width, 2)))
        before += amount
    version = cost.get("price_version") or cost.get("version")
    return Waterfall(tuple(lines), total, cost.get("source"), cost.get("reason"), version)
