"""`streamledger worker`: the process that turns chunks into records.

Owns the options and starts logging; the worker is `pipeline.engine.worker`.
"""

from __future__ import annotations

import rich_click as click

from pipeline.cli.options import examples, start_logging, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.settings import ENV_PREFIX, NAMES, Loaded


@click.command(
    help=f"{COMMANDS['worker']} Start as many as you like, up to one for each partition.",
    epilog=examples(
        "streamledger worker",
        "streamledger worker --bootstrap-servers kafka:9092 --data-dir /var/lib/streamledger",
        "streamledger worker --drain",
        "streamledger worker --ledger audit --reset-to 2026-11-01T00:00:00Z",
        "streamledger worker --instance $HOSTNAME",
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
    help="A name of this worker alone, the same after a restart: its partitions then wait for it instead of moving, "
    "unless it is away for longer than the group's session timeout.",
)
@with_settings(*NAMES)
def command(loaded: Loaded, *, drain: bool, reset_to: str, instance: str | None) -> int:
    """Run until it is stopped."""
    from pipeline.engine import worker

    start_logging(loaded.settings, third_party="warning")
    return worker.run(loaded.settings, drain=drain, reset_to=reset_to, instance=instance or None)
