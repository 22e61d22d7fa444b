"""`streamledger explain` on files: table and JSON, exit codes, options, and content that never shows (G7)."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from pipeline.testing.chunk import (
    Document,
    cancelled,
    chat,
    chunk,
    encoded,
    error,
    event,
    image,
    marker,
    speech,
    transcript,
    usage,
)
from tests.unit.ops.explain.telling import placed

Invoke = Callable[..., Result]
SECRET = "planted-secret-words"


def lines(*chunks: Document) -> bytes:
    """A file of chunks."""
    return b"".join(encoded(each) + b"\n" for each in chunks)


DONE = lines(chat(0, "a", finish="stop"), usage(1, cost=0.5), marker(2))


def record_of(invoke: Invoke, data: bytes, path: Path) -> Path:
    """The record that `fold` prints of a file, in a file."""
    path.write_text(invoke("fold", stdin=data).stdout, encoding="utf-8")
    return path


def test_a_file_is_explained_as_a_table(invoke: Invoke, tmp_path: Path) -> None:
    """By name as by standard input."""
    path = tmp_path / "chunks.jsonl"
    path.write_bytes(DONE)
    by_name, by_pipe = invoke("explain", "r-1", str(path)), invoke("explain", "r-1", "-", stdin=DONE)

    assert by_name.exit_code == 0
    assert by_name.stdout == by_pipe.stdout
    assert "success: its end was seen" in by_name.stdout
    assert not by_name.stderr


def test_the_same_as_json_has_stable_names(invoke: Invoke) -> None:
    """One document, whose names other programs rely on."""
    document = json.loads(invoke("explain", "r-1", "-", "--json", stdin=DONE).stdout)

    assert set(document) == {
        *("request_id", "state", "position", "summary", "timeline", "numbers", "usage_as_sent", "attempts"),
        *("closings", "outlook", "gaps", "duplicates", "conflicts", "late", "dead_letters", "cost", "evidence"),
        *("comparison", "notes"),
    }
    assert set(document["numbers"][0]) == {"field", "value", "rule", "meaning", "chunks", "note"}
    assert document["numbers"][0]["chunks"] == [{"offset": 2, "attempt": 0, "chunk_index": 1}]


def test_a_request_that_is_not_there_is_a_found_problem(invoke: Invoke) -> None:
    """One line, exit 1."""
    result = invoke("explain", "r-9", "-", stdin=DONE)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: no chunk of the request among 3 lines [request_id r-9]")
    assert result.stderr.count("\n") == 1


def test_a_record_that_holds_is_said_to(invoke: Invoke, tmp_path: Path) -> None:
    """`--record` beside a FILE compares the two."""
    path = record_of(invoke, DONE, tmp_path / "records.jsonl")
    result = invoke("explain", "r-1", "-", "--record", str(path), stdin=DONE)

    assert result.exit_code == 0
    assert "rebuilt revision 0: identical digest" in result.stdout


def test_a_record_that_was_changed_is_a_found_problem(invoke: Invoke, tmp_path: Path) -> None:
    """With the field and both values, because it is money."""
    path = record_of(invoke, DONE, tmp_path / "records.jsonl")
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {"cost": 0.05}), encoding="utf-8")
    result = invoke("explain", "r-1", "-", "--record", str(path), stdin=DONE)

    assert result.exit_code == 1
    assert "cost: record 0.05, rebuilt 0.5" in result.stdout
    assert "changed after it was made" in result.stdout


def test_a_record_under_other_settings_says_so_and_holds_under_its_own(invoke: Invoke, tmp_path: Path) -> None:
    """The settings of the worker are a part of what a record is."""
    path = tmp_path / "records.jsonl"
    path.write_text(invoke("fold", "--ledger", "staging", stdin=DONE).stdout, encoding="utf-8")
    wrong = invoke("explain", "r-1", "-", "--record", str(path), stdin=DONE)
    right = invoke("explain", "r-1", "-", "--record", str(path), "--ledger", "staging", stdin=DONE)

    assert (wrong.exit_code, right.exit_code) == (1, 0)
    assert "made under other settings" in wrong.stdout


def test_a_record_file_without_the_request_is_a_found_problem(invoke: Invoke, tmp_path: Path) -> None:
    """So is one that holds no record."""
    path = record_of(invoke, lines(chat(0, "a", request_id="r-2")), tmp_path / "records.jsonl")
    strange = tmp_path / "strange.jsonl"
    strange.write_text("{}\n", encoding="utf-8")
    missing = invoke("explain", "r-1", "-", "--record", str(path), stdin=DONE)
    broken = invoke("explain", "r-1", "-", "--record", str(strange), stdin=DONE)

    assert (missing.exit_code, broken.exit_code) == (1, 1)
    assert "none of the 1 records" in missing.stderr
    assert "strange.jsonl line 1 is no record" in broken.stderr


def test_keep_open_leaves_the_request_open(invoke: Invoke) -> None:
    """As in `fold`."""
    data = b"".join(line + b"\n" for line in placed((0, chat(0, "a"))))
    document = json.loads(invoke("explain", "r-1", "-", "--json", "--keep-open", stdin=data).stdout)

    assert document["state"] == "open"
    assert document["outlook"]["deadline"] == "2026-01-01T00:05:00.000Z"


def test_all_shows_the_middle_of_a_long_stream(invoke: Invoke) -> None:
    """Without it the middle is one line."""
    data = lines(*(chat(index, "ab") for index in range(200)), marker(200))
    short, long = (invoke("explain", "r-1", "-", *flags, stdin=data).stdout for flags in ([], ["--all"]))

    assert long.count("text 2 ch") == 200
    assert short.count("text 2 ch") < 10


@pytest.mark.parametrize("option", [("--from", "-1h"), ("--to", "5"), ("--partition", "all")])
def test_options_of_kafka_beside_a_file_are_bad_usage(invoke: Invoke, option: tuple[str, str]) -> None:
    """They would be ignored in silence."""
    result = invoke("explain", "r-1", "-", *option, stdin=DONE)

    assert result.exit_code == 2
    assert f"{option[0]} is of Kafka" in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--keep-open",), "--keep-open is of a FILE"),
        (("--from", "yesterday"), "'yesterday' is no position in a topic"),
        (("--partition", "one"), "--partition one is no partition"),
        (("--late", "soon"), "--late soon: not a duration"),
        (("--set", "colour=red"), "unknown setting 'colour'"),
    ],
)
def test_wrong_options_are_bad_usage_before_kafka_is_asked(invoke: Invoke, options: tuple[str, ...], said: str) -> None:
    """One line that says what is wrong."""
    result = invoke("explain", "r-1", *options)

    assert result.exit_code == 2
    assert said in result.stderr


def test_without_kafka_the_exit_status_is_3(invoke: Invoke) -> None:
    """Nobody listens on port 1."""
    result = invoke("explain", "r-1", "--bootstrap-servers", "127.0.0.1:1")

    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == (
        "error: no Kafka answers at 127.0.0.1:1 — check bootstrap_servers and security_protocol; "
        "`streamledger broker` starts one\n"
    )


def test_the_help_has_examples(invoke: Invoke) -> None:
    """As every command's has."""
    result = invoke("explain", "--help")

    assert result.exit_code == 0
    assert "streamledger explain req-7 chunks.jsonl" in result.stdout


