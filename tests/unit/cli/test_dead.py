"""`streamledger dead`: what is said before Kafka is asked for anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Invoke = Callable[..., Result]

NOBODY = ("--bootstrap-servers", "127.0.0.1:1")


@pytest.mark.parametrize("name", ["ls", "show", "redrive"])
def test_help_has_examples_and_exit_codes(invoke: Invoke, name: str) -> None:
    """Each command of the group."""
    told = invoke("dead", name, "--help")
    assert told.exit_code == 0
    assert f"$ streamledger dead {name}" in told.output
    assert "Exit codes: 0" in " ".join(told.output.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ls", "--reason", "boring"), "is no reason"),
        (("ls", "--from", "yesterday"), "no position"),
        (("redrive", "3-17"), "no place"),
        (("redrive", "--reason", "boring"), "is no reason"),
        (("redrive", "--value", "{file}"), "the value of one letter"),
        (("redrive", "1:2", "1:3", "--value", "{file}"), "the value of one letter"),
    ],
    ids=["reason", "position", "place", "redrive reason", "value alone", "value of two"],
)
def test_what_can_not_be_meant_is_bad_usage(
    invoke: Invoke, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    """Exit status 2, one line, and no connection."""
    file = tmp_path / "value"
    file.write_bytes(b"{}")
    told = invoke("dead", *(each.replace("{file}", str(file)) for each in arguments), *NOBODY)
    assert told.exit_code == 2
    assert says in told.stderr
    assert len(told.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("ls",), ("show", "1:2"), ("redrive", "--execute")], ids=lambda each: each[0])
def test_without_kafka_the_status_is_three(invoke: Invoke, arguments: tuple[str, ...]) -> None:
    """Nothing is sent where nothing can be read."""
    told = invoke("dead", *arguments, *NOBODY)
    assert told.exit_code == 3
    assert len(told.stderr.splitlines()) == 1
