"""The chunks in order of arrival: marks, gaps, repeats, and times relative to the start."""

from __future__ import annotations

from pipeline.testing.chunk import USAGE, chat, chunk, encoded, error, image, marker, moment, usage
from tests.unit.ops.explain.telling import marked, number, of, outcomes, placed, row, told


def test_chunks_that_decided_something_are_marked() -> None:
    """Start, first token, first content, finish, usage, cost, end."""
    document = of(
        chat(0, "", start_timestamp=moment(-50)),
        chat(1, "a"),
        chat(2, None, finish="stop"),
        usage(3, cost=0.5),
        marker(4),
    )

    marks = ("start", "first token", "first content", "finish", "usage", "cost", "end")
    assert [marked(document, mark) for mark in marks] == [[1], [1], [2], [3], [4], [4], [5]]


def test_what_nobody_knows_marks_nothing() -> None:
    """A usage without a price gave no cost."""
    assert marked(of(chat(0, "a"), usage(1), marker(2)), "cost") == []


def test_order_is_that_of_arrival_and_times_count_from_the_start() -> None:
    """Payload times may run backwards there."""
    document = told(placed((10, chat(1, "b")), (20, chat(0, "a", start_timestamp=moment(-30)))))

    assert [each["chunk_index"] for each in document["timeline"]] == [1, 0]
    assert [each["ms"] for each in document["timeline"]] == [130, 30]
    assert [each["append_time"] for each in document["timeline"]] == [
        "2026-01-01T00:00:00.010Z",
        "2026-01-01T00:00:00.020Z",
    ]


def test_a_repeat_names_what_it_repeats() -> None:
    """Also when other chunks came between."""
    document = of(chat(0, "a"), chat(1, "b"), chat(0, "a"), chat(1, "other"), marker(2))

    assert [row(document, line)["repeats"] for line in (3, 4)] == [1, 2]
    assert (marked(document, "duplicate"), marked(document, "conflict")) == ([3], [4])
    assert (document["duplicates"], document["conflicts"]) == ([3], [4])
    assert [letter["reason"] for letter in document["dead_letters"]] == ["conflict"]
    assert [number(document, name)["value"] for name in ("duplicate_count", "conflict_count")] == [1, 1]


def test_a_gap_is_marked_before_the_chunk_that_follows_it() -> None:
    """And listed with its indexes, those that the record names."""
    document = of(chat(0, "a"), chat(3, "b"), chat(5, "c"), marker(6))

    assert marked(document, "gap before: 1–2 missing") == [2]
    assert marked(document, "gap before: 4 missing") == [3]
    assert [(gap["first"], gap["last"], gap["before"]) for gap in document["gaps"]] == [(1, 2, 2), (4, 4, 3)]


def test_the_gap_of_an_image_names_the_image() -> None:
    """Each image counts for itself."""
    document = of(image(0, 0, "QQ=="), image(0, 1, "QQ=="), image(2, 1, "QQ==", done=True))

    (gap,) = document["gaps"]
    assert (gap["image_index"], gap["first"], gap["last"], gap["before"]) == (1, 1, 1, 3)


def test_a_gap_before_nothing_but_an_error_is_still_told() -> None:
    """The error's index shows that something is missing."""
    document = of(chat(0, "a"), error(3))

    assert [(gap["first"], gap["last"], gap["before"]) for gap in document["gaps"]] == [(1, 2, 2)]


def test_a_late_revision_is_marked() -> None:
    """Which chunks came after the close, and what became of them."""
    lines = placed(
        (0, chat(0, "a", finish="stop")), (5_000, usage(1)), (6_000, usage(1)), (20_000, usage(1)), (20_000, chat(2))
    )
    document = told(lines)

    assert outcomes(document) == ["new", "new", "duplicate", "late_duplicate", "late_empty"]
    assert marked(document, "revision 1") == [1]
    assert [each["outcome"] for each in document["late"]] == ["late_duplicate", "late_empty"]


def test_a_refused_record_has_its_reason_and_no_identity() -> None:
    """It is a part of the story though it is a part of no number."""
    document = of(chat(0, "a"), chat(-1, "b"))
    refused = row(document, 2)

    assert (refused["chunk_index"], refused["brings"], refused["marks"]) == (None, None, ["refused: invalid"])
    assert document["dead_letters"][0]["offset"] == 2


def test_a_request_of_refused_records_alone_is_explained_without_a_record() -> None:
    """Every chunk is a dead letter: there is nothing to number."""
    document = of(chat(-1, "a"))

    assert (document["state"], document["summary"], document["numbers"]) == ("refused", None, [])
    assert (document["closings"], document["cost"]) == ([], None)
    assert outcomes(document) == ["refused"]


def test_content_is_told_by_its_length() -> None:
    """Texts, reasoning, refusals, arguments; a name only if it looks like one."""
    call = {"index": 0, "id": "c", "function": {"name": "get_weather", "arguments": '{"a":1}'}}
    strange = {"index": 1, "id": "d", "function": {"name": "now this is text", "arguments": ""}}
    delta = {"role": "assistant", "content": "héllo", "reasoning": "hm", "refusal": "no", "tool_calls": [call, strange]}
    document = of(chunk(0, {"choices": [{"index": 0, "delta": delta}]}), marker(1))
    brings = row(document, 1)["brings"]

    assert brings["characters"] == {"text": 5, "refusal": 2, "reasoning": 2, "arguments": 7}
    assert [call["name"] for call in brings["tool_calls"]] == ["get_weather", "<16 characters>"]
    assert "content" not in brings


def test_content_is_shown_when_it_is_asked_for() -> None:
    """Whole, under the names of the lengths."""
    document = told(map(encoded, [chat(0, "héllo", usage=USAGE), marker(1)]), content=True)

    assert row(document, 1)["brings"]["content"] == {"text": "héllo"}
    assert row(document, 1)["brings"]["usage"] == USAGE
