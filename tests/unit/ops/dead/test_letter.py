"""What lies on the dead letter topic is read for what it is, whatever producers put into their headers."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.ops.dead.letter import Letter, Place, place_of, read
from schemas.deadletter import HEADER_REDRIVE, Way
from tests.unit.ops.dead.letters import Lying, letter, lying, receipt_for


def test_a_letter_is_the_chunk_as_it_was_refused() -> None:
    """Key, value and headers are the chunk's own, also those without a value or with names of ours."""
    own = [("traceparent", b"00-1"), ("empty", None), ("dl.reason", b"of an earlier life"), ("dl.redriven", b"1:2")]
    found = letter("invalid", headers=own, value=b"\xff", key=None, detail="timestamp: missing")
    assert (found.key, found.value, list(found.headers)) == (None, b"\xff", own)
    assert (found.reason, found.detail, found.place) == ("invalid", "timestamp: missing", Place(3, 17))
    assert (found.source.topic, found.stood, found.source.timestamp) == ("llm.chunks", Place(3, 40), 1_767_225_500_000)
    assert (found.keyed, found.named, found.request_id, found.returned) == (None, None, None, None)


def test_its_request_is_told_by_key_then_by_value() -> None:
    """A key or value that can be no request id names none."""
    assert letter("invalid", key=b"k", value=b'{"request_id": "v"}').request_id == "k"
    assert letter("key_mismatch", key=None, value=b'{"request_id": "v"}').request_id == "v"
    assert letter("key_mismatch", key=b"\x1b[2J", value=b'{"request_id": 7}').request_id is None
    assert letter("not_json", key=b"\xff", value=None).request_id is None
    assert letter("invalid", value=b'{"labels": {"team": "a"}}').labels == {"team": "a"}
    assert letter("invalid", value=b'{"labels": 7}').labels == {}


def test_a_chunk_that_was_sent_back_says_so() -> None:
    """By the header that it was sent with; without an append time of its own the letter's counts."""
    found = letter("late", headers=[(HEADER_REDRIVE, b"llm.chunks.dead:1:2")], timestamp=0)
    assert found.returned == "llm.chunks.dead:1:2"
    assert found.seen_at == found.at
    assert letter("late", timestamp=found.at + 1).seen_at == found.at
    assert letter("late", timestamp=found.at - 1).seen_at == found.at - 1


@pytest.mark.parametrize("way", Way)
def test_a_receipt_names_its_letter(way: Way) -> None:
    """Its own headers are read back as they were written."""
    told = receipt_for(letter("late"), way, b"chunk")
    assert (told.of, told.way, told.stood, told.value) == (Place(3, 17), way, Place(3, 40), b"chunk")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="bare"),
        pytest.param([("dl.redriven", b"nowhere"), ("dl.way", b"chunks"), ("dl.chunk", b"1:2")], id="no place"),
        pytest.param([("dl.redriven", b"1:2"), ("dl.way", b"by foot"), ("dl.chunk", b"1:2")], id="no way"),
        pytest.param([("dl.redriven", b"1:2")], id="half a receipt"),
        pytest.param([("dl.reason", b"late"), ("dl.detail", b"")], id="half a letter"),
        pytest.param([("dl.redriven", b"\xff")], id="no text"),
    ],
)
def test_what_is_neither_is_left_alone(headers: list[tuple[str, bytes]]) -> None:
    """Records that somebody else wrote to the topic."""
    assert read(Lying(b"k", b"v", headers)) is None


def test_a_letter_with_odd_coordinates_is_none() -> None:
    """Headers that no worker writes."""
    odd = lying("late")
    headers = [(name, b"x" if name == "dl.offset" else value) for name, value in odd.headers]
    assert read(Lying(odd.key, odd.value, headers)) is None


def test_places_are_written_as_they_are_read() -> None:
    """PARTITION:OFFSET, nothing else."""
    assert place_of(str(Place(3, 17))) == Place(3, 17)
    for wrong in ("3", "3:", ":17", "3:17:1", "a:b", "-1:2", "\u0663:\u0661"):
        with pytest.raises(UsageError, match="no place"):
            place_of(wrong)


def test_a_letter_knows_only_its_own_dl_headers() -> None:
    """The last six are the worker's; earlier ones of the same names belong to the chunk."""
    again = lying("late", headers=lying("invalid").headers)
    found = read(again)
    assert isinstance(found, Letter)
    assert found.reason == "late"
    assert dict(found.headers)["dl.reason"] == b"invalid"
