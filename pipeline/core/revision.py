"""What makes a record the revision that it is: its names, its change against the one before, its Kafka headers.

The worker's records and the corrections of `pipeline.ops.correction` are made by it alike.  Imports pipeline.core and
the contract only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.core.cost import EXACT, ZERO, decimal_of
from pipeline.core.output import Json
from pipeline.core.usage import subtract_usage
from schemas.identity import record_id

RECORD_VERSION: Final = 1
_TOLD: Final = ("record_id", "revision", "schema_version", "stream_type", "status")
"""Fields that are headers too (CONTRACT §2)."""

Bill = tuple[Json | None, float | None]
"""token_usage and cost of a record."""


def identity(ledger: str, request_id: str, revision: int) -> Json:
    """The fields that name a revision, in schema order."""
    return {
        "schema_version": RECORD_VERSION,
        "record_id": record_id(ledger, request_id, revision),
        "revision": revision,
        "supersedes": record_id(ledger, request_id, revision - 1) if revision else None,
    }


def change(before: Bill, after: Bill) -> Json:
    """`delta` of a revision: change of usage and cost against the revision before; null counts as 0.

    The cost's is the difference of the two numbers as they are written, rounded once, to the seed's float.
    """
    usage, cost = subtract_usage(after[0], before[0]), [decimal_of(bill[1]) or ZERO for bill in (before, after)]
    return {"token_usage": usage, "cost": float(EXACT.subtract(cost[1], cost[0]))}


def headers(record: Mapping[str, Any], traceparent: str | None) -> list[tuple[str, bytes]]:
    """Kafka headers of a record; `traceparent` is that of the request's first chunk."""
    told = [(name, str(record[name]).encode()) for name in _TOLD]
    told.append(("content-type", b"application/json"))
    if traceparent is not None:
        told.append(("traceparent", traceparent.encode()))
    return told
