"""Offline fold: lines in, records and dead letters out, by the live clock where lines carry one."""

import io
import json
from collections.abc import Iterable
from typing import Any

import pytest

from pipeline.core import finish
from pipeline.core.policy import Policy
from pipeline.errors import FOUND_PROBLEM, OK
from pipeline.ops import fold
from pipeline.ops.fold import fold_lines, run
from pipeline.settings import Settings
from pipeline.testing.chunk import Document, chat, encoded, marker, speech, usage
from schemas.deadletter import DeadLetter
from tests.ledger import START, valid

POLICY = Policy()


def placed(document: Document, at: int, offset: int, *, partition: int = 0, topic: str = "llm.chunks") -> Document:
    """A chunk with its place in a topic; `at` in ms."""
    return document | {"_kafka": {"topic": topic, "partition": partition, "offset": offset, "timestamp": START + at}}


def folded(
    lines: Iterable[Document | bytes], *, keep_open: bool = False, policy: Policy = POLICY
) -> tuple[list[Document], list[DeadLetter]]:
    """Records and dead letters of lines; each held to the contract."""
    results = list(
        fold_lines((each if isinstance(each, bytes) else encoded(each) for each in lines), policy, keep_open=keep_open)
    )
    letters = [result for result in results if isinstance(result, DeadLetter)]
    for letter in letters:
        DeadLetter.model_validate(json.loads(letter.line()))
    return [valid(result) for result in results if isinstance(result, bytes)], letters


def where(letter: DeadLetter) -> Any:
    """What is said of a dead letter's origin."""
    return None if letter.source is None else letter.source.model_dump(exclude_unset=True)


def test_without_a_clock_no_time_passes() -> None:
    """What closes at once closes in place, the rest at the end of input, each with its own cause (CONTRACT §4)."""
    lines = [chat(0, "a", finish="stop"), chat(0, "x", request_id="r-2"), marker(0, request_id="r-3"), usage(1)]

    records, letters = folded(lines)

    assert [(record["request_id"], record["closed_by"]) for record in records] == [
        ("r-3", "final"), ("r-1", "finish"), ("r-2", "expiry"),
    ]  # fmt: skip
    assert letters == []


def test_with_a_clock_time_passes_as_in_the_worker() -> None:
    """A request that is due closes before the next line is looked at, and late chunks make a revision."""
    lines = [
        placed(chat(0, "a", finish="stop"), 0, 0),
        placed(chat(0, "tick", request_id="clock"), 10_000, 1),
        placed(usage(1), 11_000, 2),
    ]

    records, _ = folded(lines)

    assert [(record["request_id"], record["revision"], record["closed_by"]) for record in records] == [
        ("r-1", 0, "finish"), ("clock", 0, "expiry"), ("r-1", 1, "late"),
    ]  # fmt: skip
    assert records[0]["source"] == {"topic": "llm.chunks", "partition": 0, "first_offset": 0, "last_offset": 0}


def test_partitions_have_their_own_clocks() -> None:
    """Time in one says nothing about another."""
    lines = [placed(chat(0, "a", finish="stop"), 0, 0), placed(marker(0, request_id="r-2"), 90_000, 0, partition=1)]

    assert [record["request_id"] for record in folded(lines, keep_open=True)[0]] == ["r-2"]


def test_keep_open_leaves_out_what_is_unfinished() -> None:
    """A part of a topic says nothing about what comes after it."""
    assert folded([chat(0, "a"), marker(0, request_id="r-2")], keep_open=True)[0][0]["request_id"] == "r-2"


def test_empty_lines_are_no_chunks() -> None:
    """They are passed over, as is white space around a line."""
    records, letters = folded([b"", b"  \n", b" " + encoded(chat(0, "a")) + b" \r\n"])

    assert (len(records), letters) == (1, [])


def test_a_refused_line_is_a_dead_letter_with_its_line_number() -> None:
    """Counted from 1; the value is the chunk where it can be read, else its text (CONTRACT §6)."""
    _, letters = folded([chat(0, "a"), b"{", chat(-1), b"\xff"])

    assert [(letter.reason, where(letter)) for letter in letters] == [
        ("not_json", {"line": 2}), ("invalid", {"line": 3}), ("not_json", {"line": 4}),
    ]  # fmt: skip
    assert (letters[0].value, letters[1].value) == ("{", chat(-1))
    assert (letters[1].request_id, letters[0].request_id) == ("r-1", None)
    assert (letters[2].value, letters[2].value_base64) == (None, "/w==")


