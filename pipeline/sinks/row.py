"""The row of a record: one for each request and revision, small, without content (ECOSYSTEM §5.14).

Owns which fields of AccumulatedData become columns, and their kinds; `sinks.shape` reads them. Amounts are the exact
decimals of `cost_details`, never the record's float. Imports nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

Record = Mapping[str, Any]
"""AccumulatedData, parsed."""
Amount = str | int | float
"""USD: a decimal as text, or the number of a record."""


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
        path: Where it stands in a record; null where something on the way is null.
    """

    name: str
    kind: Kind
    path: tuple[str, ...]


def exact_cost(record: Record) -> Decimal | None:
    """The exact total; the float of the record only where no total is stated; None where there is no cost."""
    return total_cost(record["cost"], (record.get("cost_details") or {}).get("total"))


def total_cost(cost: Amount | None, total: Amount | None) -> Decimal | None:
    """The same of the two fields."""
    return None if cost is None else Decimal(str(cost if total is None else total))


_TEXT, _COUNT, _FLAG, _USD, _JSON = Kind.TEXT, Kind.COUNT, Kind.FLAG, Kind.USD, Kind.DOCUMENT
_PROMPT: Final = ("token_usage", "prompt_tokens_details")
_COMPLETION: Final = ("token_usage", "completion_tokens_details")

COST: Final = Column("cost", _USD, ("cost_details", "total"))
"""As `total_cost` says."""
MISSING: Final = Column("missing_count", _COUNT, ("missing_indexes",))
"""How many indexes the gaps have together."""

COLUMNS: Final = (
    Column("record_id", _TEXT, ("record_id",)),
    Column("request_id", _TEXT, ("request_id",)),
    Column("revision", _COUNT, ("revision",)),
    Column("supersedes", _TEXT, ("supersedes",)),
    Column("stream_type", _TEXT, ("stream_type",)),
    Column("provider", _TEXT, ("provider",)),
    Column("model", _TEXT, ("model",)),
    Column("labels", _JSON, ("labels",)),
    Column("status", _TEXT, ("status",)),
    Column("finish_reason", _TEXT, ("finish_reason",)),
    Column("closed_by", _TEXT, ("closed_by",)),
    Column("complete", _FLAG, ("complete",)),
    Column("start_timestamp", Kind.INSTANT, ("start_timestamp",)),
    Column("end_timestamp", Kind.INSTANT, ("end_timestamp",)),
    Column("latency", _COUNT, ("latency",)),
    Column("time_to_first_token", _COUNT, ("time_to_first_token",)),
    Column("time_to_first_content", _COUNT, ("time_to_first_content",)),
    Column("tokens_per_second", Kind.RATE, ("inter_chunk_latency", "tokens_per_second")),
    Column("service_tier", _TEXT, ("service_tier",)),
    Column("call", _TEXT, ("origin", "call")),
    Column("response_id", _TEXT, ("origin", "response_id")),
    Column("cache_hit", _FLAG, ("cache_debug", "cache_hit")),
    Column("error_type", _TEXT, ("error_details", "error", "type")),
    Column("usage_source", _TEXT, ("usage_source",)),
    Column("prompt_tokens", _COUNT, ("token_usage", "prompt_tokens")),
    Column("completion_tokens", _COUNT, ("token_usage", "completion_tokens")),
    Column("total_tokens", _COUNT, ("token_usage", "total_tokens")),
    Column("cached_read_tokens", _COUNT, (*_PROMPT, "cached_read_tokens")),
    Column("cached_write_tokens", _COUNT, (*_PROMPT, "cached_write_tokens")),
    Column("reasoning_tokens", _COUNT, (*_COMPLETION, "reasoning_tokens")),
    Column("token_usage", _JSON, ("token_usage",)),
    COST,
    Column("cost_input", _USD, ("cost_details", "input")),
    Column("cost_output", _USD, ("cost_details", "output")),
    Column("cost_source", _TEXT, ("cost_details", "source")),
    Column("cost_reason", _TEXT, ("cost_details", "reason")),
    Column("price_id", _TEXT, ("cost_details", "price_id")),
    Column("price_version", _TEXT, ("cost_details", "price_version")),
    Column("price_hash", _TEXT, ("cost_details", "price_hash")),
    Column("delta_usage", _JSON, ("delta", "token_usage")),
    Column("delta_cost", _USD, ("delta", "cost")),
    Column("attempts", _JSON, ("attempts",)),
    Column("chunk_count", _COUNT, ("chunk_count",)),
    Column("duplicate_count", _COUNT, ("duplicate_count",)),
    Column("conflict_count", _COUNT, ("conflict_count",)),
    MISSING,
    Column("payload_anomalies", _COUNT, ("payload_anomalies",)),
    Column("truncated", _FLAG, ("truncated",)),
    Column("content_omitted", _TEXT, ("content_omitted",)),
    Column("source_topic", _TEXT, ("source", "topic")),
    Column("source_partition", _COUNT, ("source", "partition")),
    Column("first_offset", _COUNT, ("source", "first_offset")),
    Column("last_offset", _COUNT, ("source", "last_offset")),
    Column("config_digest", _TEXT, ("config_digest",)),
    Column("digest", _TEXT, ("digest",)),
    Column("schema_version", _COUNT, ("schema_version",)),
)
"""Every table of records has these, in this order; a table adds where on the record topic its row was read."""
