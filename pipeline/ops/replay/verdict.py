"""A record on the topic held to the one that a replay made of the same chunks: same, config, price or DIFFERENT.

Pure. Imports the comparison of `explain`, which says what counts as equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.ops.explain.comparison import differing, holds
from schemas.record import NOT_CANONICAL

Json = Mapping[str, Any]


class Kind(StrEnum):
    """What a record of the topic is beside the replayed one."""

    SAME = "same"
    CONFIG = "config"
    PRICE = "price"
    DIFFERENT = "DIFFERENT"


class Verdict(NamedTuple):
    """How two records compare, and the names of the fields that differ."""

    kind: Kind
    fields: tuple[str, ...] = ()


SAME: Final = Verdict(Kind.SAME)
ALTERED: Final = "digest (does not hold: the record was changed after it was made)"

_NAMES: Final = frozenset({"record_id", "revision", "supersedes", "delta"})
"""What a correction has of its own."""
_MONEY: Final = frozenset({"cost", "cost_details", "delta.cost"})
_PROVENANCE: Final = ("source", "price_id", "price_version", "price_hash", "reason")


def verdict(found: bytes, rebuilt: bytes) -> Verdict:
    """Compare a record of the topic with the replayed one of the same revision."""
    if found == rebuilt:
        return SAME
    return compared(msgspec.json.decode(found), msgspec.json.decode(rebuilt))


def compared(found: Json, rebuilt: Json, *, correction: bool = False) -> Verdict:
    """Compare two records.

    Args:
        found: of the topic.
        rebuilt: by the replay.
        correction: `found` corrects the revision that was rebuilt: its names and delta are its own.
    """
    left_out = NOT_CANONICAL | _NAMES if correction else NOT_CANONICAL
    one, other = ({name: value for name, value in each.items() if name not in left_out} for each in (found, rebuilt))
    fields = tuple(dict.fromkeys(difference.field for difference in differing(one, other)))
    if not holds(dict(found)):
        return Verdict(Kind.DIFFERENT, (*fields, ALTERED))
    if not fields:
        return SAME
    if found.get("config_digest") != rebuilt.get("config_digest"):
        return Verdict(Kind.CONFIG, fields)
    return Verdict(Kind.PRICE if _only_prices(one, other, fields) else Kind.DIFFERENT, fields)


def _only_prices(one: Json, other: Json, fields: tuple[str, ...]) -> bool:
    """Whether nothing but money differs, and the records say of themselves that their prices are from elsewhere."""
    said = [(each.get("cost_details") or {}) for each in (one, other)]
    if all(said[0].get(name) == said[1].get(name) for name in _PROVENANCE):
        return False
    rest = [field for field in fields if field not in _MONEY and not field.startswith("cost_details.")]
    return all(field == "attempts" and _same_calls(one, other) for field in rest)


def _same_calls(one: Json, other: Json) -> bool:
    """Whether attempts are the same but for what they cost."""
    calls = [[{**attempt, "cost": None} for attempt in each.get("attempts") or ()] for each in (one, other)]
    return calls[0] == calls[1]
