"""A record as a row: one for each request and revision, small, without content (ECOSYSTEM §5.14).

Owns which fields of AccumulatedData become columns, their kinds, and the few that are taken out of documents. Amounts
are the exact decimals of `cost_details`, never the record's float. Imports msgspec.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

Record = Mapping[str, Any]
"""AccumulatedData, parsed."""


_encode: Final = msgspec.json.Encoder(order="sorted").encode


class Kind(StrEnum):
    """What a column holds; every database has its own name for it."""

    TEXT = "text"
    COUNT = "count"
    FLAG = "flag"
    INSTANT = "instant"
    """UTC, as the RFC 3339 text of the record."""
    USD = "usd"
    """Exact, 18 digits behind the point."""
    RATE = "rate"
    DOCUMENT = "document"
    """JSON as text."""


class Column(NamedTuple):
    """One column.

    Attributes:
        name: In every table.
        kind: What it holds.
        take: Its value out of a record; None is null.
    """

    name: str
    kind: Kind
    take: Callable[[Record], Any]


def row_of(record: Record) -> tuple[Any, ...]:
    """The values of a record in the order of COLUMNS."""
    return tuple(column.take(record) for column in COLUMNS)


def _field(name: str) -> Callable[[Record], Any]:
    return lambda record: record[name]


def _inside(*path: str) -> Callable[[Record], Any]:
    """A value deep in a record; null where something on the way is missing or null."""

    def take(record: Record) -> Any:
        value: Any = record
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    return take


def _document(*path: str) -> Callable[[Record], Any]:
    inside = _inside(*path)

    def take(record: Record) -> str | None:
        value = inside(record)
        return None if value is None else _encode(value).decode()

    return take


def _money(*path: str) -> Callable[[Record], Any]:
    inside = _inside(*path)

    def take(record: Record) -> Decimal | None:
        value = inside(record)
        return None if value is None else Decimal(str(value))

    return take


def exact_cost(record: Record) -> Decimal | None:
    """The exact total; the float of the record only where no total is stated; None where there is no cost."""
    if record["cost"] is None:
        return None
    total = _inside("cost_details", "total")(record)
    return Decimal(str(record["cost"] if total is None else total))


def _gap_count(record: Record) -> int:
    """How many indexes are missing."""
    return sum(gap[-1] - gap[-2] + 1 for gap in record["missing_indexes"])


_TEXT, _COUNT, _FLAG, _USD, _JSON = Kind.TEXT, Kind.COUNT, Kind.FLAG, Kind.USD, Kind.DOCUMENT
_PROMPT: Final = ("token_usage", "prompt_tokens_details")
_COMPLETION: Final = ("token_usage", "completion_tokens_details")

COLUMNS: Final = (
    Column("record_id", _TEXT, _field("record_id")),
    Column("request_id", _TEXT, _field("request_id")),
    Column("revision", _COUNT, _field("revision")),
    Column("supersedes", _TEXT, _field("supersedes")),
    Column("stream_type", _TEXT, _field("stream_type")),
    Column("provider", _TEXT, _field("provider")),
    Column("model", _TEXT, _field("model")),
    Column("labels", _JSON, _document("labels")),
    Column("status", _TEXT, _field("status")),
    Column("finish_reason", _TEXT, _field("finish_reason")),
    Column("closed_by", _TEXT, _field("closed_by")),
    Column("complete", _FLAG, _field("complete")),
    Column("start_timestamp", Kind.INSTANT, _field("start_timestamp")),
    Column("end_timestamp", Kind.INSTANT, _field("end_timestamp")),
    Column("latency", _COUNT, _field("latency")),
    Column("time_to_first_token", _COUNT, _field("time_to_first_token")),
    Column("time_to_first_content", _COUNT, _field("time_to_first_content")),
    Column("tokens_per_second", Kind.RATE, _inside("inter_chunk_latency", "tokens_per_second")),
    Column("service_tier", _TEXT, _field("service_tier")),
    Column("call", _TEXT, _inside("origin", "call")),
    Column("response_id", _TEXT, _inside("origin", "response_id")),
    Column("cache_hit", _FLAG, _inside("cache_debug", "cache_hit")),
    Column("error_type", _TEXT, _inside("error_details", "error", "type")),
    Column("usage_source", _TEXT, _field("usage_source")),
    Column("prompt_tokens", _COUNT, _inside("token_usage", "prompt_tokens")),
    Column("completion_tokens", _COUNT, _inside("token_usage", "completion_tokens")),
    Column("total_tokens", _COUNT, _inside("token_usage", "total_tokens")),
    Column("cached_read_tokens", _COUNT, _inside(*_PROMPT, "cached_read_tokens")),
    Column("cached_write_tokens", _COUNT, _inside(*_PROMPT, "cached_write_tokens")),
    Column("reasoning_tokens", _COUNT, _inside(*_COMPLETION, "reasoning_tokens")),
    Column("token_usage", _JSON, _document("token_usage")),
    Column("cost", _USD, exact_cost),
    Column("cost_input", _USD, _money("cost_details", "input")),
    Column("cost_output", _USD, _money("cost_details", "output")),
    Column("cost_source", _TEXT, _inside("cost_details", "source")),
    Column("cost_reason", _TEXT, _inside("cost_details", "reason")),
    Column("price_id", _TEXT, _inside("cost_details", "price_id")),
    Column("price_version", _TEXT, _inside("cost_details", "price_version")),
    Column("price_hash", _TEXT, _inside("cost_details", "price_hash")),
    Column("delta_usage", _JSON, _document("delta", "token_usage")),
    Column("delta_cost", _USD, _money("delta", "cost")),
    Column("attempts", _JSON, _document("attempts")),
    Column("chunk_count", _COUNT, _field("chunk_count")),
    Column("duplicate_count", _COUNT, _field("duplicate_count")),
    Column("conflict_count", _COUNT, _field("conflict_count")),
    Column("missing_count", _COUNT, _gap_count),
    Column("payload_anomalies", _COUNT, _field("payload_anomalies")),
    Column("truncated", _FLAG, _field("truncated")),
    Column("content_omitted", _TEXT, _field("content_omitted")),
    Column("source_topic", _TEXT, _inside("source", "topic")),
    Column("source_partition", _COUNT, _inside("source", "partition")),
    Column("first_offset", _COUNT, _inside("source", "first_offset")),
    Column("last_offset", _COUNT, _inside("source", "last_offset")),
    Column("config_digest", _TEXT, _field("config_digest")),
    Column("digest", _TEXT, _field("digest")),
    Column("schema_version", _COUNT, _field("schema_version")),
)
"""Every table of records has these, in this order; a table adds where on the record topic its row was read."""
