"""`streamledger reprice` without a Kafka: what it refuses, and that it says so in one line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result

Invoke = Callable[..., Result]

NOWHERE = ("--bootstrap-servers", "127.0.0.1:1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("--at", "soon"), "--at 'soon'", id="no time"),
        pytest.param(("--only", "gateway"), "--only", id="no kind"),
        pytest.param(("--from", "-1h", "-o", "@-1h:"), "leave one of them out", id="two ranges"),
        pytest.param(("--price-overlay", "missing.toml"), "missing.toml", id="no such file"),
    ],
)
def test_what_cannot_be_read_is_bad_usage(invoke: Invoke, arguments: tuple[str, ...], said: str) -> None:
    """Before anything is asked of Kafka."""
    result = invoke("reprice", *NOWHERE, *arguments)

    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [(), ("--execute",), ("--at", "2026-04-01")])
def test_a_kafka_that_does_not_answer_is_told_apart(invoke: Invoke, arguments: tuple[str, ...]) -> None:
    """Exit status 3."""
    result = invoke("reprice", *NOWHERE, *arguments)

    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1


def test_the_help_says_what_the_exit_codes_mean(invoke: Invoke) -> None:
    """And that nothing is sent unless told."""
    result = invoke("reprice", "--help")

    assert result.exit_code == 0
    assert "Exit codes: 0 all priced" in " ".join(result.stdout.split())
    assert "without it nothing is sent" in " ".join(result.stdout.split())
