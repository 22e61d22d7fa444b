"""`streamledger topics`: create the topics of a ledger, or check that they are as promised.

Owns the output and the exit code; Kafka is asked by `pipeline.topics.admin`, and what rights are needed is a table of
`pipeline.topics.rights`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, cast

import rich_click as click

from pipeline.cli.options import KAFKA, LOGGING, examples, json_option, start_logging, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.errors import FOUND_PROBLEM, OK, UsageError
from pipeline.settings import Loaded, Settings, client

if TYPE_CHECKING:
    from pipeline.topics.admin import Drift, Found

SAFE_REPLICATION: Final = 3
"""Replicas from which on promise G1 holds (CONTRACT §5)."""
ROLES: Final = ("gateway", "worker", "sink", "reader", "corrector", "eraser", "topics")
"""Those of `pipeline.topics.rights`, which is imported when one is asked for."""
TOPICS: Final = ("ledger", "chunk_topic", "record_topic", "dead_topic", "partitions", "replication")


@click.command(
    help=f"{COMMANDS['topics']} Topics that exist are never changed; what differs is printed, with exit code 1.",
    epilog=examples(
        "streamledger topics",
        "streamledger topics --check --json",
        "streamledger topics --partitions 32 --replication 3 --bootstrap-servers kafka:9092",
        "streamledger topics --rights worker",
        "streamledger topics --rights gateway --principal User:gateway | sh",
    ),
)
@click.option("--check", "only_check", is_flag=True, help="Create nothing.")
@click.option(
    "--rights",
    "role",
    type=click.Choice(ROLES),
    metavar="|".join(ROLES),
    help="Ask no Kafka; print the rights (ACLs) that this part of Streamledger needs.",
)
@click.option("--principal", metavar="USER", help="With --rights: print commands that grant them, to User:NAME.")
@json_option
@with_settings(*KAFKA, *TOPICS, "marker_retention", "clock", *LOGGING)
def command(loaded: Loaded, *, only_check: bool, role: str | None, principal: str | None, as_json: bool) -> int:
    """Print the topics as they are and every difference; 1 if there is one."""
    if role is not None:
        return _print_rights(loaded.settings, role, principal, as_json=as_json)
    if principal is not None:
        raise UsageError("--principal is for --rights", hint="name a role: --rights worker --principal User:worker")
    start_logging(loaded.settings)
    created, found, drifts = asyncio.run(_work(loaded.settings, create_missing=not only_check))
    if as_json:
        click.echo(json.dumps(_report(created, found, drifts), indent=2))
    else:
        _print(created, found, drifts)
    return FOUND_PROBLEM if drifts else OK


def _print_rights(settings: Settings, role: str, principal: str | None, *, as_json: bool) -> int:
    """What a role needs: a table, lines for a shell, or JSON."""
    from pipeline.topics import rights as module

    chosen = cast("module.Role", role)
    if principal is not None and not principal.startswith("User:"):
        raise UsageError(f"--principal {principal} is no user", hint=f"write it as Kafka does: User:{principal}")
    found = module.rights(chosen, settings)
    if as_json:
        click.echo(json.dumps({"role": role, "runs": module.WHO[chosen], "rights": list(map(asdict, found))}, indent=2))
    elif principal is not None:
        for line in module.acl_commands(chosen, settings, principal):
            click.echo(line)
    else:
        click.echo(f"{role}: {module.WHO[chosen]}")
        for right in found:
            click.echo(f"{right.operation:17} {right.kind:17} {right.name}{'*' if right.prefixed else ''}")
    return OK


async def _work(settings: Settings, *, create_missing: bool) -> tuple[list[str], Mapping[str, Found], Sequence[Drift]]:
    """Create what is missing unless told otherwise, then look at everything."""
    from pipeline.topics import admin

    kafka, wanted = client(settings), admin.definitions(settings)
    created = await admin.create_even(kafka, wanted) if create_missing else []
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
    uneven = any(drift.what == "partitions" and drift.topic in found for drift in drifts)
    missing = "not created: give --partitions N as the others have it" if uneven else "run streamledger topics"
    for drift in drifts:
        hint = "change the topic with Kafka's tools, or the setting" if drift.topic in found else missing
        click.echo(f"error: {drift} — {hint}", err=True)
    few = [name for name, topic in found.items() if topic.replication < SAFE_REPLICATION]
    if few:
        text = f"{len(few)} topics have fewer than {SAFE_REPLICATION} replicas: a lost disk can lose records (G1)"
        click.echo(f"warning: {text}", err=True)
