"""Settings of the engine's tests: short windows, so that what never ends expires within the test."""

from __future__ import annotations

import pytest

from pipeline.settings import Settings


@pytest.fixture
def brisk(settings: Settings) -> Settings:
    """The test's ledger with windows of a second or two."""
    return settings.model_copy(
        update={"finish_grace": 300, "attempt_grace": 500, "session_window": 4_000, "clock_slack": 1_000}
    )
