"""Commands that documents and files of other tools show: found in their texts, and parsed as the shell would."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Sequence

import click

from pipeline.cli.shell import COMMANDS

_BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(streamledger [^`]+)`")


def shown(markdown: str) -> list[str]:
    """Every command line of ours in a document: those in blocks, and those between backticks."""
    blocks = [line for block in _BLOCK.findall(markdown) for line in block.splitlines()]
    return [line for line in blocks if line.startswith("streamledger ")] + [
        " ".join(found.split()) for found in _INLINE.findall(_BLOCK.sub("", markdown))
    ]


def parse(words: Sequence[str]) -> None:
    """Read the words after `streamledger`, and run nothing.

    Raises:
        click.ClickException: there is no such command, option or value.
    """
    if list(words) == ["--version"]:
        return
    name, *rest = words
    if name not in COMMANDS:
        raise click.UsageError(f"there is no command {name}")
    command: click.Command = importlib.import_module(f"pipeline.cli.{name}").command
    context: click.Context | None = None
    while isinstance(command, click.Group):
        context = click.Context(command, info_name=name, parent=context)
        found = command.get_command(context, rest[0]) if rest else None
        if found is None:
            raise click.UsageError(f"{name} has no command {' '.join(rest[:1])}")
        command, (name, *rest) = found, rest
    command.make_context(name, list(rest), parent=context).close()


def parsed(line: str) -> None:
    """The same of a whole line, with its comment and without what it is piped into.

    Raises:
        click.ClickException: as above.
    """
    first, *words = shlex.split(line, comments=True)
    assert first == "streamledger"
    parse(words)
