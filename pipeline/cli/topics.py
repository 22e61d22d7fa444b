"""`streamledger topics`: create the topics of a ledger, or check that they are as promised.

Owns the output and the exit code; Kafka is asked by `pipeline.topics.admin`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import rich_click as click

from pipeline.cli.options import KAFKA, LOGGING, examples, json_option, start_logging, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.errors import FOUND_PROBLEM, OK
from pipeline.settings import Loaded, Settings, client

if TYPE_CHECKING:
    from pipeline.topics.admin import Drift, Found

SAFE_REPLICATION: Final = 3
"""Replicas from which on promise G1 holds (CONTRACT §5)."""
TOPICS: Final = ("ledger", "chunk_topic", "record_topic", "dead_topic", "partitions", "replication")


@click.command(
    help=f"{COMMANDS['topics']} Topics that exist are never changed; what differs is printed, with exit code 1.",
    epilog=examples(
        "streamledger topics",
        "streamledger topics --check --json",
        "streamledger topics --partitions 32 --replication 3 --bootstrap-servers kafka:9092",
    ),
)
@click.option("--check", "only_check", is_flag=True, help="Create nothing.")
@json_option
@with_settings(*KAFKA, *TOPICS, "marker_retention", "clock", *LOGGING)
def command(loaded: Loaded, *, only_check: bool, as_json: bool) -> int:
    """Print the topics as they are and every difference; 1 if there is one."""
    start_logging(loaded.settings)
    created, found, drifts = asyncio.run(_work(loaded.settings, create_missing=not only_check))
    if as_json:
        click.echo(json.dumps(_report(created, found, drifts), indent=2))
    else:
        _print(created, found, drifts)
    return FOUND_PROBLEM if drifts else OK


async def _work(settings: Settings, *, create_missing: bool) -> tuple[list[str], Mapping[str, Found], Sequence[Drift]]:
    """Create what is missing unless told otherwise, then look at everything."""
    from pipeline.topics import admin

    kafka, wanted = client(settings), admin.definitions(settings)
    created = await admin.create(kafka, wanted) if create_missing else []
    names = [topic.name for topic in wanted]
    there = await admin.describe(kafka, names)
    found = {name: there[name] for name in names if name in there}
    return created, found, admin.compare(wanted, found)


def _report(created: Sequence[str], found: Mapping[str, Found], drifts: Sequence[Drift]) -> dict[str, object]:
    """The same for programs."""
    return {
        "created": list(created),
        "topics": {
            name: {"partitions": topic.partitions, "replication": topic.replication} for name, topic in found.items()
        },
        "drift": [
            {"topic": drift.topic, "what": drift.what, "expected": drift.expected, "found": drift.found}
            for drift in drifts
        ],
    }


def _print(created: Sequence[str], found: Mapping[str, Found], drifts: Sequence[Drift]) -> None:
    """A line for each topic on stdout, a line for each thing to do about it on stderr."""
    width = max((len(name) for name in found), default=0)
    for name, topic in found.items():
        state = "created" if name in created else "there"
        click.echo(f"{name:{width}}  {state:7}  partitions {topic.partitions}  replicas {topic.replication}")
    for drift in drifts:
        hint = (
            "change the topic with Kafka's tools, or the setting" if drift.topic in found else "run streamledger topics"
        )
        click.echo(f"error: {drift} — {hint}", err=True)
    few = [name for name, topic in found.items() if topic.replication < SAFE_REPLICATION]
    if few:
        text = f"{len(few)} topics have fewer than {SAFE_REPLICATION} replicas: a lost disk can lose records (G1)"
        click.echo(f"warning: {text}", err=True)
