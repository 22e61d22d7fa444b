"""The command `replay`, run in this process on the ledger of a test."""

from __future__ import annotations

from pipeline.cli.shell import main
from pipeline.settings import Settings

TOLD = ("bootstrap_servers", "ledger", "chunk_topic", "record_topic", "session_window", "finish_grace", "clock_slack")


def arguments(settings: Settings) -> list[str]:
    """Settings as flags of a command."""
    told = {name: getattr(settings, name) for name in TOLD}
    return [f"--{name.replace('_', '-')}={value}{'ms' * isinstance(value, int)}" for name, value in told.items()]


def replay(settings: Settings, *options: str) -> int:
    """The exit code of the command."""
    code: int = main.main(["replay", *arguments(settings), *options], standalone_mode=False)
    return code
