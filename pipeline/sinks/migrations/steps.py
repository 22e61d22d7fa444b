"""The steps by which a database of records came to be as it is: never edited, only followed by another.

Owns their SQL, with the kinds of `pipeline.sinks.row` in the place of types: {text}, {count} and so on become each
database's own. Imports nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Step(NamedTuple):
    """One step.

    Attributes:
        what: It does, in a few words.
        sql: Statements for both databases.
        postgres: Statements that PostgreSQL gets beside them.
    """

    what: str
    sql: tuple[str, ...]
    postgres: tuple[str, ...] = ()


_RECORD: Final = """
    record_id {text} NOT NULL, request_id {text} NOT NULL, revision {count} NOT NULL, supersedes {text},
    stream_type {text}, provider {text}, model {text}, labels {document},
    status {text}, finish_reason {text}, closed_by {text}, complete {flag},
    start_timestamp {instant}, end_timestamp {instant},
    latency {count}, time_to_first_token {count}, time_to_first_content {count}, tokens_per_second {rate},
    service_tier {text}, call {text}, response_id {text}, cache_hit {flag}, error_type {text},
    usage_source {text}, prompt_tokens {count}, completion_tokens {count}, total_tokens {count},
    cached_read_tokens {count}, cached_write_tokens {count}, reasoning_tokens {count}, token_usage {document},
    cost {usd}, cost_input {usd}, cost_output {usd}, cost_source {text}, cost_reason {text},
    price_id {text}, price_version {text}, price_hash {text}, delta_usage {document}, delta_cost {usd},
    attempts {document},
    chunk_count {count}, duplicate_count {count}, conflict_count {count}, missing_count {count},
    payload_anomalies {count}, truncated {flag}, content_omitted {text},
    source_topic {text}, source_partition {count}, first_offset {count}, last_offset {count},
    config_digest {text}, digest {text} NOT NULL, schema_version {count},
    record_topic {text} NOT NULL, record_partition {count} NOT NULL, record_offset {count} NOT NULL"""
_PLACE: Final = "PRIMARY KEY (record_topic, record_partition, record_offset)"

STEPS: Final = (
    Step(
        "records, positions, and what could not become a record",
        (
            f"CREATE TABLE records ({_RECORD}, PRIMARY KEY (record_id))",
            f"CREATE TABLE conflicts ({_RECORD}, {_PLACE})",
            f"""CREATE TABLE rejects (
                record_topic {{text}} NOT NULL, record_partition {{count}} NOT NULL, record_offset {{count}} NOT NULL,
                reason {{text}} NOT NULL, detail {{text}}, {_PLACE})""",
            """CREATE TABLE contents (
                record_id {text} PRIMARY KEY, request_id {text} NOT NULL, document {json} NOT NULL)""",
            """CREATE TABLE positions (
                topic {text} NOT NULL, partition {count} NOT NULL, next_offset {count} NOT NULL,
                PRIMARY KEY (topic, partition))""",
            """CREATE TABLE gaps (
                topic {text} NOT NULL, partition {count} NOT NULL, first_offset {count} NOT NULL,
                next_offset {count} NOT NULL, PRIMARY KEY (topic, partition, first_offset))""",
        ),
        (
            "CREATE INDEX records_request ON records (request_id, revision)",
            "CREATE INDEX records_start ON records (start_timestamp)",
        ),
    ),
)
"""In order; the first is number 1."""
