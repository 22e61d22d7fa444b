"""Records as they are read from lines and topics: checked as far as exports go by them.

Everything else in a record may be as it likes: a later version may have more fields. Owns that check. Imports the
core's text, rows, the contract's leaves and errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final

from pipeline.core.text import mend_json
from pipeline.errors import UsageError
from pipeline.sinks.row import Record
from schemas.leaves import parse_timestamp

_AMOUNT: Final = re.compile(r"-?\d{1,60}(\.\d{1,60})?", re.ASCII)
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")

Check = Callable[[Any], bool]


def record_of(value: bytes) -> Record:
    """Read a record.

    Raises:
        UsageError: it is none; the text says what is wrong, never what is there.
    """
    record: Any
    try:
        record = json.loads(value, parse_constant=_refuse)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise UsageError("this is no record", hint="records are JSON objects, as `streamledger fold` prints them")
    if _SURROGATE.search(value) is not None:
        record = mend_json(record)
    wrong = next((name for name, holds in _CHECKS.items() if name not in record or not holds(record[name])), None)
    if wrong is None and record["revision"] > 0 and record["delta"] is None:
        wrong = "delta"
    if wrong is not None:
        raise UsageError(f"this is no record: {wrong} is missing or odd", hint="chunks have to be folded first")
    found: Record = record
    return found


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and isfinite(value))  # 1e999 is one of JSON, and none of money


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _moment(value: Any) -> bool:
    try:
        parse_timestamp(value)
    except (ValueError, TypeError):
        return False
    return True


def _or_null(holds: Check) -> Check:
    return lambda value: value is None or holds(value)


def _details(value: Any) -> bool:
    """Amounts are decimals as text."""
    amounts = [value.get(name) for name in ("input", "output", "total")] if isinstance(value, dict) else [0]
    return all(amount is None or (isinstance(amount, str) and _AMOUNT.fullmatch(amount)) for amount in amounts)


def _delta(value: Any) -> bool:
    return isinstance(value, dict) and (value.get("cost") is None or _number(value["cost"]))


_CHECKS: Final[Mapping[str, Check]] = {
    "request_id": _text,
    "record_id": _text,
    "revision": _count,
    "start_timestamp": _moment,
    "end_timestamp": _moment,
    "stream_type": _text,
    "status": _text,
    "labels": _object,
    "provider": _or_null(_text),
    "model": _or_null(_text),
    "service_tier": _or_null(_text),
    "latency": _or_null(_count),
    "time_to_first_token": _or_null(_count),
    "cost": _or_null(_number),
    "cost_details": _or_null(_details),
    "delta": _or_null(_delta),
}
"""Fields that exports compute with or look up."""
