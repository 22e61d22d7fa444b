"""`streamledger produce`: chunk JSON lines to the chunk topic.

Owns the progress bar and the summary; sending is `pipeline.ops.produce`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from io import BufferedIOBase
from typing import TYPE_CHECKING

import rich_click as click

from pipeline.cli.options import KAFKA, LOGGING, examples, input_argument, json_option, start_logging, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.settings import Loaded

if TYPE_CHECKING:
    from pipeline.ops.produce import Progress, Sent


@click.command(
    help=f"{COMMANDS['produce']} Idempotent, acks=all; FILE is `-` for standard input.",
    epilog=examples(
        "streamledger produce chunks.jsonl",
        "streamledger chunks --provider openai-chat --request-id r1 stream.sse | streamledger produce",
        "tail -f chunks.jsonl | streamledger produce --bootstrap-servers kafka:9092 --json",
    ),
)
@input_argument
@json_option
@with_settings(*KAFKA, "chunk_topic", "compression", *LOGGING)
def command(file: BufferedIOBase, loaded: Loaded, *, as_json: bool) -> None:
    """Send, then say how many chunks Kafka has acknowledged."""
    from pipeline.ops.produce import produce

    start_logging(loaded.settings)
    with _bar(file) as progress:
        sent = asyncio.run(produce(file, loaded.settings, progress=progress))
    topic = loaded.settings.chunk_topic
    if as_json:
        click.echo(json.dumps({"topic": topic, "chunks": sent.chunks, "bytes": sent.bytes_read}))
    else:
        click.echo(f"{sent.chunks:,} chunks sent to {topic}")


@contextlib.contextmanager
def _bar(file: BufferedIOBase) -> Iterator[Progress]:
    """A progress bar on stderr if a person looks at it: of the file's bytes, or just a count for a pipe."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("sent"), BarColumn(), TextColumn("{task.fields[chunks]:,} chunks"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("sent", total=_size(file), chunks=0)

        def show(sent: Sent) -> None:
            display.update(task, completed=sent.bytes_read, chunks=sent.chunks)

        yield show


def _size(file: BufferedIOBase) -> int | None:
    """Bytes of a regular file; None for a pipe, whose end nobody knows."""
    try:
        status = os.fstat(file.fileno())
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
