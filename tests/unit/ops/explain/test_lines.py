"""A request out of a file: its own lines are folded, those of others are its clock, and what is not there is said."""

from __future__ import annotations

import json

import pytest

from pipeline.errors import FoundProblem
from pipeline.ops.demo.streams import deliveries, streams
from pipeline.testing.chunk import Document, chat, encoded, marker
from tests.ledger import START
from tests.unit.ops.explain.telling import gather, placed, records, told

OTHER = chat(0, "x", request_id="r-2")


def lined(document: Document, offset: int, time: int = 0, partition: object = 0) -> bytes:
    """A line with a place of its own."""
    place = {"topic": "t", "partition": partition, "offset": offset, "timestamp": START + time}
    return encoded({**document, "_kafka": place})


def test_lines_of_others_are_the_clock_and_nothing_else() -> None:
    """The record is that of the whole partition's fold; the others are counted, not explained."""
    lines = placed((0, chat(0, "a", finish="stop")), (1, OTHER), (5_000, chat(1, request_id="r-3")), (9_000, chat(1)))
    document = told(lines)

    assert len(document["timeline"]) == 2
    assert document["evidence"]["read"]["source_records"] == 4
    assert document["closings"][0]["seen_at"]["offset"] == 2
    assert gather(lines).watch.closings[0].record in records(lines)


def test_each_request_of_a_shuffled_file_with_repeats_is_that_of_the_fold() -> None:
    """Sixty requests of all types in one file, a tenth of the lines twice."""
    sent = streams()
    lines = deliveries(sent)
    made = {record["request_id"]: record for record in records(lines)}

    assert len(made) == len(sent)
    for stream in sent:
        assert gather(lines, stream.request_id).watch.closings[0].record == made[stream.request_id]


def test_empty_and_broken_lines_of_nobody_are_passed_over() -> None:
    """They are no chunks of this request."""
    lines = [b"", b"  \n", b"no json", encoded(OTHER), b'{"request_id": 7}', encoded(chat(0, "a"))]
    gathered = gather(lines)

    assert len(gathered.watch.entries) == 1
    assert (gathered.where, gathered.clocked) == ({"lines": 6}, False)


def test_a_request_that_is_not_in_the_file_is_a_problem() -> None:
    """With how much was looked at."""
    with pytest.raises(FoundProblem, match="no chunk of the request among 2 lines"):
        gather([encoded(OTHER), encoded(OTHER)])


def test_a_request_in_two_partitions_is_a_problem() -> None:
    """Each would make a record of it; nothing is merged."""
    with pytest.raises(FoundProblem, match=r"in several partitions \(t 0, t 1\)"):
        gather([lined(chat(0, "a"), 0), lined(chat(1, "b"), 0, partition=1)])
    with pytest.raises(FoundProblem, match=r"in several partitions \(t 0, none\)"):
        gather([lined(chat(0, "a"), 0), encoded(chat(1, "b"))])


def test_lines_that_the_fold_refuses_before_folding_are_noted() -> None:
    """A place that is none, and offsets that do not rise; lines of others are not our business."""
    lines = [
        lined(chat(0, "a"), 5),
        lined(chat(1, "b"), 5),
        lined(chat(1, "b"), 6, partition="one"),
        lined(OTHER, 4),
        lined(OTHER, 6, partition="one"),
        lined(marker(1), 7),
    ]
    document = told(lines)

    assert [note.split(":")[0] for note in document["notes"]] == ["line 2 was refused", "line 3 was refused"]
    assert document["summary"]["status"] == "incomplete"
    assert len(document["timeline"]) == 2


def test_a_file_with_refused_lines_alone_says_why_nothing_was_found() -> None:
    """The notes are the hint."""
    with pytest.raises(FoundProblem) as caught:
        gather([lined(chat(0, "a"), 0, partition=-1)])

    assert caught.value.hint is not None
    assert "line 1 was refused" in caught.value.hint


def test_a_request_stays_open_when_it_is_told_to() -> None:
    """A part of a topic says nothing about what comes after it."""
    assert told([lined(chat(0, "a"), 0)], keep_open=True)["state"] == "open"
    assert told([lined(chat(0, "a"), 0)])["state"] == "closed"


def test_the_document_says_how_to_get_it_again() -> None:
    """From the topic by the record's range, from a file by the file; ids are quoted for a shell."""
    from_topic = told([lined(chat(0, "a"), 41, partition=3)])["evidence"]
    strange = gather([encoded(chat(0, "a", request_id="a b"))], "a b")

    assert from_topic["again"] == "streamledger explain r-1 --partition 3 --from 41"
    assert from_topic["source"] == {"topic": "t", "partition": 3, "first_offset": 41, "last_offset": 41}
    assert strange.watch.request_id == "a b"
    assert json.dumps(from_topic)
