"""`streamledger fold`: options to `pipeline.ops.fold`, records to stdout, dead letters apart."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Invoke = Callable[..., Result]


def chunk(request_id: str = "r1", **fields: Any) -> str:
    """A chunk line: one word of a chat."""
    message = {"choices": [{"index": 0, "delta": {"content": "word"}}]}
    base = {"request_id": request_id, "stream_type": "chat.completion", "chunk_index": 0}
    return json.dumps({**base, "timestamp": "2026-01-01T00:00:00Z", "response": message, **fields}) + "\n"


def test_each_request_is_one_record_line(invoke: Invoke) -> None:
    """At the end of input what is open is closed."""
    result = invoke("fold", stdin=chunk("r1") + chunk("r2"))

    assert result.exit_code == 0
    assert {json.loads(line)["request_id"] for line in result.stdout.splitlines()} == {"r1", "r2"}


def test_keep_open_leaves_unfinished_requests_out(invoke: Invoke) -> None:
    """A part of a topic says nothing about what comes after it."""
    assert not invoke("fold", "--keep-open", stdin=chunk()).stdout


def test_dead_letters_go_to_stderr_and_are_found_problems(invoke: Invoke) -> None:
    """Exit 1: the records are right, but something was refused."""
    result = invoke("fold", stdin="no json\n" + chunk())

    assert result.exit_code == 1
    assert json.loads(result.stderr)["reason"] == "not_json"
    assert json.loads(result.stdout)["request_id"] == "r1"


def test_dead_letters_can_go_to_a_file(invoke: Invoke, tmp_path: Path) -> None:
    """Then stderr is free of them."""
    path = tmp_path / "dead.jsonl"
    result = invoke("fold", "--dead-letters", str(path), stdin="no json\n")

    assert not result.stderr
    assert json.loads(path.read_text(encoding="utf-8"))["reason"] == "not_json"


def test_an_unwritable_file_is_noticed_before_folding(invoke: Invoke, tmp_path: Path) -> None:
    """Not after an hour of input."""
    result = invoke("fold", "--dead-letters", str(tmp_path / "no" / "dead.jsonl"), stdin=chunk())

    assert result.exit_code == 2
    assert not result.stdout


def test_settings_shape_the_records(invoke: Invoke) -> None:
    """By --set and by the setting's own flag alike."""
    whole = json.loads(invoke("fold", stdin=chunk()).stdout)
    by_set = json.loads(invoke("fold", "--set", "ledger=staging", stdin=chunk()).stdout)
    by_flag = json.loads(invoke("fold", "--ledger", "staging", stdin=chunk()).stdout)

    assert whole["record_id"] != by_set["record_id"]
    assert by_set == by_flag


def test_a_cut_stream_is_estimated_where_that_is_asked_for(invoke: Invoke) -> None:
    """Symptoms 16 and 17: marked, by characters or by a tokenizer; unasked nobody guesses."""
    found = {}
    for how in ("off", "characters", "tokenizer"):
        record = json.loads(invoke("fold", "--set", f"estimate_usage={how}", stdin=chunk()).stdout)
        found[how] = (record["token_usage"], record["usage_source"])

    assert found == {
        "off": (None, None),
        "characters": ({"completion_tokens": 1}, "estimated"),
        "tokenizer": ({"completion_tokens": 1}, "estimated"),
    }


def test_estimates_say_by_their_config_digest_what_made_them(invoke: Invoke) -> None:
    """Records made by other rules can be told apart; without estimates the digest is what it always was."""
    digests = [
        json.loads(invoke("fold", "--set", f"estimate_usage={how}", stdin=chunk()).stdout)["config_digest"]
        for how in ("off", "characters", "tokenizer")
    ]

    assert len(set(digests)) == 3
    assert digests[0] == json.loads(invoke("fold", stdin=chunk()).stdout)["config_digest"]


def test_a_missing_tokenizer_is_one_plain_line(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2 before anything is folded, and what to install."""
    monkeypatch.setitem(sys.modules, "bpe_openai", None)

    result = invoke("fold", "--set", "estimate_usage=tokenizer", stdin=chunk())

    assert (result.exit_code, result.stdout) == (2, "")
    assert "pip install 'streamledger[estimate]'" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
