"""What a record adds to a sum: all of it, or the change that a revision makes (CONTRACT §2).

Whoever adds up tokens and costs over all entries of a request, and drops those that come again under the same id, has
what its latest record says. Owns ids, amounts and counts of entries. Imports records, rows and the core's cost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from pipeline.core.cost import EXACT, ZERO
from pipeline.sinks.export.record import record_of
from pipeline.sinks.row import Record, exact_cost
from schemas.leaves import parse_timestamp

_PROMPT: Final = "prompt_tokens_details"
_COMPLETION: Final = "completion_tokens_details"

TOKENS: Final[Mapping[str, tuple[str, ...]]] = {
    "input": ("prompt_tokens",),
    "output": ("completion_tokens",),
    "total": ("total_tokens",),
    "cache_read": (_PROMPT, "cached_read_tokens"),
    "cache_write": (_PROMPT, "cached_write_tokens"),
    "reasoning": (_COMPLETION, "reasoning_tokens"),
    "text_input": (_PROMPT, "text_tokens"),
    "audio_input": (_PROMPT, "audio_tokens"),
    "image_input": (_PROMPT, "image_tokens"),
    "text_output": (_COMPLETION, "text_tokens"),
    "audio_output": (_COMPLETION, "audio_tokens"),
    "image_output": (_COMPLETION, "image_tokens"),
}
"""Counts by our name and where a usage has them; input includes cache reads and writes, output includes reasoning."""

_AMENDED: Final = re.compile(r"#r\d+\Z", re.ASCII)
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


@dataclass(frozen=True)
class Entry:
    """One record as a summand.

    Attributes:
        record: what it is made of.
        traceparent: W3C trace context of the request; null where nobody gave a valid one.
    """

    record: Record
    traceparent: str | None = None

    @property
    def amendment(self) -> bool:
        """Whether it is the change of a revision, not a whole."""
        return bool(self.record["revision"] > 0)

    @property
    def id(self) -> str:
        """The same whenever the same record is exported; another for each revision of a request.

        A request that is itself named like a revision has `#r0` too, so that no two records share an id.
        """
        request_id, revision = self.record["request_id"], self.record["revision"]
        if revision == 0 and _AMENDED.search(request_id) is None:
            return str(request_id)
        return f"{request_id}#r{revision}"

    @cached_property
    def tokens(self) -> dict[str, int]:
        """Counts that are known, by the names of TOKENS; of an amendment the change, which may be negative."""
        usage = (self.record["delta"] or {}).get("token_usage") if self.amendment else self.record.get("token_usage")
        found = {name: _inside(usage, path) for name, path in TOKENS.items()}
        return {name: count for name, count in found.items() if type(count) is int}

    @cached_property
    def cost(self) -> Decimal | None:
        """USD; of an amendment the change, where unknown counts as 0; of a whole null if unknown.

        A record's delta is a number with 15 safe digits; what its cost was rounded by on becoming a number is put back.
        """
        total: Decimal | None = exact_cost(self.record)
        if not self.amendment:
            return total
        change = _decimal((self.record["delta"] or {}).get("cost")) or ZERO
        rounded = _decimal(self.record.get("cost")) or ZERO
        return EXACT.add(change, EXACT.subtract(total or ZERO, rounded))

    @property
    def start(self) -> datetime:
        """When the request was sent."""
        return parse_timestamp(self.record["start_timestamp"])

    @property
    def end(self) -> datetime:
        """When the request ended: in whose hour, day and month it counts."""
        return parse_timestamp(self.record["end_timestamp"])

    @property
    def trace(self) -> tuple[str, str] | None:
        """Trace id and span id in hexadecimal."""
        match = None if self.traceparent is None else _TRACEPARENT.fullmatch(self.traceparent)
        return None if match is None else (match[1], match[2])

    def inside(self, *path: str) -> Any:
        """A value deep in the record; null where something on the way is missing or null."""
        return _inside(self.record, path)


def entry_of(value: bytes, traceparent: str | None = None) -> Entry:
    """Read a record.

    Args:
        value: a record as JSON.
        traceparent: as its headers have it; one that is not valid is left out.

    Raises:
        UsageError: it is none; the text says what is missing, never what is there.
    """
    record = record_of(value)
    valid = traceparent is not None and _valid(traceparent)
    return Entry(record, traceparent if valid else None)


def _valid(traceparent: str) -> bool:
    """Whether it is a trace context of a version that exists, with ids that are not all zeros."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return (
        match is not None
        and not traceparent.startswith("ff")
        and set(match[1]) != {"0"}
        and set(match[2]) != {"0"}
        and (len(traceparent) == len("00-") + 32 + 1 + 16 + len("-00") or not traceparent.startswith("00"))
    )


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _inside(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
