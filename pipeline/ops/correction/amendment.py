"""A record and what it should say → the revision that corrects it.

Pure. Imports the core's way to name, compare and seal records, and the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from pipeline.core.canonical import canonical, encode, seal
from pipeline.core.revision import change, headers, identity
from pipeline.core.rows import Outgoing
from schemas.identity import record_id
from schemas.record import NOT_CANONICAL, RECORD_FIELDS, AccumulatedData

Record = Mapping[str, Any]
"""AccumulatedData, parsed."""

UNKNOWN: Final = "it is no record of this version"
FOREIGN: Final = "of another ledger"
ALTERED: Final = "its digest does not hold"

_FIELDS: Final = frozenset(RECORD_FIELDS)
_NAMES: Final = frozenset({"schema_version", "record_id", "revision", "supersedes", "delta", "config_digest"})
_SAID: Final = [name for name in RECORD_FIELDS if name not in NOT_CANONICAL | _NAMES]
"""What a record says of its request; the rest says which revision it is and how it came about."""
_MONEY: Final = frozenset({"cost", "cost_details", "attempts"})


def altered(record: Record, ledger: str) -> str | None:
    """Why a record is none to build on, in words; None if it is as the worker wrote it.

    A correction takes over everything that it does not correct, so what somebody changed by hand would be passed on
    under a digest that holds.
    """
    try:
        AccumulatedData.model_validate_json(encode(dict(record)))
    except ValueError:
        return UNKNOWN
    if record.keys() != _FIELDS:
        return UNKNOWN
    if record["record_id"] != record_id(ledger, record["request_id"], record["revision"]):
        return FOREIGN
    return None if sha256(canonical(dict(record))).hexdigest() == record["digest"] else ALTERED


def alike(one: Record, other: Record) -> bool:
    """Whether two records of a request say the same but for their money."""
    if any(one.get(name) != other.get(name) for name in _SAID if name not in _MONEY):
        return False
    return _unpriced(one) == _unpriced(other)


def amended(old: Record, new: Record, *, ledger: str, limit: int, traceparent: str | None = None) -> Outgoing | None:
    """The revision that makes a record say what another says; None where both say the same.

    `closed_by` and the other evidence are those of `new`: of a correction of money alone they are the old ones.

    Args:
        old: the latest revision of a request.
        new: what it should say; its own revision, names and delta count for nothing.
        ledger: of both.
        limit: bytes of a record; a larger one sheds as the worker's does.
        traceparent: header of the old one.
    """
    if all(old.get(name) == new.get(name) for name in _SAID):
        return None
    request_id = old["request_id"]
    record = {name: new.get(name) for name in RECORD_FIELDS}
    record |= identity(ledger, request_id, old["revision"] + 1)
    record["delta"] = change((old["token_usage"], old["cost"]), (new["token_usage"], new["cost"]))
    value = seal(record, new["source"], limit=limit)
    return Outgoing(request_id.encode(), value, headers(record, traceparent))


def _unpriced(record: Record) -> list[Record]:
    """The attempts of a record but for what they cost."""
    return [{**attempt, "cost": None} for attempt in record.get("attempts") or ()]
