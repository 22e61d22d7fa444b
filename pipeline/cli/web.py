"""`streamledger web`: the live page, in a browser.

Owns the options and what is printed; the page is `pipeline.web`.
"""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import Final

import rich_click as click

from pipeline.cli import options
from pipeline.cli.options import KAFKA, LOGGING, POLICY, examples, start_logging, window_option, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.errors import OK, UsageError
from pipeline.settings import NAMES, Loaded, Settings

LIBRARIES: Final = ("jinja2", "sse_starlette", "starlette", "uvicorn")
"""Of the extra [web]."""


@click.command(
    help=f"{COMMANDS['web']} Streams as they come and what they cost, requests in flight, one request with its chunks "
    "and its evidence, money, dead letters. It reads the topics without a group and writes nothing. Other machines see "
    "it only with web_token, which browsers are asked for and programs show as `Authorization: Bearer`; answers and "
    "tool calls are shown only with --content, web_content or web_content_token. Give it the worker's settings: "
    "a request is explained by them.",
    epilog=examples(
        "streamledger web",
        "streamledger web --window 1h --content",
        "STREAMLEDGER_WEB_TOKEN=$(openssl rand -hex 16) streamledger web --web-address 0.0.0.0:8420",
        "curl -s localhost:8420/api/snapshot",
    ),
)
@window_option
@click.option("--content", is_flag=True, help="Show answers and tool calls to everybody who may see the page.")
@with_settings(
    *KAFKA,
    *("chunk_topic", "record_topic", "dead_topic"),
    *POLICY,
    *(name for name in NAMES if name.startswith("web_")),
    *LOGGING,
)
def command(loaded: Loaded, *, window: str, content: bool) -> int:
    """Serve until it is stopped."""
    require(loaded.settings)
    start_logging(loaded.settings, third_party="warning")
    seconds = options.window(window)
    shown = loaded.settings.model_copy(update={"web_content": True}) if content else loaded.settings
    asyncio.run(look(shown, seconds))
    return OK


def require(settings: Settings) -> None:
    """See that the page can be served, before anything is started for it.

    Raises:
        UsageError: its libraries are not installed, or the settings must not be served.
    """
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"the live page needs {', '.join(missing)}", hint="install the extra: pip install 'streamledger[web]'"
        )
    from pipeline.web.server import check

    check(settings)


async def look(settings: Settings, window: int, *, aside: bool = False) -> None:
    """Serve the page of a ledger, `window` seconds of it, until a signal; where it is stands on stdout, or `aside`."""
    from pipeline.ops.live import Live
    from pipeline.web import serve

    def ready(url: str) -> None:
        click.echo(f"Streamledger is at {url}   (Ctrl-C ends it)", err=aside)

    await serve(settings, Live(settings, window=window), ready)
