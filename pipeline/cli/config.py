"""`streamledger config`: the effective settings and where each came from.

Owns that output. Imports the settings; rich for the table.
"""

from __future__ import annotations

import json

import rich_click as click

from pipeline.cli.console import console
from pipeline.cli.options import examples, json_option, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.settings import NAMES, Loaded, secret, show, what, why


@click.command(
    help=f"{COMMANDS['config']} Secrets are masked.",
    epilog=examples(
        "streamledger config",
        "STREAMLEDGER_FINISH_GRACE=5s streamledger config --json",
        "streamledger config --config ledger.toml --changed",
    ),
)
@click.option("--changed", is_flag=True, help="Only what differs from the defaults' source.")
@json_option
@with_settings(*NAMES)
def command(loaded: Loaded, *, changed: bool, as_json: bool) -> None:
    """Print every setting, or those that a file, the environment or a flag has set."""
    names = [name for name in NAMES if not changed or loaded.origins[name].kind != "default"]
    if as_json:
        click.echo(json.dumps({name: _entry(loaded, name) for name in names}, indent=2))
        return
    _print_table(loaded, names)


def _entry(loaded: Loaded, name: str) -> dict[str, object]:
    """A setting for programs: value as it may be written in a file, origin, meaning."""
    value = getattr(loaded.settings, name)
    plain = value if isinstance(value, int) and show(name, value) == str(value) else show(name, value)
    origin = loaded.origins[name]
    return {
        "value": None if value is None else plain,
        "origin": origin.kind,
        "place": origin.place or None,
        "secret": secret(name),
        "meaning": what(name),
        "why_default": why(name),
    }


def _print_table(loaded: Loaded, names: list[str]) -> None:
    """A row for each setting; the last column names the file or the variable."""
    from rich.table import Table
    from rich.text import Text

    table = Table("setting", "value", "from", box=None, header_style="bold", pad_edge=False)
    for name in names:
        origin = loaded.origins[name]
        value = Text(show(name, getattr(loaded.settings, name)) or "–", overflow="fold")
        place = Text(origin.place or origin.kind, overflow="fold")
        table.add_row(name, value, place, style="dim" if origin.kind == "default" else None)
    console().print(table)
