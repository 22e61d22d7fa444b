"""The options by which commands are told which part of a topic they look at, and at which requests in it (CONTRACT §6).

Owns the flags; their grammar is `pipeline.topics.selection`.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, Final

import rich_click as click

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]

_PANEL: Final = "Range"


def with_selection(what: str) -> Decorator:
    """Give a command the flags of a range of `what`, and a `selection` argument (pipeline.topics.selection)."""

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            from pipeline.topics.selection import selection

            told = {
                name: kwargs.pop(name) for name in ("since", "until", "span", "partitions", "request_ids", "labels")
            }
            return function(*args, selection=selection(**told, now_ms=int(time.time() * 1_000)), **kwargs)

        command: Command = click.option_panel(_PANEL)(run)
        for option in reversed(_options(what)):
            command = option(command)
        return command

    return decorate


def _options(what: str) -> list[Decorator]:
    return [
        click.option(
            "--from",
            "since",
            metavar="POSITION",
            help=f"First of {what}: a time (RFC 3339, or ago: -24h), an offset, earliest. [default: all that is kept]",
            panel=_PANEL,
        ),
        click.option(
            "--to", "until", metavar="POSITION", help="Where it ends, exclusive. [default: the end now]", panel=_PANEL
        ),
        click.option(
            "-o", "--range", "span", metavar="@FROM:TO", help="Both in one; either may be left out.", panel=_PANEL
        ),
        click.option("--partitions", metavar="0,2,5-7", help="Only these partitions. [default: all]", panel=_PANEL),
        click.option(
            "--request-id",
            "request_ids",
            metavar="ID",
            multiple=True,
            help="Only this request; may be repeated.",
            panel=_PANEL,
        ),
        click.option(
            "--label",
            "labels",
            metavar="KEY=VALUE",
            multiple=True,
            help="Only requests with this label; may be repeated, all must hold.",
            panel=_PANEL,
        ),
    ]
