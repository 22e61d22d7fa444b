"""The views that every database of records has: what people ask of a ledger, ready to select from.

Owns their SQL, in the words that both databases understand or once for each. A request counts once, as its latest
revision says, on the day (UTC) on which its original ended: a correction changes the day that it corrects. Amounts are
exact decimals; a sum leaves out what has no cost, and `unpriced` says how many that are. Imports its measures.
"""

# ruff: noqa: S608 (statements are put together of names that stand in this package; what people write is a parameter)

from __future__ import annotations

from typing import Final, NamedTuple

from pipeline.sinks.measures import listed, percentile


class View(NamedTuple):
    """One view.

    Attributes:
        name: In the database.
        what: One sentence, shown as its comment.
        duckdb: The SELECT in DuckDB.
        postgres: The SELECT in PostgreSQL; None: the same.
    """

    name: str
    what: str
    duckdb: str
    postgres: str | None = None


BILLED: Final = "billed_requests"
"""What all figures stand on."""

_LATEST: Final = View(
    "latest_records",
    "One row for each request: its highest revision, which is what counts for a bill.",
    "SELECT r.* FROM records r WHERE NOT EXISTS "
    "(SELECT 1 FROM records newer WHERE newer.request_id = r.request_id AND newer.revision > r.revision)",
)


def _day(instant: str) -> tuple[str, str]:
    """The day of an instant in UTC, for DuckDB, whose instants have no zone, and for PostgreSQL, whose sessions do."""
    return f"CAST({instant} AS DATE)", f"CAST({instant} AT TIME ZONE 'UTC' AS DATE)"


def _billed(day: str) -> str:
    return (
        f"SELECT l.*, COALESCE(o.end_timestamp, l.end_timestamp) AS billed_at, {day} AS day "
        "FROM latest_records l LEFT JOIN records o ON o.request_id = l.request_id AND o.revision = 0"
    )


_BILLED: Final = View(
    BILLED,
    "One row for each request: its latest revision, with the end and the day (UTC) of its original.",
    *map(_billed, _day("COALESCE(o.end_timestamp, l.end_timestamp)")),
)


def _usage(name: str, what: str, columns: str, *, tables: str = BILLED, postgres: str | None = None) -> View:
    """Figures by day and something else."""
    count = columns.count(",") + 1
    places = ", ".join(str(place) for place in range(1, count + 1))

    def select(source: str) -> str:
        return f"SELECT {columns}, {listed()} FROM {source} GROUP BY {places}"

    return View(name, what, select(tables), None if postgres is None else select(postgres))


def _label_tables() -> tuple[str, str]:
    """Requests beside each of their labels, for DuckDB and PostgreSQL."""
    duckdb = (
        "(SELECT b.*, e.key AS label, json_extract_string(e.value, '$') AS label_value "
        f"FROM {BILLED} b, json_each(CAST(b.labels AS JSON)) e) labelled"
    )
    postgres = (
        "(SELECT b.*, e.key AS label, e.value AS label_value "
        f"FROM {BILLED} b CROSS JOIN LATERAL jsonb_each_text(CAST(b.labels AS JSONB)) AS e(key, value)) labelled"
    )
    return duckdb, postgres


def _corrections(day: str, change: str) -> str:
    """What each revision changed; `change` reads that of a count out of the delta."""
    counts = ", ".join(
        f"CAST({change.format(name=name)} AS BIGINT) AS {name}_delta"
        for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    return (
        f"SELECT {day} AS day, r.request_id, r.revision, r.record_id, r.supersedes, "
        "r.provider, r.model, r.labels, r.status, p.cost AS cost_before, r.cost AS cost_after, "
        "CASE WHEN p.record_id IS NULL THEN r.delta_cost ELSE COALESCE(r.cost, 0) - COALESCE(p.cost, 0) END "
        f"AS cost_delta, {counts} FROM records r "
        "LEFT JOIN records p ON p.request_id = r.request_id AND p.revision = r.revision - 1 "
        "LEFT JOIN records o ON o.request_id = r.request_id AND o.revision = 0 WHERE r.revision > 0"
    )


_CHANGES: Final = ("json_extract_string(r.delta_usage, '$.{name}')", "CAST(r.delta_usage AS JSONB) ->> '{name}'")
_LABELLED = _label_tables()

VIEWS: Final = (
    _LATEST,
    _BILLED,
    _usage("usage_by_day", "Usage and cost by day.", "day"),
    _usage("usage_by_model", "Usage and cost by day, provider and model.", "day, provider, model"),
    _usage("usage_by_provider", "Usage and cost by day and provider.", "day, provider"),
    _usage(
        "usage_by_label",
        "Usage and cost by day, label and value; a request with several labels stands under each of them.",
        "day, label, label_value",
        tables=_LABELLED[0],
        postgres=_LABELLED[1],
    ),
    View(
        "ttft_percentiles",
        "Time to the first token in ms by provider and model: values that half, 95 and 99 of 100 do not exceed.",
        "SELECT provider, model, COUNT(time_to_first_token) AS requests, "
        f"{percentile(0.5)} AS p50, {percentile(0.95)} AS p95, {percentile(0.99)} AS p99 FROM {BILLED} GROUP BY 1, 2",
    ),
    View(
        "incomplete_requests",
        "Requests that were cut or fell silent: how they closed, what was missing, and what is billed of them.",
        "SELECT day, request_id, provider, model, labels, closed_by, finish_reason, missing_count, truncated, "
        f"usage_source, total_tokens, cost, cost_reason FROM {BILLED} WHERE status = 'incomplete'",
    ),
    View(
        "unpriced_requests",
        "Requests without a cost by day, provider and model, with the reason and the tokens that are not in any sum.",
        "SELECT day, provider, model, cost_reason AS reason, COUNT(*) AS requests, "
        "CAST(SUM(prompt_tokens) AS BIGINT) AS prompt_tokens, "
        f"CAST(SUM(completion_tokens) AS BIGINT) AS completion_tokens FROM {BILLED} WHERE cost IS NULL "
        "GROUP BY 1, 2, 3, 4",
    ),
    View(
        "errors",
        "Requests that ended with an error by day, provider, model and kind, with what they cost nevertheless.",
        "SELECT day, provider, model, error_type, COUNT(*) AS requests, SUM(cost) AS cost, "
        f"COUNT(*) FILTER (WHERE cost IS NULL) AS unpriced FROM {BILLED} WHERE status = 'error' GROUP BY 1, 2, 3, 4",
    ),
    View(
        "corrections",
        "Every revision after the first: what it changed, on the day of its original; a null cost counts as 0 here.",
        *map(_corrections, _day("COALESCE(o.end_timestamp, r.end_timestamp)"), _CHANGES),
    ),
    View(
        "headline",
        "The five numbers of a gateway's own statistics: success_rate in percent, average_latency in ms.",
        "SELECT COUNT(*) AS total_requests, "
        "100.0 * COUNT(*) FILTER (WHERE status = 'success') / NULLIF(COUNT(*), 0) AS success_rate, "
        "AVG(latency) AS average_latency, CAST(SUM(total_tokens) AS BIGINT) AS total_tokens, "
        f"SUM(cost) AS total_cost, COUNT(*) FILTER (WHERE cost IS NULL) AS unpriced FROM {BILLED}",
    ),
)
"""In the order in which they are made: a view may stand on the ones before it."""
