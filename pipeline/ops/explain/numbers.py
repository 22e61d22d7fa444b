"""Every number of a record, with its value, the chunks that it came from, and the rule that says so.

Owns the rules in words. Values are those of the record; nothing is computed here. Imports its siblings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pipeline.ops.explain.contribution import error_of, word
from pipeline.ops.explain.origins import Json, Origins, Place
from schemas.chunk import Chunk

Rule = tuple[str, str]
"""Ids in the specifications, and what they say."""

HIGHEST: Final = ("S-META-1, S-META-2", "of the highest chunk that has it, never summed over chunks")
SUMMED: Final = ("CONTRACT §2, S-META-1", "sum over attempts, in each of the highest chunk that has it")
NEWEST: Final = ("CONTRACT §1", "non-null one of the highest (attempt, chunk_index)")
LOWEST: Final = ("CONTRACT §1", "of the lowest (attempt, chunk_index) that has it")
BETWEEN: Final = ("CONTRACT §2", "over the times between content chunks, ms")
COSTS: Final[dict[str | None, Rule]] = {
    "gateway": ("CONTRACT §2, S-META-4", "the gateway's figure, of the highest chunk that has it"),
    "provider": ("CONTRACT §2, S-META-5", "the provider's own figure, in the usage"),
    "catalog": ("CONTRACT §2", "usage times list price at the request's time"),
    "overlay": ("CONTRACT §2", "usage times your own price at the request's time"),
    None: ("CONTRACT §2", "null when unknown, never 0"),
}
UNSURE: Final = "these chunks alone do not give it"

_TIMES: Final[dict[str, Rule]] = {
    "start_timestamp": ("CONTRACT §1, S-TIME-4", "earliest start_timestamp, without one the earliest chunk"),
    "end_timestamp": ("CONTRACT §2", "is_final, else the error, else the highest chunk of the highest attempt"),
    "latency": ("S-TIME-2, S-TIME-3", "end less start, ms"),
    "time_to_first_token": ("S-TIME-1", "earliest chunk of the attempt shown less start, ms"),
    "time_to_first_content": ("CONTRACT §2", "earliest chunk with content less start, ms"),
}
_COUNTS: Final[dict[str, Rule]] = {
    "chunk_count": ("CONTRACT §2", "distinct chunks"),
    "duplicate_count": ("CONTRACT §1, S-DEDUP-1", "exact repeats, dropped"),
    "conflict_count": ("CONTRACT §1, S-DEDUP-2", "other content under a seen identity; the first one stays"),
    "payload_anomalies": ("CONTRACT §1", "leaves of unexpected shape, ignored; the raw payload is kept"),
}
_FINISH: Final = ("S-META-1, S-FIN-1", "unchanged, of the highest chunk that finishes the choice shown")
_FAILED: Final = ("S-ERR-2", "an error at or above the last finish counts as one")
_ERROR: Final = ("S-ERR-1, S-ERR-5", "the highest error handed in, else the last one in a payload")
_TIER: Final = ("S-META-6", "newest non-null")
_NULL: Final = ("CONTRACT §2", "null where nobody stated one, never zeros")
_ESTIMATED: Final = ("CONTRACT §2", "estimated: nobody stated one, or only before the output came")


class Number(NamedTuple):
    """One field of a record.

    Attributes:
        field: its name, with dots into objects.
        value: as the record has it.
        rule, meaning: ids in the specifications, and what they say.
        chunks: that gave it.
        note: what else there is to know.
    """

    field: str
    value: Any
    rule: str
    meaning: str
    chunks: Sequence[Place] = ()
    note: str = ""


def numbers(record: Json, origins: Origins, dropped: Mapping[str, Sequence[Place]]) -> list[Number]:
    """All numbers of a record: money, usage, times, end, attribution, counts.

    Args:
        record: as a JSON object.
        origins: the chunks behind it.
        dropped: the chunks behind duplicate_count and conflict_count, which are not in the record.
    """
    listing = _Listing(record, origins)
    parts = (listing.money(), listing.usage(), listing.times(), listing.end(), listing.attribution())
    return [*(number for part in parts for number in part), *listing.counts(dropped)]


def as_sent(origins: Origins) -> list[tuple[Place, Json]]:
    """The numbers of each usage as the chunk that gave it has them, before aliases and totals are resolved."""
    sent = [(origins.place(chunk), flat(_raw_usage(chunk))) for chunk in origins.usage()]
    return [(place, usage) for place, usage in sent if usage]


def flat(table: Any, prefix: str = "") -> Json:
    """The numbers of an object, under names with dots; texts in it are left out."""
    found: Json = {}
    for name, value in table.items() if isinstance(table, dict) else ():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            found[prefix + name] = value
    return found


class _Listing:
    """The groups of the list."""

    def __init__(self, record: Json, origins: Origins) -> None:
        self._record = record
        self._origins = origins
        self._several = len(origins.attempts) > 1

    def money(self) -> Iterator[Number]:
        """Cost; its parts are in the cost lines."""
        details = self._record["cost_details"] or {}
        source = details.get("source")
        chunks = self._origins.paid(gateway=source == "gateway")
        rule = COSTS.get(source, COSTS[None])
        notes = [str(details["reason"])] if details.get("reason") else []
        if self._several:
            notes.append("sum over attempts")
        yield self._number("cost", self._record["cost"], rule, chunks, "; ".join(notes))

    def usage(self) -> Iterator[Number]:
        """Every count of the usage."""
        usage = flat(self._record["token_usage"])
        source = self._record["usage_source"]
        if not usage:
            yield Number("token_usage", None, *_NULL, (), "no chunk has a usage")
            return
        rule = SUMMED if self._several else HIGHEST
        note = "" if self._origins.usage_given() else UNSURE
        if source != "provider":
            rule, note = _ESTIMATED, "of what nobody stated"
        for name, value in usage.items():
            yield self._number(f"token_usage.{name}", value, rule, self._origins.usage(), note)

    def times(self) -> Iterator[Number]:
        """Start, end and what is measured between."""
        origins, record = self._origins, self._record
        start, content = origins.start(), origins.content
        chunks = {
            "start_timestamp": [start],
            "end_timestamp": [origins.end()],
            "latency": [origins.end(), start],
            "time_to_first_token": [origins.first(), start],
            "time_to_first_content": [*content[:1], start] if content else [],
        }
        for name, rule in _TIMES.items():
            yield self._number(name, record[name], rule, chunks[name])
        latency = record["inter_chunk_latency"] or {}
        count = f"{len(origins.shown.output.content_times):,} content chunks"
        whole = content[:: max(len(content) - 1, 1)]
        for name, value in latency.items():
            between = origins.longest_silence() if name == "max" else whole
            note = "the longest silence" if name == "max" else count
            yield self._number(f"inter_chunk_latency.{name}", value, BETWEEN, between, note)

    def end(self) -> Iterator[Number]:
        """How it finished."""
        shown = self._origins.shown
        failed = shown.finish_reason is not None and shown.finish_reason != shown.output.finish_reason
        rule = _FAILED if failed else _FINISH
        yield self._number("finish_reason", word(self._record["finish_reason"]), rule, self._origins.finish())
        if shown.error is not None:
            error = error_of(shown.error, content=False)
            told = " ".join(str(error[name]) for name in ("type", "code", "status_code") if name in error) or "unnamed"
            yield self._number("error_details", told, _ERROR, self._origins.error())

    def attribution(self) -> Iterator[Number]:
        """Who served it, who pays."""
        origins, record = self._origins, self._record
        for name, rule in (("provider", NEWEST), ("model", NEWEST), ("service_tier", _TIER)):
            if record[name] is not None:
                chunks = origins.newest(name)
                yield self._number(name, record[name], rule, chunks, "" if self._sure(chunks, name) else UNSURE)
        if record["cache_debug"] is not None:
            yield self._number("cache_debug", "present", HIGHEST, origins.newest("cache_debug"))
        for key, value in record["labels"].items():
            yield self._number(f"labels.{key}", value, LOWEST, origins.label(key))
        if record["raw_request"] is not None:
            yield self._number("raw_request", "present", LOWEST, origins.raw_request())

    def counts(self, dropped: Mapping[str, Sequence[Place]]) -> Iterator[Number]:
        """How many chunks there were, and what was odd about them."""
        odd = self._origins.odd() if self._record["payload_anomalies"] else []
        places = {**dropped, "payload_anomalies": [self._origins.place(chunk) for chunk in odd]}
        for name, rule in _COUNTS.items():
            yield Number(name, self._record[name], *rule, places.get(name, ()))

    def _sure(self, chunks: Sequence[Chunk], name: str) -> bool:
        """Whether the chunks named really give what the record says."""
        return bool(chunks) and all(self._origins.gives(chunk, name) for chunk in chunks)

    def _number(self, name: str, value: Any, rule: Rule, chunks: Sequence[Chunk], note: str = "") -> Number:
        return Number(name, value, *rule, [self._origins.place(chunk) for chunk in chunks], note)


def _raw_usage(chunk: Any) -> Any:
    """The usage object of a chunk as it was sent; of an error, what it says was billed."""
    if chunk.error is not None:
        extra = chunk.error.get("extra_fields")
        return extra.get("billed_usage") if isinstance(extra, dict) else None
    if chunk.response is None:
        return None
    inner = getattr(chunk.response, "response", None)
    return inner.get("usage") if isinstance(inner, dict) else getattr(chunk.response, "usage", None)
