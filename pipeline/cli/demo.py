"""`streamledger demo`: the whole way of a chunk, on a Kafka of its own or a given one.

Owns the options; the demo is `pipeline.ops.demo`.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Final

import rich_click as click

from pipeline.cli.options import KAFKA, LOGGING, OutputFile, examples, json_option, start_logging, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.cli.web import look, require
from pipeline.settings import NAMES, Loaded, Settings

WINDOW_SECONDS: Final = 3_600
"""Of the page: who comes back from lunch still sees the demo."""


@click.command(
    help=f"{COMMANDS['demo']} With half of the chunks in the topic the worker gets SIGKILL; it is started again on the "
    "same data directory while the rest comes in, and how long that took is shown. Exit 1 if a record is missing, "
    "double or differs from what is expected, or if the kill hit nothing unfinished. "
    "Without --bootstrap-servers it brings its own Kafka and leaves nothing behind but the database of --db. With "
    "--web its topics are shown in a browser until Ctrl-C, which leaves the exit code as it is.",
    epilog=examples(
        "streamledger demo",
        "streamledger demo --bootstrap-servers localhost:9092",
        "streamledger demo --web",
        "streamledger demo --db demo.duckdb",
        "streamledger demo --json",
    ),
)
@click.option(
    "--db",
    type=OutputFile(),
    metavar="FILE",
    help="Keep the records in a new DuckDB file, for `streamledger usage`.",
)
@click.option("--web", is_flag=True, help="Then show its streams, records and answers in a browser, until Ctrl-C.")
@json_option
@with_settings(*KAFKA, "web_address", *LOGGING)
def command(loaded: Loaded, *, db: Path | None, web: bool, as_json: bool) -> int:
    """Run it; 1 if the audit fails or the kill was none in mid-stream."""
    from pipeline.ops import demo

    if web:
        require(loaded.settings)
    start_logging(loaded.settings)
    given = loaded.origins["bootstrap_servers"].kind != "default"
    shown = partial(_show, loaded.settings, aside=as_json) if web else None
    return demo.run(loaded.settings, own_kafka=not given, as_json=as_json, db=db, look=shown)


def _show(settings: Settings, ledger: Settings, *, aside: bool) -> None:
    """The demo's ledger, where the user's settings put the page; its content is made up, so it is shown."""
    mine = {name: getattr(settings, name) for name in NAMES if name.startswith("web_")}
    asyncio.run(look(ledger.model_copy(update={**mine, "web_content": True}), WINDOW_SECONDS, aside=aside))
