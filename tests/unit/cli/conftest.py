"""What tests of commands share: no settings from outside, and a runner."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from pipeline.cli import main

Invoke = Callable[..., Result]


@pytest.fixture(autouse=True)
def _no_settings_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own variables are none of a test's business, and a help text is as wide as everyone's."""
    for variable in list(os.environ):
        if variable.startswith("STREAMLEDGER_"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def invoke() -> Invoke:
    """Run `streamledger` in this process, through the same door as the console script."""

    def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), input=stdin)

    return run
