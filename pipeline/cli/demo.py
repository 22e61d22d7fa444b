"""`streamledger demo`: the whole way of a chunk, on a Kafka of its own or a given one.

Owns the options; the demo is `pipeline.ops.demo`.
"""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from pipeline.cli.options import KAFKA, LOGGING, examples, json_option, start_logging, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.settings import Loaded


@click.command(
    help=f"{COMMANDS['demo']} With half of the chunks in the topic the worker gets SIGKILL; it is started again on the "
    "same data directory while the rest comes in, and how long that took is shown. Exit 1 if a record is missing, "
    "double or differs from what is expected, or if the kill hit nothing unfinished. "
    "Without --bootstrap-servers it brings its own Kafka and leaves nothing behind but the database of --db.",
    epilog=examples(
        "streamledger demo",
        "streamledger demo --bootstrap-servers localhost:9092",
        "streamledger demo --db demo.duckdb",
        "streamledger demo --json",
    ),
)
@click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the records in a new DuckDB file, for `streamledger usage`.",
)
@json_option
@with_settings(*KAFKA, *LOGGING)
def command(loaded: Loaded, *, db: Path | None, as_json: bool) -> int:
    """Run it; 1 if the audit fails or the kill was none in mid-stream."""
    from pipeline.ops import demo

    start_logging(loaded.settings)
    given = loaded.origins["bootstrap_servers"].kind != "default"
    return demo.run(loaded.settings, own_kafka=not given, as_json=as_json, db=db)
