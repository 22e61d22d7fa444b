"""The options by which exports are told what to read and where to bring it.

Owns the flags and what they exclude; the work is `pipeline.sinks.export`'s.
"""

from __future__ import annotations

import asyncio
import functools
import os
import random
import signal
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from pipeline.cli.options import KAFKA, LOGGING, OutputFile, duration, json_option, start_logging, with_settings
from pipeline.cli.ranges import with_selection
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.sinks.export.flow import Origin, Way
    from pipeline.sinks.export.post import Receiver
    from pipeline.topics.selection import Selection

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]
Options = Mapping[str, Any]

GIVE_UP: Final = "5m"
_PANEL: Final = "Delivery"
_RANGE: Final = {"since": "--from", "until": "--to", "partitions": "--partitions"}


def with_source(*settings: str) -> Decorator:
    """Give a command [FILE|-], a range of the record topic, --out, --json, and these settings beside those of Kafka."""

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def run(*args: Any, loaded: Any, **kwargs: Any) -> Any:
            start_logging(loaded.settings)
            return function(*args, loaded=loaded, **kwargs)

        command = with_selection("the records")(run)
        for option in reversed(_OUTPUT):
            command = option(command)
        return with_settings(*KAFKA, "record_topic", "ledger", *settings, *LOGGING)(command)

    return decorate


def with_address(function: Command) -> Command:
    """Give a command the options of an address over HTTP."""
    command = click.option_panel(_PANEL)(function)
    for option in reversed(_ADDRESS):
        command = option(command)
    return command


def with_courier(function: Command) -> Command:
    """Give a command the options of an address that single events go to."""
    command = function
    for option in reversed(_EVENTS):
        command = option(command)
    return with_address(command)


def origin_of(options: Options) -> Origin:
    """What is to be exported.

    Raises:
        UsageError: options exclude each other.
    """
    from pipeline.sinks.export.flow import Origin

    file, selection, follow = options["file"], options["selection"], bool(options.get("follow"))
    if file is not None:
        wrong = [flag for name, flag in _RANGE.items() if getattr(selection, name) is not None]
        wrong += ["--follow"] * follow + ["--positions"] * (options.get("positions") is not None)
        if wrong:
            raise UsageError(f"{wrong[0]} is of Kafka, and a FILE is read", hint="leave one of them out")
    if follow and (options["url"] is None or options["positions"] is None):
        raise UsageError("--follow needs --url and --positions", hint="--positions FILE keeps how far it has come")
    alone = [flag for flag in ("--dead-letters", "--positions") if options.get(flag[2:].replace("-", "_")) is not None]
    if alone and options["url"] is None:
        raise UsageError(f"{alone[0]} is of --url", hint="a file is written whole or not at all")
    return Origin(
        settings=options["loaded"].settings,
        selection=selection,
        lines=file,
        name=getattr(file, "name", ""),
        follow=follow,
        size=options.get("batch", 100),
    )


def way_of(export: str, url: str, options: Options) -> Way:
    """How events get to an address; `export` is named in the file of positions.

    Raises:
        UsageError: an option can't be used.
    """
    from pipeline.sinks.export.flow import Way
    from pipeline.sinks.export.positions import Positions

    if options["out"] is not None:
        raise UsageError("--out and --url are two targets", hint="leave one of them out")
    receiver = receiver_of(url, options)
    settings, path = options["loaded"].settings, options["positions"]
    belongs = {
        "export": export,
        "to": receiver.shown,
        "topic": settings.record_topic,
        "ledger": settings.ledger,
        "requests": _chosen(options["selection"]),
    }
    return Way(receiver, options["dead_letters"], None if path is None else Positions(path, belongs))


def receiver_of(url: str, options: Options, method: str = "POST") -> Receiver:
    """An address.

    Raises:
        UsageError: an option can't be used.
    """
    from pipeline.sinks.export.post import Receiver, receiver_url
    from pipeline.sinks.export.retry import Patience

    total = duration("--give-up-after", options["give_up_after"]) / 1_000
    return Receiver(receiver_url(url), Patience(random.random, total=total), _headers(options), method)


def run_until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run until it is done, or until SIGINT or SIGTERM, which are the ordinary end of what has none."""

    async def run() -> None:
        task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
        stopped = False

        def stop() -> None:
            nonlocal stopped
            stopped = True
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        try:
            await task
        except asyncio.CancelledError:
            if not stopped:
                raise

    asyncio.run(run())


def _chosen(selection: Selection) -> str:
    """Which requests are meant, as it is kept beside positions: what one choice has passed by another may want."""
    labels = [f"{name}={value}" for name, value in sorted(selection.labels.items())]
    return " ".join([*sorted(selection.request_ids or ()), *labels]) or "all"


def _headers(options: Options) -> dict[str, str]:
    headers = {}
    for text in options["headers"]:
        name, equals, value = text.partition("=")
        if not equals or not name or any(ord(character) < ord(" ") for character in text):
            raise UsageError("--header has no value", hint="write --header NAME=VALUE")
        headers[name] = value
    variable = options["token_env"]
    if variable is not None:
        token = os.environ.get(variable, "").strip()
        if not token:
            raise UsageError(f"the environment has no {variable}", hint="--token-env names where the token is")
        headers["Authorization"] = f"Bearer {token}"
    return headers


_OUTPUT: Final[tuple[Decorator, ...]] = (
    click.argument("file", type=click.File("rb"), required=False, metavar="[FILE|-]"),
    click.option(
        "--out",
        type=OutputFile(),
        metavar="FILE",
        help="Where to write; whole or not at all. [default: standard output]",
    ),
    json_option,
)
_ADDRESS: Final[tuple[Decorator, ...]] = (
    click.option("--url", metavar="URL", help="Send to this address over HTTP.", panel=_PANEL),
    click.option(
        "--header", "headers", metavar="NAME=VALUE", multiple=True, help="Sent along; may be repeated.", panel=_PANEL
    ),
    click.option(
        "--token-env",
        metavar="VARIABLE",
        help="Variable of the environment with a bearer token: a command line can be read by everyone.",
        panel=_PANEL,
    ),
    click.option(
        "--give-up-after",
        default=GIVE_UP,
        show_default=True,
        metavar="DURATION",
        help="How long a receiver that is not well is waited for.",
        panel=_PANEL,
    ),
)
_EVENTS: Final[tuple[Decorator, ...]] = (
    click.option(
        "--dead-letters",
        type=OutputFile(),
        metavar="FILE",
        help="Keep here what the receiver refuses, and go on. [default: the first refusal is the end]",
        panel=_PANEL,
    ),
    click.option(
        "--positions",
        type=OutputFile(),
        metavar="FILE",
        help="Begin where the last run with this file had come, and keep how far this one comes.",
        panel=_PANEL,
    ),
    click.option("--follow", is_flag=True, help="Go on with what comes, without an end.", panel=_PANEL),
    click.option(
        "--batch",
        type=click.IntRange(1, 10_000),
        default=100,
        show_default=True,
        metavar="N",
        help="Events a request.",
        panel=_PANEL,
    ),
)
