"""`streamledger erase`: the content of some requests out of the state and a database.

Owns the options and the output; the work is `pipeline.ops.erase`.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from pipeline.cli.options import KAFKA, LOGGING, database, examples, json_option, start_logging, with_settings
from pipeline.cli.progress import bar
from pipeline.cli.ranges import with_selection
from pipeline.cli.shell import COMMANDS
from pipeline.errors import FOUND_PROBLEM, OK
from pipeline.settings import Loaded

if TYPE_CHECKING:
    from pipeline.topics.selection import Selection

TOPICS = ("ledger", "data_dir", "chunk_topic", "record_topic", "dead_topic", "session_window", "revise_window")


@click.command(
    help=f"{COMMANDS['erase']} Requests are named by id or label. Their content leaves the state of the workers, which "
    "go on by themselves, the table contents of a database, and publishers' spools that are named; records and figures "
    "stay. A request that is still "
    "open needs its chunks for its bill: it is left alone, with exit 1. Topics can't be changed: how long each keeps "
    "the content is said. A chunk that comes after the erasure becomes a dead letter. Nothing is changed without "
    "--execute, and doing it again is safe.",
    epilog=examples(
        "streamledger erase --request-id req-7",
        "streamledger erase --request-id req-7 --request-id req-8 --execute",
        "streamledger erase --label user=u-42 --db postgresql://ledger@db/ledger --execute --json",
    ),
)
@click.option(
    "--db",
    metavar="PATH|URL",
    help="DuckDB file, or postgresql:// URL. [default: <data_dir>/<ledger>.duckdb if it is there]",
)
@click.option(
    "--spool",
    "spools",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    metavar="DIR",
    help="Directory of a publisher's spool on this machine; may be repeated. Files of living publishers stay.",
)
@click.option("--execute", is_flag=True, help="Erase; without it only say what would be.")
@json_option
@with_selection("the records that are searched")
@with_settings(*KAFKA, *TOPICS, *LOGGING)
def command(
    loaded: Loaded, *, selection: Selection, db: str | None, spools: tuple[Path, ...], execute: bool, as_json: bool
) -> int:
    """Erase, then say what is left where; 1 if a request is still open."""
    from pipeline.ops import erase
    from pipeline.sinks.database import must_be_there

    start_logging(loaded.settings)
    if db is None:
        found = database(loaded.settings)
        db = found if Path(found).is_file() else None
    else:
        must_be_there(db)
    with bar() as progress:
        report = asyncio.run(erase.run(loaded.settings, selection, erase.Places(db, spools), progress, execute=execute))
    if as_json:
        click.echo(json.dumps(erase.as_json(report), ensure_ascii=False, indent=2))
    else:
        for line in erase.as_text(report):
            click.echo(line)
    return FOUND_PROBLEM if report.refused else OK
