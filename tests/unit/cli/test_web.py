"""`web`, and `demo --web`: what is checked before anything starts, and what is served."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from pipeline.cli import web as web_command
from pipeline.settings import Settings

Invoke = Callable[..., Result]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, int]]:
    """What would be served: settings and window."""
    found: list[tuple[Settings, int]] = []

    async def look(settings: Settings, window: int, *, aside: bool = False) -> None:
        assert not aside
        found.append((settings, window))

    monkeypatch.setattr(web_command, "look", look)
    return found


def test_it_serves_this_machine_a_quarter_of_an_hour_without_content(
    invoke: Invoke, served: list[tuple[Settings, int]]
) -> None:
    """Nothing more unasked."""
    assert invoke("web").exit_code == 0
    ((settings, window),) = served

    assert (settings.web_address, settings.web_content, window) == ("127.0.0.1:8420", False, 900)


def test_flags_say_how_far_back_and_whether_answers_are_shown(
    invoke: Invoke, served: list[tuple[Settings, int]]
) -> None:
    """By flag, or by setting."""
    assert invoke("web", "--window", "1h", "--content", "--web-address", "127.0.0.1:0").exit_code == 0
    assert invoke("web", "--web-content", "true").exit_code == 0

    assert [(each.web_content, window) for each, window in served] == [(True, 3_600), (True, 900)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--window", "2d"), "is not between 1s and 24h"),
        (("--window", "soon"), "--window soon"),
        (("--web-address", "0.0.0.0:8420"), "STREAMLEDGER_WEB_TOKEN"),
        (("--set", "web_token=short"), "web_token"),
        (("--set", "web_content_token=0123456789abcdef"), "web_content_token needs web_token"),
    ],
)
def test_what_can_not_be_served_is_bad_usage(
    invoke: Invoke, served: list[tuple[Settings, int]], arguments: tuple[str, ...], words: str
) -> None:
    """In one line, and no token is in it."""
    result = invoke("web", *arguments)

    assert result.exit_code == 2
    assert words in result.stderr
    assert "0123456789abcdef" not in result.stderr
    assert served == []


@pytest.mark.parametrize("arguments", [("web",), ("demo", "--web")])
def test_a_missing_extra_is_named(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    """Before anything is started."""

    def find_spec(name: str) -> Any:
        return None if name == "starlette" else sys.modules[__name__].__spec__

    monkeypatch.setattr(web_command, "find_spec", find_spec)
    result = invoke(*arguments)

    assert result.exit_code == 2
    assert "the live page needs starlette" in result.stderr
    assert "streamledger[web]" in result.stderr
