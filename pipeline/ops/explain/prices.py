"""What a cost is made of: the record's cost_details, and the price list's lines behind them.

Nothing is priced here: whether the parts add up is checked with decimals, and the lines are those that the price list
tells of the calls which the fold has asked it about. Imports the core's questions and its sibling.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from pipeline.core.timing import rfc3339
from pipeline.core.valuation import Call
from pipeline.ops.explain.listener import Listener

Json = dict[str, Any]

PARTS: Final = ("input", "output")


def price_lines(record: Json, calls: Sequence[Call], listener: Listener) -> Json | None:
    """The cost details of a record, a line for each part that is known, and what the price list was asked.

    Args:
        record: as a JSON object.
        calls: what prices were asked for while it was made.
        listener: knows the price list.

    Returns:
        None where nothing was to be priced.
    """
    details: Json | None = record["cost_details"]
    if details is None:
        return None
    names = ("number", "provider", "model", "cost")
    return {
        **details,
        "parts": [{"part": name, "amount": details[name]} for name in PARTS if details.get(name) is not None],
        "adds_up": _adds_up(details),
        "attempts": [{name: attempt[name] for name in names} for attempt in record["attempts"] or ()],
        "asked": [{**_question(call), "lines": listener.lines(call)} for call in calls],
    }


def _question(call: Call) -> Json:
    """What a price was asked for, without the usage, which the numbers have."""
    return {
        "provider": call.provider,
        "model": call.model,
        "service_tier": call.service_tier,
        "at": rfc3339(call.at),
    }


def _adds_up(details: Json) -> bool | None:
    """Whether input and output are the total, to the last decimal; None where not all three are known."""
    known = [details.get(name) for name in (*PARTS, "total")]
    if None in known:
        return None
    first, second, total = (Decimal(str(amount)) for amount in known)
    return first + second == total
