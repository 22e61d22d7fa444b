"""`streamledger worker`: the process that turns chunks into records.

Owns the options and starts logging; the worker is `pipeline.engine.worker`.
"""

from __future__ import annotations

import re
from typing import Any, Final

import rich_click as click

from pipeline.cli.options import examples, start_logging, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.errors import UsageError
from pipeline.settings import ENV_PREFIX, NAMES, Loaded

INSTANCE: Final = re.compile(r"(?!\.\.?$)[A-Za-z0-9._-]{1,249}", re.ASCII)
"""What brokers take as group.instance.id."""


def _instance(_: Any, __: Any, name: str | None) -> str | None:
    """Refuse here what every broker would refuse at each attempt to join."""
    if name is not None and INSTANCE.fullmatch(name) is None:
        raise UsageError(f"--instance {name!r} is no name", hint="up to 249 letters, digits, . _ -")
    return name


@click.command(
    help=f"{COMMANDS['worker']} Start as many as you like, up to one for each partition.",
    epilog=examples(
        "streamledger worker",
        "streamledger worker --bootstrap-servers kafka:9092 --data-dir /var/lib/streamledger",
        "streamledger worker --instance worker-1",
        "streamledger worker --drain",
        "streamledger worker --ledger audit --reset-to 2026-11-01T00:00:00Z",
        "streamledger worker --instance $HOSTNAME",
        "streamledger worker --metrics-address :9464",
    ),
)
@click.option("--drain", is_flag=True, help="End when everything in the topic has been worked through.")
@click.option(
    "--reset-to",
    default="earliest",
    show_default=True,
    metavar="POSITION",
    help="Where a new ledger begins: `earliest`, `latest` or an RFC 3339 time. One that has a position keeps it.",
)
@click.option(
    "--instance",
    envvar=f"{ENV_PREFIX}INSTANCE",
    show_envvar=True,
    metavar="NAME",
    callback=_instance,
    help="A name in the group that is this worker's again after a restart: its partitions wait for it, for the 10 s of "
    "a session, instead of moving away and back. Each worker needs a name of its own: two of one name keep taking the "
    "partitions from each other.",
)
@with_settings(*NAMES)
def command(loaded: Loaded, *, drain: bool, reset_to: str, instance: str | None) -> int:
    """Run until it is stopped."""
    from pipeline.engine import worker

    start_logging(loaded.settings, third_party="warning")
    return worker.run(loaded.settings, drain=drain, reset_to=reset_to, instance=instance)
