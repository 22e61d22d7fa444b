"""`streamledger spool`: what publishers keep on disk, listed, shown, sent and removed.

Owns options, output and exit codes; the work is `pipeline.ops.spool`.
"""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from pipeline.cli.options import KAFKA, LOGGING, examples, json_option, start_logging, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.errors import FOUND_PROBLEM, OK, UsageError
from pipeline.settings import Loaded, Settings

if TYPE_CHECKING:
    from pipeline.ingest.publish.item import Item

WHERE = ("data_dir", "ledger")
WINDOW = ("session_window", "revise_window")

dir_option = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Directory of the spool. [default: <data_dir>/spool/<ledger>]",
)
execute_option = click.option("--execute", is_flag=True, help="Do it.")
files_argument = click.argument("names", nargs=-1, required=True, metavar="FILE...")


@click.group(
    "spool",
    help=f"{COMMANDS['spool']} Chunks that Kafka did not take lie there until it does; what a publisher's process left "
    "behind, the next one in the directory sends. Run it on the machine of the publisher, as its user.",
    epilog=examples(
        "streamledger spool ls",
        "streamledger spool ls --dir /var/lib/gateway/spool/main --json",
        "streamledger spool send --refused --execute",
    ),
)
def command() -> None:
    """List, show, send, remove."""


@command.command(
    short_help="List the files: whose they are, how many chunks, how old, and what to do.",
    help="List the files of a spool: living (its publisher runs and sends it), left (its process has ended), refused "
    "(larger than the topic takes), damaged; chunks, requests, bytes, the age of the oldest, and how many are past "
    "session_window + revise_window. Exit codes: 0 nothing, or nothing but what living publishers send · 1 something "
    "that needs somebody · 2 bad usage.",
    epilog=examples("streamledger spool ls", "streamledger spool ls --json"),
)
@dir_option
@json_option
@with_settings(*WHERE, *WINDOW)
def ls(loaded: Loaded, *, folder: Path | None, as_json: bool) -> int:
    """Print the files."""
    from pipeline.ops import spool

    settings = loaded.settings
    where = folder or spool.folder_of(settings)
    now = time.time_ns() // 1_000
    found = spool.surveyed(where, settings.session_window + settings.revise_window, now)
    told = spool.view.as_json(where, found, now)
    _print(json.dumps(told) if as_json else "\n".join(spool.view.lines(told)))
    return FOUND_PROBLEM if spool.view.needy(found) else OK


@command.command(
    short_help="Show the chunks of files.",
    help="Show the chunks of files, a line each: request, when it was accepted, bytes. With --content the chunks "
    "themselves as JSON lines, as `fold` and `produce` read them: what users said. Exit codes: 0 ok · 2 bad usage.",
    epilog=examples(
        "streamledger spool show 4711-0f3c9a1b2d4e.refused",
        "streamledger spool show 4711-0f3c9a1b2d4e.refused --content | streamledger fold",
    ),
)
@files_argument
@dir_option
@click.option("--content", is_flag=True, help="Print the chunks.")
@json_option
@with_settings(*WHERE)
def show(loaded: Loaded, *, names: tuple[str, ...], folder: Path | None, content: bool, as_json: bool) -> int:
    """Print chunks."""
    from pipeline.ops import spool

    for path in _paths(loaded.settings, folder, names):
        for item in spool.items(path):
            _print(item.value.decode(errors="replace") if content else _line(item, as_json=as_json))
    return OK


