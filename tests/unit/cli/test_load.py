"""`streamledger load` without a Kafka: lines, summary, ledger, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from pipeline.cli.load import PROFILES
from pipeline.ops.load.profile import PROFILES as KNOWN

Invoke = Callable[..., Result]


def test_dry_lines_repeat_and_fold(invoke: Invoke) -> None:
    """Equal seeds print equal bytes, `fold` makes a record of each request, the summary is on stderr."""
    one, same = (invoke("load", "--requests", "4", "--dry", "--json", "--chaos", "0.5") for _ in range(2))
    folded = invoke("fold", stdin=one.stdout)

    assert one.exit_code == 0
    assert one.stdout == same.stdout
    told = json.loads(one.stderr)
    assert (told["requests"], told["chunks"]) == (4, len(one.stdout.splitlines()))
    assert folded.exit_code == 0
    assert len(folded.stdout.splitlines()) == 4


def test_the_summary_names_every_kind(invoke: Invoke, tmp_path: Path) -> None:
    """A table for people; the ledger has a row for each request, with the labels that were asked for."""
    path = tmp_path / "sent.jsonl"
    result = invoke(
        "load", "--dry", "--profile", "audio", "--requests", "9", "--labels", "key=k=1", "--ledger", str(path)
    )
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    assert result.stderr.startswith("9 requests, ")
    assert "audio.speech" in result.stderr
    assert "states: ended 9" in result.stderr
    assert len(rows) == 9
    assert all(row["labels"]["key"] == "k=1" for row in rows)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--requests", "1", "--seconds", "1"), "exclude each other"),
        (("--timing", "real", "--rate", "5"), "--rate is of --timing none"),
        (("--labels", "team"), "--labels team is no label"),
        (("--labels", f"team={'x' * 257}"), "a value 256"),
        (tuple(f"--labels=k{number}=v" for number in range(31)), "31 labels are too many"),
        (("--ledger", "sent.csv", "--dry"), "not .jsonl"),
        (("--chaos", "2"), "--chaos"),
        (("--profile", "video"), "--profile"),
    ],
)
def test_bad_usage_is_said(invoke: Invoke, arguments: tuple[str, ...], words: str) -> None:
    """Exit 2, before anything is sent."""
    result = invoke("load", *arguments)

    assert result.exit_code == 2
    assert words in result.stderr


def test_help_has_examples_and_all_profiles(invoke: Invoke) -> None:
    """What can be asked for is what there is."""
    text = invoke("load", "--help").stdout

    assert "streamledger reconcile --usage-file sent.jsonl" in text
    assert tuple(KNOWN) == PROFILES