def test_a_refused_chunk_of_a_topic_tells_its_place() -> None:
    """The value is the chunk without it, as it was on the topic."""
    (letter,) = folded([placed(chat(-1), 7, 9, partition=3)])[1]

    assert where(letter) == {"topic": "llm.chunks", "partition": 3, "offset": 9, "timestamp": START + 7}
    assert letter.value == chat(-1)


def test_a_conflict_tells_the_place_of_the_repeat() -> None:
    """Found at the close, long after it was read."""
    lines = [placed(chat(0, "a"), 0, 0), placed(chat(0, "x"), 1, 4), placed(chat(1, is_final=True), 2, 5)]

    (letter,) = folded(lines)[1]

    assert (letter.reason, where(letter)["offset"], where(letter)["timestamp"]) == ("conflict", 4, START + 1)


@pytest.mark.parametrize("clock", [True, False], ids=["from a topic", "from a file"])
def test_a_quarantined_request_gives_its_chunks_back(monkeypatch: pytest.MonkeyPatch, clock: bool) -> None:
    """Rebuilt, with the offset or line that each came from, and an error record (G4)."""

    def raising(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(finish, "fold", raising)
    chunks = [chat(0, "a"), chat(1, "b", is_final=True)]

    records, letters = folded([placed(each, 5, place) if clock else each for place, each in enumerate(chunks)])

    assert [record["status"] for record in records] == ["error"]
    assert [(letter.reason, letter.detail, letter.request_id) for letter in letters] == [
        ("internal", "rebuilt", "r-1")
    ] * 2
    places = [{"topic": "llm.chunks", "partition": 0, "offset": place} for place in (0, 1)]
    assert [where(letter) for letter in letters] == (places if clock else [{"line": 1}, {"line": 2}])


@pytest.mark.parametrize(
    "place",
    [
        pytest.param({"topic": "t", "partition": 0, "offset": -1, "timestamp": 0}, id="negative offset"),
        pytest.param({"topic": "t", "partition": 0, "offset": 0, "timestamp": -1}, id="before the epoch"),
        pytest.param({"topic": "t", "partition": "0", "offset": 0, "timestamp": 0}, id="wrong type"),
        pytest.param({"topic": "t"}, id="incomplete"),
        pytest.param([], id="no object"),
    ],
)
@pytest.mark.parametrize("half", [False, True], ids=["", "half a character"])
def test_a_line_with_a_wrong_place_is_refused(place: Any, half: bool) -> None:
    """It would run no clock, or another partition's; it is not folded without one."""
    line = encoded(chat(0, "x", _kafka=place))
    if half:
        line = line.replace(b'"x"', b'"\\ud83d"')

    records, (letter,) = folded([chat(0, "a", request_id="r-2"), line])

    assert [record["request_id"] for record in records] == ["r-2"]
    assert (letter.reason, letter.request_id, where(letter)) == ("invalid", "r-1", {"line": 2})
    assert "_kafka" in letter.detail


@pytest.mark.parametrize("form", ["last", "first", "within"])
def test_limits_count_the_bytes_on_the_topic(form: str) -> None:
    """The place is none of them: the worker truncates and refuses by the same bytes (G3)."""
    chunks = [chat(index, "x" * 100, is_final=index == 3) for index in range(4)]
    sizes = [len(encoded(chunk)) for chunk in chunks]
    lines = [_formed(chunk, form, offset) for offset, chunk in enumerate(chunks)]

    (record,), letters = folded(lines, policy=Policy(max_chunk_bytes=max(sizes), max_bytes=sum(sizes)))

    assert (record["truncated"], len(record["output_message"]["content"]), letters) == (False, 400, [])
    assert folded(lines, policy=Policy(max_bytes=sum(sizes) - 1))[0][0]["truncated"]
    assert len(folded(lines, policy=Policy(max_chunk_bytes=min(sizes) - 1))[1]) == 4


def _formed(chunk: Document, form: str, offset: int) -> bytes:
    """A line whose place stands at its end, at its beginning or between its fields."""
    fields = list(placed(chunk, 0, offset).items())
    where = {"last": len(fields), "first": 0, "within": 2}[form]
    fields.insert(where, fields.pop())
    return encoded(dict(fields))


@pytest.mark.parametrize("form", ["last", "first", "within"])
def test_a_place_inside_of_a_payload_is_content(form: str) -> None:
    """Only that of the line itself is taken out."""
    chunk = chat(-1, raw_request={"a": 1, "_kafka": {"topic": "t"}})

    assert folded([_formed(chunk, form, 0)])[1][0].value == chunk


def test_a_null_place_is_none() -> None:
    """Lines without one."""
    assert len(folded([chat(0, "a", _kafka=None)])[0]) == 1


@pytest.mark.parametrize("offset", [0, 1], ids=["before", "twice"])
def test_an_offset_that_does_not_rise_is_refused(offset: int) -> None:
    """A partition is read in order; what cannot have come now is not passed over without a word (CONTRACT §1)."""
    records, (letter,) = folded([placed(chat(0, "a"), 0, 1), placed(chat(1, "b"), 1, offset)])

    assert records[0]["chunk_count"] == 1
    assert (letter.reason, where(letter)["offset"]) == ("invalid", offset)
    assert "rise" in letter.detail


def test_half_characters_are_read() -> None:
    """The strict reader of places refuses them, the fold does not (S-CHAT-9)."""
    line = encoded(placed(chat(0, "x", is_final=True), 0, 5)).replace(b'"x"', b'"\\ud83d"')

    (record,), letters = folded([line])

    assert (record["output_message"]["content"], letters) == ("\ufffd", [])
    assert record["source"]["first_offset"] == 5


def test_half_a_character_in_the_id_is_refused() -> None:
    """With an id that can be written."""
    (letter,) = folded([encoded(chat(0, request_id="x")).replace(b'"x"', b'"\\ud83d"')])[1]

    assert (letter.reason, letter.request_id) == ("invalid", "?")


@pytest.mark.parametrize("line", [b'"text"', b"5", b"[]", b"null", b'{"request_id":5}', b"[" * 100_000])
def test_a_line_that_is_no_chunk_is_refused(line: bytes) -> None:
    """Whatever JSON it is."""
    assert [letter.reason for letter in folded([line])[1]] == ["invalid"]


@pytest.mark.parametrize("line", [b'{"request_id":"\xff"}', b'{"_kafka":{"topic":"\xff"}}'])
def test_a_line_that_is_no_text_is_refused(line: bytes) -> None:
    """Also where the bytes are in the very fields that are read first."""
    assert [letter.reason for letter in folded([line])[1]] == ["not_json"]


def test_another_stream_type_is_refused_with_its_line() -> None:
    """Reasons are those of the worker."""
    (letter,) = folded([chat(0, "a"), speech(1, b"a")])[1]

    assert (letter.reason, where(letter)) == ("stream_type_conflict", {"line": 2})


def test_long_inputs_are_folded_in_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded (G5), and the records are the same."""
    lines = [
        placed(each | {"request_id": f"r-{number}"}, 1_000 * number + step, 3 * number + step)
        for number in range(40)
        for step, each in enumerate((chat(0, "a"), chat(0, "a"), chat(1, "b", finish="stop")))
    ]
    whole = folded(lines)
    monkeypatch.setattr(fold, "CHECKPOINT_CHUNKS", 7)

    assert folded(lines) == whole
    assert len(whole[0]) == 40


def test_a_run_writes_lines_and_tells_whether_anything_was_refused() -> None:
    """Exit 1: the records are right, but something was refused."""
    records, dead = io.BytesIO(), io.BytesIO()

    assert run([encoded(chat(0, "a"))], Settings(), records=records, dead_letters=dead, keep_open=False) == OK
    assert dead.getvalue() == b""
    assert run([b"{"], Settings(), records=records, dead_letters=dead, keep_open=False) == FOUND_PROBLEM
    assert [json.loads(line)["request_id"] for line in records.getvalue().splitlines()] == ["r-1"]
    assert [json.loads(line)["reason"] for line in dead.getvalue().splitlines()] == ["not_json"]
