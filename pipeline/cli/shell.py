"""The command group: finds commands without importing them, and turns every way to fail into one line and an exit code.

Owns the list of commands, the global options and the error line of CONTRACT §6. Imports rich-click and
`pipeline.errors` only; a command's module is imported when the command is called.
"""

from __future__ import annotations

import difflib
import errno
import functools
import importlib
import os
import select
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import Any, Final

import rich_click as click
from click.exceptions import Abort

from pipeline.errors import BAD_USAGE, FOUND_PROBLEM, OK, StreamledgerError

INTERRUPTED: Final = 130
"""128 + SIGINT, as shells report a program that was stopped from the keyboard."""

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""A disk, a quota or a limit of file sizes that is used up: the path is right."""

COMMANDS: Final = {
    "demo": "Show the whole way of a chunk: broker, streams of all types, worker killed in mid-stream, records, audit.",
    "worker": "Run the worker that turns chunks into records.",
    "top": "Show what the ledger does now: open requests, figures of the last minutes, money, dead letters.",
    "topics": "Create the topics, or check that they are as promised.",
    "doctor": "Check this machine, Kafka and the ledger, and say what to do.",
    "broker": "Run an embedded Kafka in the foreground.",
    "config": "Show the effective settings and where each came from.",
    "chunks": "Turn a provider's recorded stream into chunk JSON lines.",
    "fold": "Fold chunk JSON lines into records, without a broker.",
    "explain": "Show how each number of a record arose, chunk by chunk, and whether its chunks give it again.",
    "replay": "Fold a range of the chunk topic again: to a file, a topic, or compared with the records.",
    "reprice": "Value past records with another price list, and correct those that it changes.",
    "sink": "Keep the records in a database, DuckDB or PostgreSQL, each exactly once.",
    "usage": "Show usage and cost of a database of records, by day, model, label and more.",
    "web": "Serve the live page: streams, requests, money and dead letters in a browser.",
    "erase": "Erase the content of some requests from the state and a database; say how long topics keep it.",
    "reconcile": "Hold chunks, records, a sink's database and somebody's usage file against each other.",
    "prices": "Show prices, try them on a usage, compare them.",
    "export": "Write records for others: CloudEvents for metering, FOCUS for cost reports, OTLP for observability.",
    "dead": "Count dead letters, look at them, and send them back once.",
    "spool": "List, send or remove what publishers keep on disk because Kafka did not take it.",
    "produce": "Send chunk JSON lines to the chunk topic.",
    "load": "Send realistic streams to the chunk topic, with a ledger of what must be billed for them.",
    "bench": "Measure the worker beside Kafka Streams and other peers.",
}
"""Every command and its line in `streamledger --help`; its module of the same name has it as `command`."""


class Shell(click.RichGroup):
    """A group whose commands are stubs until one of them is called."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, text in COMMANDS.items():
            self.add_command(click.RichCommand(name=name, help=text))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (the signature is click's)
        """The commands in the order of COMMANDS: what a newcomer needs comes first."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The real command instead of the stub; for an unknown one, the nearest that exists."""
        name = args[0]
        if name not in self.commands and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            ctx.fail(f"No such command {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        found, stub, rest = super().resolve_command(ctx, args)
        if stub is None:
            return found, stub, rest
        command: click.Command = importlib.import_module(f"pipeline.cli.{found}").command
        return found, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that has gone away (`| head`) ends it quietly."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            if not _reader_gone():
                raise
            # What is left in the buffer has nowhere to go; Python would complain about it at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK
        return code

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 (the signature is click's)
        **extra: Any,
    ) -> Any:
        """Run the program; unless embedded (`standalone_mode=False`), end the process with the command's exit code."""
        arguments = sys.argv[1:] if args is None else list(args)
        run: Callable[[], Any] = functools.partial(
            super().main, arguments, prog_name or "streamledger", complete_var, standalone_mode=False, **extra
        )
        if not standalone_mode:
            return run()
        code: Any
        try:
            code = run()
        except Exception as error:  # noqa: BLE001 (the one place where everything that went wrong becomes a line)
            code = report(error, debug="--debug" in arguments)
        sys.exit(code if isinstance(code, int) else OK)


def report(error: Exception, *, debug: bool) -> int:
    """Say on stderr, in one line, what is wrong and what to do next.

    Returns the exit code. Texts of unexpected exceptions are not shown: they may quote content (G7).
    """
    if debug and not isinstance(error, click.ClickException | Abort):
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, StreamledgerError):
        where = ", ".join(f"{name} {value}" for name, value in error.coordinates.items())
        return _say(error.message + (f" [{where}]" if where else ""), error.hint, error.exit_code)
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx is not None else "streamledger"
        return _say(error.format_message().rstrip("."), f"see `{path} --help`", BAD_USAGE)
    if isinstance(error, click.ClickException):
        return _say(error.format_message(), None, error.exit_code)
    if isinstance(error, Abort):
        return INTERRUPTED
    if isinstance(error, OSError) and error.strerror:
        name = f": {error.filename}" if error.filename is not None else ""
        hint = "make room, and run it again" if error.errno in FULL else "check the path and its permissions"
        return _say(f"{error.strerror}{name}", hint, FOUND_PROBLEM)
    hint = "run again with `streamledger --debug …` for the traceback"
    return _say(f"internal error: {type(error).__name__} at {_place(error)}", hint, FOUND_PROBLEM)


def _reader_gone() -> bool:
    """Whether it is the reader of our output that has closed the pipe, and not a peer on the network."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def _say(message: str, hint: str | None, code: int) -> int:
    """Print the one line and pass the exit code on."""
    line = " ".join(f"error: {message}{f' — {hint}' if hint else ''}".split())
    click.echo(line, err=True)
    return code


def _place(error: BaseException) -> str:
    """Where an unexpected exception came from: the innermost line of this project, else the innermost line."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "pipeline" in PurePath(frame.filename).parts] or list(frames)
    last = ours[-1]
    return f"{'/'.join(PurePath(last.filename).parts[-3:])}:{last.lineno}"


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 (click's callback)
    """Print the version of the installed distribution and stop."""
    if not wanted or ctx.resilient_parsing:
        return
    from importlib import metadata

    click.echo(f"streamledger {metadata.version('streamledger')}")
    ctx.exit()


EPILOG: Final = """Start with:

$ streamledger demo

$ streamledger chunks --provider openai-chat --request-id r1 stream.sse | streamledger fold

Exit codes: 0 ok · 1 found a problem · 2 bad usage · 3 can't reach Kafka."""


@click.group("streamledger", cls=Shell, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Settings in a TOML file.")
@click.option("--debug", is_flag=True, help="Print the traceback of an error.")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.pass_context
def main(ctx: click.Context, config: Path | None, debug: bool) -> None:  # noqa: FBT001, ARG001 (commands and the shell read them)
    """Chunk streams of LLM gateways into billing-grade records: each request once, on Kafka."""
    if os.environ.get("NO_COLOR"):
        ctx.color = False  # rich looks at it by itself, click does not
