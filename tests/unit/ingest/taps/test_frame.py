"""Reading one frame."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.messages import Message, messages
from pipeline.ingest.taps.frame import payloads

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON), st.booleans(), st.sampled_from(["", "event: a\n", "id: 3\n", ": c\n"]))
def test_the_short_way_reads_what_recordings_say(payload: dict[str, object], ascii_only: bool, before: str) -> None:
    """A frame on the wire and the same text in a recording give the same payload."""
    text = f"{before}data: {json.dumps(payload, ensure_ascii=ascii_only)}\n\n"
    frame = text.encode(errors="surrogatepass")

    assert list(messages([frame])) == list(payloads(frame)) or payload != payload  # noqa: PLR0124  NaN in it


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b": ping\n\n", []),
        (b"event: x\n\n", []),
        (b"data: [DONE]\n\n", [Message(None, None)]),
        (b"event:x\ndata:{}\n\n", [Message("x", {})]),
        (b'data: {"a":\ndata: 1}\n\n', [Message(None, {"a": 1})]),
        (b'{"a": 1}\n', [Message(None, {"a": 1})]),
        (b'data: {"a": NaN}\n\n', [Message(None, {"a": "NaN"})]),
        (b'data: {"a": "\\ud800"}\n\n', [Message(None, {"a": "\ud800"})]),
    ],
)
def test_what_a_frame_holds(frame: bytes, expected: list[Message]) -> None:
    """Comments hold nothing, [DONE] is the end, data in several lines is one payload, odd leaves stay text."""
    assert expected == list(payloads(frame))
