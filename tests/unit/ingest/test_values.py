"""JSON that spans lines: where one object ends and the next begins."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.event import Event, Line
from pipeline.ingest.messages import Fault, Message, messages
from pipeline.ingest.sse import events

OBJECTS = st.lists(
    st.dictionaries(
        st.text(max_size=3),
        st.none() | st.integers() | st.text(max_size=8) | st.lists(st.dictionaries(st.text(max_size=3), st.text())),
        max_size=3,
    ),
    min_size=1,
    max_size=3,
)


def data(text: str) -> list[str]:
    """The text of each event."""
    return ["\n".join(line.text for line in event.data) for event in events(text)]


@given(payloads=OBJECTS, indent=st.sampled_from([None, 0, 2]), escaped=st.booleans())
def test_every_object_of_an_array_is_an_event(payloads: list[object], indent: int | None, *, escaped: bool) -> None:
    """Pretty-printed or not, whatever brackets and quotes stand in strings."""
    text = json.dumps(payloads, indent=indent, ensure_ascii=escaped)

    assert [json.loads(found) for found in data(text)] == payloads


def test_an_array_may_be_laid_out_as_gemini_does() -> None:
    """Without SSE it sends an opening bracket, objects with commas between them, and a closing one, piece by piece."""
    text = '[{\n  "a": 1\n}\n,\n{\n  "b": {"c": []}\n}\n]\n'

    assert [json.loads(found) for found in data(text)] == [{"a": 1}, {"b": {"c": []}}]
    assert list(events('[{"a": 1},\r\n{"b":\n2}]')) == [
        Event(None, [Line(1, '{"a": 1}')]),
        Event(None, [Line(2, '{"b":'), Line(3, "2}")]),
    ]


def test_objects_may_be_pretty_printed_one_after_the_other() -> None:
    """A recording whose first line is a brace alone is no JSON lines."""
    assert [json.loads(found) for found in data('{\n"a": 1\n}\n{\n"b": 2\n}\n')] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("text", ["[]", "[\n]\n", "[,]"])
def test_an_empty_array_holds_no_event(text: str) -> None:
    """As an empty recording holds none."""
    assert data(text) == []


def test_a_cut_array_ends_in_a_fault() -> None:
    """The last object is given out as far as it came; what is read of it is nothing."""
    read = list(messages('[{"a": 1},\n{"b": [{"c": "}'))

    assert read[0] == Message(None, {"a": 1})
    assert isinstance(read[1], Fault)
    assert (read[1].line, read[1].cut, len(read)) == (2, True, 2)


def test_what_is_no_object_is_noticed() -> None:
    """Text between objects is a fault that names its line, not silence."""
    read = list(messages('[{"a": 1},\n7, {"b": 2} x]'))

    assert [type(item) for item in read] == [Message, Fault, Message, Fault]
    assert [item.line for item in read if isinstance(item, Fault)] == [2, 2]


def test_a_broken_object_does_not_swallow_the_next() -> None:
    """A string without its end reaches to the end of its line at most."""
    read = list(messages('[{"a": "x\n},\n{"b": 2}]'))

    assert isinstance(read[0], Fault)
    assert read[1] == Message(None, {"b": 2})
