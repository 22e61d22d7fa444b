"""The least rights in Kafka that each part of Streamledger needs, as the closed table that operators grant from.

A test grants a user exactly these on a secured broker, runs the part, and takes each right away in turn. READ, WRITE
and CREATE on other things than these are never needed; an idempotent producer needs no right on the cluster since
Kafka 3.0. Imports the settings and `schemas.topics`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pipeline.settings import Settings
from pipeline.topics.admin import definitions

Role = Literal["gateway", "worker", "sink", "reader", "corrector", "eraser", "topics"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

Operation = Literal["READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS", "CREATE"]
Kind = Literal["topic", "group", "transactional-id"]
"""Of a resource, as the flags of kafka-acls name it."""

Thing = Literal["chunks", "records", "dead_letters", "requests", "markers", "group", "worker ids", "correction id"]

WHO: Final[dict[Role, str]] = {
    "gateway": "produce, load and whoever publishes chunks",
    "worker": "worker",
    "sink": "sink and export",
    "reader": "explain, dead ls and show, replay, reconcile and reprice as long as they write nothing, top, web",
    "corrector": "replay --emit, reprice and dead redrive with --execute",
    "eraser": "erase --execute",
    "topics": "topics",
}
"""Which commands run as which role."""

_EVERY: Final[tuple[Thing, ...]] = ("chunks", "records", "dead_letters", "requests", "markers")

NEEDED: Final[dict[Role, dict[Thing, tuple[Operation, ...]]]] = {
    "gateway": {"chunks": ("WRITE",)},
    "worker": {
        "chunks": ("READ", "DESCRIBE_CONFIGS"),
        "records": ("WRITE",),
        "dead_letters": ("WRITE",),
        "requests": ("READ", "WRITE", "DESCRIBE_CONFIGS"),
        "markers": ("READ", "WRITE", "DESCRIBE_CONFIGS"),
        "group": ("READ",),
        "worker ids": ("WRITE",),
    },
    "sink": {"records": ("READ",)},
    "reader": {
        "chunks": ("READ",),
        "records": ("READ",),
        "dead_letters": ("READ",),
        "group": ("DESCRIBE",),
    },
    "corrector": {
        "chunks": ("READ", "WRITE"),
        "records": ("READ", "WRITE"),
        "dead_letters": ("READ", "WRITE"),
        "group": ("DESCRIBE",),
        "correction id": ("WRITE",),
    },
    "eraser": {
        "chunks": ("READ", "DESCRIBE_CONFIGS"),
        "records": ("READ", "DESCRIBE_CONFIGS"),
        "dead_letters": ("READ", "DESCRIBE_CONFIGS"),
        "requests": ("READ", "WRITE", "DESCRIBE_CONFIGS"),
        "markers": ("READ", "WRITE", "DESCRIBE_CONFIGS"),
        "worker ids": ("WRITE",),
        "group": ("READ",),
    },
    "topics": dict.fromkeys(_EVERY, ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS")),
}
"""READ and WRITE include DESCRIBE, in Kafka."""


@dataclass(frozen=True)
class Right:
    """One operation on one resource; `prefixed`: on all whose name begins so."""

    operation: Operation
    kind: Kind
    name: str
    prefixed: bool = False


def rights(role: Role, settings: Settings) -> list[Right]:
    """All that a role needs for the ledger of the settings, resource by resource."""
    names = {topic.role: topic.name for topic in definitions(settings)}
    found = []
    for thing, operations in NEEDED[role].items():
        for operation in operations:
            if thing == "group":
                found.append(Right(operation, "group", settings.ledger))
            elif thing == "worker ids":
                prefix = f"{settings.ledger}-{settings.chunk_topic}-"
                found.append(Right(operation, "transactional-id", prefix, prefixed=True))
            elif thing == "correction id":
                found.append(Right(operation, "transactional-id", f"{settings.ledger}-corrections"))
            else:
                found.append(Right(operation, "topic", names[thing]))
    return found


def acl_commands(role: Role, settings: Settings, principal: str) -> Iterator[str]:
    """Lines for a shell that grant a role to a user, by Kafka's own tool.

    Args:
        role: What the user is to do.
        settings: Of the ledger.
        principal: As Kafka writes users: `User:name`.
    """
    grouped: dict[tuple[Kind, str, bool], list[str]] = {}
    for right in rights(role, settings):
        operation = right.operation.title().replace("_", "")
        grouped.setdefault((right.kind, right.name, right.prefixed), []).append(operation)
    for (kind, name, prefixed), operations in grouped.items():
        words = ["kafka-acls.sh", "--bootstrap-server", settings.bootstrap_servers, "--add"]
        words += ["--allow-principal", principal, f"--{kind}", name]
        words += ["--resource-pattern-type", "prefixed"] if prefixed else []
        words += [word for operation in operations for word in ("--operation", operation)]
        yield shlex.join(words)
