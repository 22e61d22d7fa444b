"""What tests of settings share: no settings from outside."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _no_settings_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own variables are none of a test's business."""
    for variable in list(os.environ):
        if variable.startswith("STREAMLEDGER_"):
            monkeypatch.delenv(variable)
