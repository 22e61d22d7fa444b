"""Options that commands share: settings as flags, `--set`, `--config`, `--json`, and the examples of a help text.

Owns how the command line becomes settings. Imports rich-click and `pipeline.settings`; logging when it starts.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import rich_click as click
from click import get_current_context

from pipeline.errors import UsageError
from pipeline.settings import NAMES, Loaded, Settings, default, load, placeholder, secret, what
from pipeline.settings.units import DURATION

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]

KAFKA: Final = ("bootstrap_servers", *(name for name in NAMES if name.startswith(("security_", "sasl_", "ssl_"))))
"""Settings of every command that talks to Kafka."""
SHOWING: Final = tuple(name for name in NAMES if name.startswith("metrics_"))
"""Settings of every command that shows metrics."""
LOGGING: Final = ("log_level", "log_format")
"""Settings of every command that logs."""
POLICY: Final = (
    "ledger",
    "finish_grace",
    "attempt_grace",
    "session_window",
    "max_request_age",
    "revise_window",
    "marker_retention",
    "late_policy",
    "max_chunk_bytes",
    "max_bytes",
    "max_chunks",
    "max_record_bytes",
    "capture",
    "price_overlay",
)
"""Settings that decide what a record says."""

WINDOWS: Final = range(1, 24 * 3_600 + 1)
"""Seconds of a window that the topics are read back for, at every start."""


def with_settings(*names: str) -> Decorator:
    """Give a command the named settings as `--kebab-case` flags, all of them as `--set`, and a `loaded` argument.

    Secrets get no flag of their own: a command line can be read by everyone on the machine.
    """
    flags = [name for name in NAMES if name in names and not secret(name)]

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def run(*args: Any, config: Path | None, assignments: tuple[str, ...], **kwargs: Any) -> Any:
            given = {name: kwargs.pop(_parameter(name)) for name in flags}
            chosen = assigned(assignments) | {name: value for name, value in given.items() if value is not None}
            kwargs["loaded"] = load(config=config or _global_config(), flags=chosen)
            return function(*args, **kwargs)

        command: Command = _assignments(_config(run))
        for name in reversed(flags):
            command = _flag(name)(command)
        return click.option_panel("Options")(click.option_panel("Settings")(command))

    return decorate


def assigned(assignments: tuple[str, ...]) -> dict[str, str]:
    """The values of `--set key=value`; the key may be written with dashes.

    Raises UsageError for an assignment without `=`.
    """
    values = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(
                f"--set {key} has no value", hint="write --set key=value, for example --set finish_grace=5s"
            )
        values[key.strip().replace("-", "_")] = value.strip()
    return values


def start_logging(settings: Settings, *, third_party: Literal["warning", "critical"] = "critical") -> None:
    """Start logging as the settings say.

    Args:
        settings: level and form.
        third_party: the libraries' threshold: `warning` for a service; `critical` for a command whose one error line
            already says what the client's retries would say many times.
    """
    from pipeline import log

    quiet: log.Level = "info" if settings.log_level == "debug" else third_party
    log.configure(level=settings.log_level, form=settings.log_format, third_party=quiet)


def duration(flag: str, text: str) -> int:
    """Milliseconds that the value of a flag stands for.

    Raises UsageError for what is no duration.
    """
    try:
        return DURATION.parse(text)
    except ValueError as wrong:
        raise UsageError(f"{flag} {text}: {wrong}") from None


def window(text: str) -> int:
    """Seconds that the value of `--window` stands for.

    Raises UsageError for what is no duration, or not within WINDOWS.
    """
    seconds = duration("--window", text) // 1_000
    if seconds not in WINDOWS:
        raise UsageError(f"--window {text} is not between 1s and 24h", hint="write for example 15m")
    return seconds


def database(settings: Settings) -> str:
    """The DuckDB file of a ledger's records, where no other database is named."""
    return str(settings.data_dir / f"{settings.ledger}.duckdb")


def examples(*lines: str) -> str:
    """The examples below a command's help."""
    return "\n\n".join(("Examples:", *(f"$ {line}" for line in lines)))


class OutputFile(click.Path):
    """A file that is to be written, seen to be possible before the work whose result it is for is begun."""

    def __init__(self) -> None:
        """It need not be there, nor be readable."""
        super().__init__(dir_okay=False, readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; bad usage where no file can be made."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        folder = path.resolve().parent
        if not folder.is_dir():
            self.fail(f"there is no directory {path.parent}", param, ctx)
        if not os.access(path if path.exists() and not path.is_file() else folder, os.W_OK):
            self.fail(f"{path.parent} may not be written to", param, ctx)
        return path


input_argument = click.argument("file", type=click.File("rb"), default="-", metavar="[FILE|-]")
"""For every command that reads lines."""

window_option = click.option(
    "--window", default="15m", show_default=True, metavar="DURATION", help="How far back figures and requests go."
)
"""For every command that shows the ledger as it is now; its value is for `window`."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
"""For every command that prints a table or a summary."""


def _global_config() -> Path | None:
    """The file of `streamledger --config FILE command`."""
    config: Path | None = get_current_context().find_root().params.get("config")
    return config


def _parameter(name: str) -> str:
    """The click parameter of a setting, apart from the command's own arguments."""
    return f"setting_{name}"


def _flag(name: str) -> Decorator:
    """The option of one setting. Its value stays a text: checking and converting are the settings' own."""
    preset = default(name)
    words = placeholder(name)
    return click.option(
        f"--{name.replace('_', '-')}",
        _parameter(name),
        metavar=words,
        type=click.Choice(words.split("|")) if "|" in words else str,
        help=what(name) + (f" [default: {preset}]" if preset else ""),
        panel="Settings",
    )


_config = click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="Settings in a TOML file.", panel="Settings"
)
_assignments = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any setting by name; may be repeated. The environment has them too, as STREAMLEDGER_KEY.",
    panel="Settings",
)

__all__ = [
    "KAFKA",
    "LOGGING",
    "POLICY",
    "Loaded",
    "OutputFile",
    "assigned",
    "database",
    "duration",
    "examples",
    "input_argument",
    "json_option",
    "start_logging",
    "window",
    "window_option",
    "with_settings",
]
