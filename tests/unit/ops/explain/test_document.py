"""The document as a whole: state, status with its reason, attempts, evidence, and what happens when a fold raised."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pipeline.core.policy import Policy
from pipeline.ops.explain.comparison import read
from pipeline.ops.explain.document import explanation, problem
from pipeline.testing.chunk import Document, cancelled, chat, encoded, error, event, marker, usage
from tests.unit.ops.explain.telling import gather, of, placed, told

CUT = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}


@pytest.mark.parametrize(
    ("chunks", "status", "because"),
    [
        ([chat(0, "a", finish="stop")], "success", "its end was seen"),
        ([chat(0, "a"), error(1)], "error", "its attempt has an error"),
        ([chat(0, "a"), cancelled(1)], "incomplete", "the request was cancelled"),
        ([chat(0, "a")], "incomplete", "no end was seen"),
        ([chat(0, "a"), marker(1)], "incomplete", "is_final, but neither finish_reason nor terminal event"),
        (
            [event(0, "response.incomplete", fields={"response": CUT})],
            "incomplete",
            "the provider says that it was cut",
        ),
    ],
    ids=["success", "error", "cancelled", "expiry", "final", "cut"],
)
def test_the_status_says_what_it_follows_from(chunks: list[Document], status: str, because: str) -> None:
    """In the words of the rule that decided, which is the core's (CONTRACT §2)."""
    summary = of(*chunks)["summary"]

    assert (summary["status"], summary["because"]) == (status, because)


def test_a_limit_is_a_reason_of_its_own() -> None:
    """Age closed it while it was still running."""
    chunks = ((at, chat(at // 1_000, "a")) for at in range(0, 5_000, 1_000))
    lines = placed(*chunks, (6_000, chat(0, request_id="r-2")))
    document = told(lines, policy=Policy(max_request_age=5_000, session_window=4_000))

    assert (document["summary"]["closed_by"], document["summary"]["because"]) == ("limit", "no end was seen")


def test_the_summary_is_the_records() -> None:
    """What a person looks for first."""
    summary = of(chat(0, "a", provider="p", model="m", labels={"team": "x"}), chat(2, "b"), marker(3))["summary"]

    assert {name: summary[name] for name in ("provider", "model", "labels", "complete", "revision")} == {
        "provider": "p",
        "model": "m",
        "labels": {"team": "x"},
        "complete": False,
        "revision": 0,
    }
    assert summary["error"] is None


def test_an_error_is_told_by_its_codes() -> None:
    """Its message may quote the prompt, and is told by its length."""
    summary = of(error(0, "you said secret", "bad_request"))["summary"]

    assert summary["error"] == {"type": "bad_request", "status_code": 503, "message_characters": 15}
    assert told([encoded(error(0, "you said"))], content=True)["summary"]["error"]["message"] == "you said"


def test_one_attempt_is_not_listed() -> None:
    """As in the record."""
    assert of(chat(0, "a"), marker(1))["attempts"] is None


def test_a_fold_that_raised_is_told_and_numbers_nothing() -> None:
    """CONTRACT G4: an exception belongs to its request; explaining it must not raise again."""
    gathered = gather(placed((0, chat(0, "a"))), keep_open=True)
    head = gathered.watch.open_head
    assert head is not None
    head.poisoned = True
    gathered.watch.end()
    document = explanation(gathered, content=False)

    assert (document["summary"]["status"], document["numbers"], document["gaps"]) == ("error", [], [])
    assert "folding it raised an exception" in document["notes"][-1]
    assert [letter["reason"] for letter in document["dead_letters"]] == ["internal"]
    assert document["closings"][0]["closed_by"] == "expiry"


def test_evidence_names_range_digests_and_what_was_read() -> None:
    """Where the record can be made again from."""
    lines = placed((0, chat(0, "a")), (0, chat(0, request_id="r-2")), (0, marker(1)), first=40)
    gathered = gather(lines)
    evidence = explanation(gathered, content=False)["evidence"]
    record = gathered.watch.closings[0].record

    assert evidence["source"] == record["source"]
    assert [evidence[name] for name in ("record_id", "digest", "config_digest")] == [
        record[name] for name in ("record_id", "digest", "config_digest")
    ]
    assert evidence["read"] == {"topic": "llm.chunks", "partition": 3, "lines": 3, "source_records": 3}


def test_only_a_comparison_makes_a_problem() -> None:
    """A bad stream is no bad record."""
    gathered = gather([encoded(each) for each in (chat(0, "a"), error(1), chat(-1, "b"))])
    right = gathered.watch.closings[0].value or b""
    wrong = json.dumps(json.loads(right) | {"latency": 9}).encode()
    documents = [
        explanation(each, content=False)
        for each in (
            gathered,
            replace(gathered, records=[]),
            replace(gathered, records=[], whole=True),
            replace(gathered, records=[read(right, "f")]),
            replace(gathered, records=[read(wrong, "f")]),
        )
    ]

    assert [problem(document) for document in documents] == [False, False, True, False, True]
    assert documents[0]["comparison"] is None


def test_the_document_is_plain_json_without_surprises() -> None:
    """Half a character in a label or a name passes through."""
    half = json.loads('"\\ud83d"')
    document = of(chat(0, half, labels={"k": half}, model=half), usage(1, {"input_tokens": 1, half: 2}), marker(2))

    assert json.loads(json.dumps(document)) == document
