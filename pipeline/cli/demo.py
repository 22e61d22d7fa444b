"""`streamledger demo`: the whole way of a chunk, on a Kafka of its own or a given one.

Owns the options; the demo is `pipeline.ops.demo`.
"""

from __future__ import annotations

import rich_click as click

from pipeline.cli.options import KAFKA, LOGGING, examples, json_option, start_logging, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.settings import Loaded


@click.command(
    help=f"{COMMANDS['demo']} Exit 1 if a record differs from what is expected. "
    "Without --bootstrap-servers it brings its own Kafka and leaves nothing behind.",
    epilog=examples(
        "streamledger demo",
        "streamledger demo --bootstrap-servers localhost:9092",
        "streamledger demo --json",
    ),
)
@json_option
@with_settings(*KAFKA, *LOGGING)
def command(loaded: Loaded, *, as_json: bool) -> int:
    """Run it; 1 if the audit fails."""
    from pipeline.ops import demo

    start_logging(loaded.settings)
    given = loaded.origins["bootstrap_servers"].kind != "default"
    return demo.run(loaded.settings, own_kafka=not given, as_json=as_json)
