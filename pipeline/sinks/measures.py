"""What is counted of requests: the figures that the views and `streamledger usage` share, each defined once.

A sum of nothing known is null, never 0; what is missing from a sum has a count beside it. Imports nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Measure(NamedTuple):
    """One figure over a group of requests.

    Attributes:
        name: Of the column.
        sql: Its aggregate over rows of `billed_requests`, in the words of both databases.
    """

    name: str
    sql: str


def _tokens(column: str) -> str:
    """A sum of counts; both databases would answer with a wider type."""
    return f"CAST(SUM({column}) AS BIGINT)"


def _rows(condition: str) -> str:
    return f"COUNT(*) FILTER (WHERE {condition})"


MEASURES: Final = (
    Measure("requests", "COUNT(*)"),
    Measure("prompt_tokens", _tokens("prompt_tokens")),
    Measure("cached_read_tokens", _tokens("cached_read_tokens")),
    Measure("completion_tokens", _tokens("completion_tokens")),
    Measure("reasoning_tokens", _tokens("reasoning_tokens")),
    Measure("total_tokens", _tokens("total_tokens")),
    Measure("cost", "SUM(cost)"),
    Measure("unpriced", _rows("cost IS NULL")),
    Measure("incomplete", _rows("status = 'incomplete'")),
    Measure("errors", _rows("status = 'error'")),
    Measure("estimated", _rows("usage_source = 'estimated'")),
    Measure("without_usage", _rows("token_usage IS NULL")),
)
"""Tokens and cost are sums of what is known; cached tokens are part of the prompt's, reasoning of the completion's."""


def percentile(share: float, column: str = "time_to_first_token") -> str:
    """The smallest value that so large a share of a group does not exceed: one that occurred, in ms."""
    return f"PERCENTILE_DISC({share}) WITHIN GROUP (ORDER BY {column})"


def listed(measures: tuple[Measure, ...] = MEASURES) -> str:
    """The figures as they stand in a SELECT."""
    return ", ".join(f"{measure.sql} AS {measure.name}" for measure in measures)
