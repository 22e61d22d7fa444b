"""Cutting bytes into frames."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.taps.frames import Frames, framed

BYTES = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"data: x", b": c", b"{}"]), max_size=24).map(b"".join)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """The bytes, cut at places."""
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


def lines(data: bytes) -> list[bytes]:
    """The lines of a stream of events, by the standard's rule."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")


@given(BYTES, st.lists(st.integers(0, 100)), st.sampled_from(["text/event-stream", "application/x-ndjson"]))
def test_no_byte_is_lost_and_lines_stay_the_same(data: bytes, cuts: list[int], kind: str) -> None:
    """Frames and the rest joined are the stream, wherever the network cut it."""
    frames = Frames(kind)
    found = [frame for piece in pieces(data, cuts) for frame in frames.feed(piece)]

    assert data == b"".join(found) + frames.rest()
    assert frames.rest() == b""


@given(BYTES, st.lists(st.integers(0, 100)))
def test_a_frame_ends_with_an_empty_line(data: bytes, cuts: list[int]) -> None:
    """Every frame ends with an empty line, and none holds one in its middle; what is left over holds none."""
    frames = Frames()
    found = [frame for piece in pieces(data, cuts) for frame in frames.feed(piece)]

    for frame in found:
        assert lines(frame)[-2:] == [b"", b""]
        assert b"" not in lines(frame.lstrip(b"\r\n"))[:-2]
    assert b"\n\n" not in frames.rest().replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")


def test_one_line_end_of_two_bytes_is_no_empty_line() -> None:
    """A CRLF that comes in two pieces ends a line, not an event."""
    frames = Frames()

    assert frames.feed(b"event: a\r") + frames.feed(b"\ndata: 1\r") + frames.feed(b"\n") == []
    assert frames.feed(b"\r\n") == [b"event: a\r\ndata: 1\r\n\r\n"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("text/event-stream; charset=utf-8", True),
        ("Text/Event-Stream", True),
        ("application/x-ndjson", True),
        ("application/jsonl", True),
        ("application/json", False),
        ("audio/mpeg", False),
        ("", False),
    ],
)
def test_which_bodies_are_frames(kind: str, *, expected: bool) -> None:
    """Server-sent events and JSON lines are streams; a JSON document or sound is none."""
    assert expected is framed(kind)
