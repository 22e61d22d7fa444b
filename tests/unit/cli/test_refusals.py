"""What can't be done is said before any work is begun: before Kafka is asked, a range is read, a file is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Invoke = Callable[..., Result]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("replay --from -1h --to -2h", "the range ends at -2h, before it begins at -1h"),
        ("replay -o @5:2", "the range ends at 2, before it begins at 5"),
        ("reconcile --from -1h --to -2h", "the range ends at -2h"),
        ("reconcile --from 2999-01-01T00:00:00Z", "begins in the future"),
        ("explain r1 --from -1h --to -2h", "the range ends at -2h"),
        ("usage --db none.duckdb --since -7d --until -8d", "the range ends at -8d"),
        ("usage --db none.duckdb --status sucess", "'sucess' is not one of 'success'"),
        ("usage --db none.duckdb --stream-type chat", "'chat' is not one of"),
        ("usage --db .", ". is a directory"),
        ("erase --request-id r1 --db absent", "there is no database absent"),
        ("reconcile --db absent", "there is no database absent"),
        ("usage --db mysql://u:secret@h/x", "mysql://u:***@h/x is no database that is known here"),
        ("replay --out absent/x", "there is no directory absent"),
        ("replay --parquet absent/x", "there is no directory absent"),
        ("replay --diff --cut absent/x", "there is no directory absent"),
        ("replay --out .", "is a directory"),
        ("replay --show -1", "-1 is not in the range"),
        ("reprice --out absent/x", "there is no directory absent"),
        ("export cloudevents --out absent/x", "there is no directory absent"),
        ("export focus --out absent/x", "there is no directory absent"),
        ("dead show 0:1 --value absent/x", "there is no directory absent"),
        ("demo --db absent/x", "there is no directory absent"),
        ("load --dry --ledger absent/x.jsonl", "there is no directory absent"),
        ("load --dry --chaos nan", "nan is no number"),
        ("load --dry --rate inf", "inf is no number"),
        ("reconcile --follow --state absent/x", "there is no directory absent"),
        ("reconcile --follow --interval 0s", "--interval 0s is too short"),
        ("reconcile --limit -1", "-1 is not in the range"),
        ("explain r1 --late soon", "--late soon: not a duration"),
        ("topics --bootstrap-servers localhost:99999", "ports end at 65535"),
        ("prices test --provider openai --model gpt-4o --input 1e99999999", "is no count"),
        ("prices test --provider openai --model gpt-4o --input 1 --expect nan", "expect 'nan' is no number"),
    ],
)
def test_what_can_not_be_done_is_bad_usage_at_once(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    """Exit 2 and one line, although no Kafka answers; a range in which nothing can be is no clean bill."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMLEDGER_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    result = invoke(*line.split())

    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", [("--start", "9999-12-31T23:59:59Z"), ("--interval-ms", "999999999999")])
def test_a_recording_does_not_go_on_past_the_end_of_time(invoke: Invoke, option: tuple[str, str]) -> None:
    """It was an internal error in the middle of the stream."""
    payload = json.dumps({"choices": [{"index": 0, "delta": {"content": "a"}}]})
    stdin = f"data: {payload}\n\n" * 30 + "data: [DONE]\n\n"
    result = invoke("chunks", "--provider", "openai-chat", "--request-id", "r", *option, stdin=stdin)

    assert result.exit_code == 2
    assert "internal error" not in result.stderr