# ---- G7 ------------------------------------------------------------------------------------------------------------


def planted() -> list[Document]:
    """A chunk for every place that holds content, in a request of each type."""
    call = {"index": 0, "id": "c", "function": {"name": SECRET + " with spaces", "arguments": SECRET}}
    delta = {
        "role": "assistant",
        "content": [{"text": SECRET}, {"thinking": SECRET}],
        "refusal": SECRET,
        "reasoning": SECRET,
        "reasoning_details": [{"index": 0, "text": SECRET, "signature": SECRET}],
        "annotations": [{"title": SECRET}],
        "audio": {"id": "a", "transcript": SECRET},
        "tool_calls": [call],
    }
    payload = {
        "choices": [{"index": 0, "delta": delta, "logprobs": {"content": [{"token": SECRET}]}}],
        "extra_fields": {"raw_request": {"q": SECRET}, "raw_response": SECRET, "cache_debug": {"key": SECRET}},
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "note": SECRET},
    }
    item = {"type": "message", "content": [{"type": "output_text", "text": SECRET}]}
    output = {"status": "completed", "output": [item], "usage": {"input_tokens": 5, "output_tokens": 2}}
    return [
        chunk(0, payload, raw_request={"messages": [SECRET]}),
        chat(1, SECRET),
        chat(1, SECRET + "!"),
        chat(1, SECRET),
        error(2, SECRET, SECRET + " as a type"),
        cancelled(3) | {"error": {"message": SECRET, "code": SECRET + " code", "extra_fields": {"q": SECRET}}},
        chat(4, SECRET, finish=SECRET + " as a reason", schema_version=9),
        event(0, "response.output_text.delta", fields={"delta": SECRET, "name": SECRET}, request_id="r-2"),
        event(1, "response.output_item.done", fields={"item": item, "part": item, "text": SECRET}, request_id="r-2"),
        event(2, "error", fields={"message": SECRET, "code": SECRET + " x", "param": SECRET}, request_id="r-2"),
        event(3, "response.completed", fields={"response": output}, request_id="r-2"),
        transcript(0, SECRET, request_id="r-3"),
        transcript(1, type_="transcript.text.done", whole=SECRET, request_id="r-3"),
        image(0, 0, "QUJD", request_id="r-4")
        | {"response": {"url": SECRET, "revised_prompt": SECRET, "type": SECRET + " x"}},
        speech(0, SECRET.encode(), request_id="r-5"),
        {"request_id": "r-6", "stream_type": SECRET, "content": SECRET},
    ]


@pytest.mark.parametrize("request_id", ["r-1", "r-2", "r-3", "r-4", "r-5", "r-6"])
@pytest.mark.parametrize("flags", [[], ["--json"], ["--all"]], ids=["table", "json", "all"])
def test_planted_content_is_never_shown(invoke: Invoke, tmp_path: Path, request_id: str, flags: list[str]) -> None:
    """Neither by the explanation nor by a difference, in any form of output; only lengths are."""
    path = tmp_path / "records.jsonl"
    data, forged = lines(*planted()), SECRET[::-1]
    records = invoke("fold", stdin=data).stdout.replace(SECRET, forged)
    spoken, false = (b64encode(text.encode()).decode() for text in (SECRET, forged))
    path.write_text(records.replace(spoken, false), encoding="utf-8")
    alone = invoke("explain", request_id, "-", *flags, stdin=data)
    outputs = [alone]
    if request_id != "r-6":
        compared = invoke("explain", request_id, "-", "--record", str(path), *flags, stdin=data)
        assert compared.exit_code == 1
        outputs.append(compared)

    assert alone.exit_code == 0
    for result in outputs:
        assert SECRET not in result.stdout + result.stderr
        assert forged not in result.stdout + result.stderr


def test_planted_content_is_shown_when_it_is_asked_for(invoke: Invoke) -> None:
    """The negative control: the same texts are there."""
    data = lines(*planted())

    assert SECRET in invoke("explain", "r-1", "-", "--content", stdin=data).stdout
    assert SECRET in invoke("explain", "r-2", "-", "--content", "--json", stdin=data).stdout
