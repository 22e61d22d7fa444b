"""`streamledger worker`: the process that turns chunks into records.

Owns the options and starts logging; the worker is `pipeline.engine.worker`.
"""

from __future__ import annotations

import rich_click as click

from pipeline.cli.options import examples, start_logging, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.settings import NAMES, Loaded


@click.command(
    help=f"{COMMANDS['worker']} Start as many as you like, up to one for each partition.",
    epilog=examples(
        "streamledger worker",
        "streamledger worker --bootstrap-servers kafka:9092 --data-dir /var/lib/streamledger",
        "streamledger worker --drain",
    ),
)
@click.option("--drain", is_flag=True, help="End when everything in the topic has been worked through.")
@with_settings(*NAMES)
def command(loaded: Loaded, *, drain: bool) -> int:
    """Run until it is stopped."""
    from pipeline.engine import worker

    start_logging(loaded.settings, third_party="warning")
    return worker.run(loaded.settings, drain=drain)
