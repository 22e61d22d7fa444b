"""A ledger of its own on the Kafka of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.settings import Settings


def ledger_settings(kafka: str, ledger: str, data_dir: Path, *, chunks: str = "", **changes: Any) -> Settings:
    """Settings of a ledger whose topics have its name, with two partitions.

    Args:
        kafka: its bootstrap servers.
        ledger: a name that nothing else on it has.
        data_dir: of its workers.
        chunks: name of the chunk topic's owner, where several ledgers read the same.
        changes: other settings by name.
    """
    named: dict[str, Any] = {
        "bootstrap_servers": kafka,
        "ledger": ledger,
        "chunk_topic": f"{chunks or ledger}.chunks",
        "record_topic": f"{ledger}.records",
        "dead_topic": f"{ledger}.dead",
        "data_dir": data_dir,
        "partitions": 2,
        "replication": 1,
    }
    return Settings(**(named | changes))
