"""`streamledger top`: the ledger as it is now, in a terminal; the same numbers as the page of `streamledger web`.

Owns options, the keys, and JSON; the numbers are `pipeline.ops.live`, the lines `pipeline.cli.screen`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from pipeline.cli import options
from pipeline.cli.options import KAFKA, duration, examples, json_option, start_logging, window_option, with_settings
from pipeline.cli.progress import bar
from pipeline.cli.screen import View, screen
from pipeline.cli.shell import COMMANDS
from pipeline.errors import FOUND_PROBLEM, OK, UsageError
from pipeline.ops.live.view import STATUSES
from pipeline.settings import Loaded, Settings

if TYPE_CHECKING:
    from pipeline.ops.live import Filter, Live, Strip

ROWS: Final = 100
"""Requests that a screen may have: more than any terminal is high."""
STYLES: Final = {"head": "bold reverse", "bad": "bold red", "": ""}


@dataclass(frozen=True)
class _Asked:
    """What is to be shown.

    Attributes:
        names: What money is shown by.
        window: Seconds.
        interval: Seconds between two screens.
        requests: How many requests of each kind are shown at most, where a screen does not say.
    """

    where: Filter
    names: Sequence[str]
    window: int
    interval: float
    requests: int


@click.command(
    help=f"{COMMANDS['top']} Reads the topics back for a window, then follows them; read_committed, without a consumer "
    "group, nothing is written. `q` or Ctrl-C ends it. Where stdout is no terminal, or with --once, one text is "
    "printed. --json prints one document: version, taken_at, ledger, headline, strips (requests, the newest first: "
    "dots, gaps, box with the record's figures), money (by model, provider and each --by), dead (by reason), trouble; "
    "names and units are those of pipeline.ops.live, amounts are decimal text, times ms since the epoch. Give it the "
    "settings of the ledger's worker. Exit codes: 0 ok · 1 Kafka stopped answering, or a topic is missing (--once) · "
    "2 bad usage · 3 can't reach Kafka.",
    epilog=examples(
        "streamledger top",
        "streamledger top --window 1h --model gpt-4o --label team=search --by label.tenant",
        "streamledger top --status open --once",
        "streamledger top --once --json | jq .headline",
    ),
)
@window_option
@click.option("--interval", default="1s", metavar="DURATION", show_default=True, help="Between two screens.")
@click.option("--model", metavar="NAME", help="Only requests of this model.")
@click.option("--provider", metavar="NAME", help="Only requests of this provider.")
@click.option("--status", type=click.Choice(STATUSES), help="Only requests with it; closed: with any record.")
@click.option("--stream-type", metavar="TYPE", help="Only requests of this type.")
@click.option("--label", "labels", metavar="KEY=VALUE", multiple=True, help="Only requests with it; all must hold.")
@click.option(
    "--by",
    "names",
    metavar="NAME",
    multiple=True,
    default=("model",),
    show_default=True,
    help="Show money by model, provider or label.NAME; may be repeated.",
)
@click.option(
    "--requests", type=click.IntRange(0), default=20, metavar="N", show_default=True, help="Requests that --once lists."
)
@click.option("--once", is_flag=True, help="Print one text when the window is read, and end.")
@json_option
@with_settings(*KAFKA, "ledger", "chunk_topic", "record_topic", "dead_topic", "session_window")
def command(loaded: Loaded, *, once: bool, as_json: bool, window: str, interval: str, **asked: Any) -> int:
    """Show it."""
    from pipeline.ops.live import Filter
    from pipeline.topics.selection import labels_of

    settings = loaded.settings
    start_logging(settings.model_copy(update={"log_level": "critical"}))  # trouble is on the screen, not across it
    named = {name: asked[name] for name in ("model", "provider", "status", "stream_type")}
    order = _Asked(
        Filter(**named, labels=labels_of(asked["labels"])),
        tuple(dict.fromkeys(asked["names"])),
        options.window(window),
        duration("--interval", interval) / 1_000,
        asked["requests"],
    )
    if order.interval <= 0:
        raise UsageError(f"--interval {interval}: no time lies between the screens", hint="write for example 1s")
    if once or as_json or not sys.stdout.isatty():
        return asyncio.run(_once(settings, order, as_json=as_json))
    asyncio.run(_watch(settings, order))
    return OK


@contextlib.asynccontextmanager
async def _following(settings: Settings, asked: _Asked, ended: asyncio.Event) -> AsyncIterator[Live]:
    """The ledger, followed for the block; that Kafka is there is made sure of first.

    `ended` is set where the following ends by itself, which is a fault of ours and raised at the end of the block.
    """
    from pipeline.ops.live import Live
    from pipeline.settings import client
    from pipeline.topics.admin import counts
    from pipeline.topics.ending import finish

    await counts(client(settings), [settings.chunk_topic, settings.record_topic, settings.dead_topic])
    live = Live(settings, window=asked.window)
    live.snapshot(asked.where, strips=0, money=asked.names)  # what can't be asked for is said before anything is read
    task = asyncio.ensure_future(live.run())
    task.add_done_callback(lambda _: ended.set())
    try:
        yield live
    finally:
        await finish(task)


async def _once(settings: Settings, asked: _Asked, *, as_json: bool) -> int:
    """Read the window, print it."""
    from pipeline.ops.live.document import document
    from pipeline.topics.reader import Seen

    ended = asyncio.Event()
    async with _following(settings, asked, ended) as live:
        with bar() as progress:
            version, most = 0, 0
            while not (live.caught_up or live.trouble or ended.is_set()):
                version = await live.changed(version, asked.interval)
                most = max(most, live.behind)
                progress(Seen("the last minutes", most - live.behind, most))
        if as_json:
            names = tuple(dict.fromkeys(("model", "provider", *asked.names)))
            click.echo(document(live.snapshot(asked.where, strips=asked.requests, money=names)))
        else:
            for line in screen(_view(live, asked, asked.requests), asked.names):
                click.echo(line.text)
        return OK if live.trouble is None else FOUND_PROBLEM


async def _watch(settings: Settings, asked: _Asked) -> None:
    """Screen after screen, until somebody ends it."""
    from rich.console import Console, Group
    from rich.live import Live as Display
    from rich.text import Text

    console, ended = Console(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with _following(settings, asked, ended) as live:
        with _keys(ended), Display(console=console, screen=True, auto_refresh=False) as display:
            while not ended.is_set():
                width, height = console.size
                lines = screen(_view(live, asked, min(height, ROWS)), asked.names, width, height - 1)
                texts = [Text(line.text, STYLES[line.style], no_wrap=True, overflow="ellipsis") for line in lines]
                display.update(Group(*texts), refresh=True)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), asked.interval)


def _view(live: Live, asked: _Asked, rows: int) -> View:
    """Now, the requests that are open the longest, and those that have finished lately."""
    where = asked.where
    opened: Sequence[Strip] = ()
    closed: Sequence[Strip] = ()
    now = live.snapshot(where, strips=0, money=asked.names)
    if where.status in (None, "open"):
        opened = live.snapshot(replace(where, status="open"), strips=rows, order="oldest", money=()).strips
    if where.status != "open":
        closed = live.snapshot(replace(where, status=where.status or "closed"), strips=rows, money=()).strips
    return View(now, opened, sorted(closed, key=lambda strip: -strip.seen_at))


@contextlib.contextmanager
def _keys(ended: asyncio.Event) -> Iterator[None]:
    """`q` ends it; without a terminal on stdin only a signal does."""
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    loop = asyncio.get_running_loop()

    def pressed() -> None:
        if {b"q", b"Q", b""} & {os.read(stdin, 1)}:
            ended.set()

    tty.setcbreak(stdin)
    loop.add_reader(stdin, pressed)
    try:
        yield
    finally:
        loop.remove_reader(stdin)
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)
