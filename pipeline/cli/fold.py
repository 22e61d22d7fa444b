"""`streamledger fold`: chunk JSON lines to records, offline.

Owns the options and where the two outputs go; folding is `pipeline.ops.fold`.
"""

from __future__ import annotations

import sys
from typing import BinaryIO

import rich_click as click

from pipeline.cli.options import POLICY, examples, input_argument, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.settings import Loaded


@click.command(
    help=f"{COMMANDS['fold']} FILE is `-` for standard input. Lines with `_kafka` run the live clock; without it no "
    "time passes, and at the end of input what still waits is closed.",
    epilog=examples(
        "streamledger fold chunks.jsonl",
        "streamledger fold --keep-open --dead-letters dead.jsonl chunks.jsonl > records.jsonl",
        "streamledger fold --set capture=metadata --set finish_grace=5s chunks.jsonl",
        "streamledger chunks --provider openai-chat --request-id r1 stream.sse | streamledger fold",
    ),
)
@input_argument
@click.option("--keep-open", is_flag=True, help="Do not close what is unfinished at the end of input.")
@click.option(
    "--dead-letters",
    type=click.File("wb", lazy=False),
    metavar="FILE",
    help="Where refused chunks go, as JSON lines. [default: standard error]",
)
@with_settings(*POLICY)
def command(file: BinaryIO, loaded: Loaded, *, keep_open: bool, dead_letters: BinaryIO | None) -> int:
    """Print a record for each closed request."""
    from pipeline.ops import fold

    return fold.run(
        file,
        loaded.settings,
        records=sys.stdout.buffer,
        dead_letters=sys.stderr.buffer if dead_letters is None else dead_letters,
        keep_open=keep_open,
    )