@command.command(
    short_help="Send what ended publishers left; dry unless --execute.",
    help="Send what publishers left whose process has ended, as the next publisher in the directory would; with "
    "--refused also what was set aside because the topic did not take it: raise its max.message.bytes first. Files of "
    "living publishers and of other topics are left alone. Sent twice is billed once: the ledger drops repeats. Dry "
    "unless --execute. Exit codes: 0 all of it was sent · 1 the topic does not take some of it, or a file can't be "
    "read · 2 bad usage · 3 can't reach Kafka, what was not sent stays.",
    epilog=examples("streamledger spool send", "streamledger spool send --refused --execute"),
)
@click.option("--refused", is_flag=True, help="Also what was set aside.")
@dir_option
@execute_option
@json_option
@with_settings(*KAFKA, *WHERE, "chunk_topic", "compression", *WINDOW, *LOGGING)
def send(loaded: Loaded, *, refused: bool, folder: Path | None, execute: bool, as_json: bool) -> int:
    """Send, then say what was sent."""
    from pipeline.cli.progress import bar
    from pipeline.ops import spool
    from pipeline.topics.reader import Seen

    settings = loaded.settings
    start_logging(settings)
    where = folder or spool.folder_of(settings)
    window = settings.session_window + settings.revise_window
    states = {spool.State.LEFT, *([spool.State.REFUSED] if refused else [])}
    found = [
        kept
        for kept in spool.surveyed(where, window, time.time_ns() // 1_000)
        if kept.state in states and kept.topic == settings.chunk_topic
    ]
    told: dict[str, Any] = {"executed": execute, "files": len(found), "chunks": sum(kept.chunks for kept in found)}
    if execute and found:
        total = told["chunks"]
        with bar("chunks") as progress:
            sent = spool.send(
                where, settings, refused=refused, told=lambda done: progress(Seen("sending", done, total))
            )
        told |= {"chunks": sent.chunks, "refused": sent.refused, "late": sent.late, "living": sent.living}
    _print(json.dumps(told) if as_json else _sent(told))
    return FOUND_PROBLEM if told.get("refused") else OK


@command.command(
    short_help="Remove files; dry unless --execute.",
    help="Remove files whose chunks nobody wants: their requests' records show a gap, or never come. Files of living "
    "publishers are refused. Dry unless --execute. Exit codes: 0 ok · 2 bad usage, or a living publisher's file.",
    epilog=examples("streamledger spool rm 4711-0f3c9a1b2d4e.refused --execute"),
)
@files_argument
@dir_option
@execute_option
@with_settings(*WHERE)
def rm(loaded: Loaded, *, names: tuple[str, ...], folder: Path | None, execute: bool) -> int:
    """Remove, and say what."""
    from pipeline.ops import spool

    for path in _paths(loaded.settings, folder, names):
        count = sum(1 for _ in spool.items(path))
        if execute:
            spool.remove(path)
        _print(f"{path.name}: {count:,} chunks {'removed' if execute else 'would be removed (--execute does it)'}")
    return OK


def _paths(settings: Settings, folder: Path | None, names: tuple[str, ...]) -> list[Path]:
    """The files of these names, or paths."""
    from pipeline.ops import spool

    where = folder or spool.folder_of(settings)
    paths = [Path(name) if "/" in name else where / name for name in names]
    for path in paths:
        if not path.is_file():
            raise UsageError(f"no file {path}", hint="`streamledger spool ls` lists them")
    return paths


def _line(item: Item, *, as_json: bool) -> str:
    """A chunk without its content."""
    key = item.key.decode(errors="replace")
    accepted = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(item.accepted / 1e6))
    if as_json:
        known = item.key if key.encode() != item.key else None
        return json.dumps(
            {"request_id": key, "accepted": accepted, "bytes": len(item.value)}
            | ({} if known is None else {"key": base64.b64encode(known).decode()})
        )
    return f"{accepted}  {len(item.value):>10,}  {''.join(c if c.isprintable() else '?' for c in key)}"


def _sent(told: dict[str, Any]) -> str:
    """What was sent, or would be."""
    if not told["executed"]:
        return f"{told['chunks']:,} chunks of {told['files']:,} files would be sent (--execute does it)"
    parts = [f"{told['chunks'] - told.get('refused', 0):,} chunks sent"]
    for name, words in (
        ("refused", "still larger than the topic takes"),
        ("late", "of them late: see streamledger dead ls"),
        ("living", "files left to living publishers"),
    ):
        if told.get(name):
            parts.append(f"{told[name]:,} {words}")
    return "; ".join(parts)


def _print(line: str) -> None:
    if line:
        click.echo(line)
