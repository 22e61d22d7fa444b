"""What one would write without a sink: confluent-kafka, COPY into PostgreSQL, then the group's offsets; at least once.

    copy_loop.py SERVERS TOPIC URL COUNT

Run as a script. Takes the columns that a bill needs, and ends when COUNT records are in the table. Imports the standard
library, confluent-kafka and psycopg.
"""
# ruff: noqa: INP001 (no package: scripts for interpreters that need not have this one)

from __future__ import annotations

import importlib
import json
import sys
from typing import Any, Final

COLUMNS: Final = (
    "request_id",
    "revision",
    "provider",
    "model",
    "status",
    "finish_reason",
    "start_timestamp",
    "end_timestamp",
    "latency",
    "time_to_first_token",
    "cost",
)
TABLE: Final = """
CREATE TABLE usage (
    request_id text, revision int, provider text, model text, status text, finish_reason text,
    start_timestamp timestamptz, end_timestamp timestamptz, latency bigint, time_to_first_token bigint, cost numeric,
    prompt_tokens bigint, completion_tokens bigint, total_tokens bigint, labels jsonb
)"""
BATCH: Final = 5_000


def row(value: bytes) -> list[Any]:
    """The columns of a record."""
    record = json.loads(value)
    usage = record["token_usage"] or {}
    tokens = [usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    return [*(record[name] for name in COLUMNS), *tokens, json.dumps(record["labels"])]


def main(servers: str, topic: str, url: str, count: int) -> None:
    """Consume, copy, commit, until all is there."""
    kafka, psycopg = importlib.import_module("confluent_kafka"), importlib.import_module("psycopg")
    consumer = kafka.Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "copy-loop",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([topic])
    done = 0
    with psycopg.connect(url) as connection:
        connection.execute(TABLE)
        connection.commit()
        while done < count:
            messages = [message for message in consumer.consume(BATCH, timeout=0.5) if message.error() is None]
            if not messages:
                continue
            with connection.cursor().copy("COPY usage FROM STDIN") as copy:
                for message in messages:
                    copy.write_row(row(message.value()))
            connection.commit()
            consumer.commit(asynchronous=False)
            done += len(messages)
    consumer.close()
    sys.stdout.write(f"{done}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
