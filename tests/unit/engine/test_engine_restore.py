"""A restore that fails: what is tried again, and when."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.engine import engine as module
from pipeline.engine.engine import Engine
from pipeline.errors import AccessRefused, BrokerFault, Fenced, StateLost
from tests.unit.engine.fakes import config


class Tries:
    """A task whose restores fail with these errors in turn, then succeed; and the group, which is asked in between."""

    number = 0

    def __init__(self, *errors: Exception) -> None:
        """None is under way."""
        self.errors, self.log = list(errors), list[str]()
        self.answers = [False, False, True, True]

    async def restore(self) -> None:
        """Fail, or not."""
        self.log.append("restore")
        if self.errors:
            raise self.errors.pop(0)

    async def let_go(self) -> None:
        """Close what was begun."""
        self.log.append("let go")

    def joined(self) -> bool:
        """Whether the group knows us."""
        self.log.append("joined")
        return self.answers.pop(0)


def tried(directory: Path, tries: Tries, patience: float = 60.0) -> None:
    """Let the engine restore the task."""
    made = config(directory)

    async def scenario() -> None:
        engine = SimpleNamespace(
            config=replace(made, timing=replace(made.timing, restore=patience)),
            host=tries,
            _restores=asyncio.Semaphore(1),
        )
        await Engine._restore(cast("Any", engine), cast("Any", tries))

    asyncio.run(scenario())


def test_a_broker_that_fails_meanwhile_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ours yet: what was begun is closed and begun anew, once the group says that it is still ours."""
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.0)
    away = BrokerFault("the fence row is not delivered")
    tries = Tries(away, away)
    tried(tmp_path, tries)

    assert tries.log == [
        *("restore", "let go", "joined", "joined", "joined"),
        *("restore", "let go", "joined"),
        "restore",
    ]


@pytest.mark.parametrize(
    ("error", "patience"),
    [(BrokerFault("gone"), -1.0), (AccessRefused("no right"), 60.0), (Fenced("another"), 60.0), (StateLost("x"), 60.0)],
)
def test_what_waiting_does_not_help_is_raised(tmp_path: Path, error: Exception, patience: float) -> None:
    """A broker that stays away, a right that is missing, another owner, a state that is lost."""
    with pytest.raises(type(error)) as caught:
        tried(tmp_path, Tries(error), patience)

    assert caught.value is error
