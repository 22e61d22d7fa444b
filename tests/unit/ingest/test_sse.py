"""Framing: which text is which event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.event import Event, Line
from pipeline.ingest.sse import events


def data(text: str | bytes) -> list[list[str]]:
    """The data lines of each event of a text."""
    return [[line.text for line in event.data] for event in events(text)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_of_the_standard_ends_a_line(end: str) -> None:
    """LF, CRLF and CR are the same to a reader of events."""
    assert data(f"data: a{end}{end}data: b{end}{end}") == [["a"], ["b"]]


def test_data_lines_of_one_event_stay_together_with_their_numbers() -> None:
    """Data over several lines is one event, and each line knows where it stood."""
    assert list(events("\ndata: a\ndata: b\n\n")) == [Event(None, [Line(2, "a"), Line(3, "b")])]


def test_only_one_space_after_the_colon_is_framing() -> None:
    """Further spaces belong to the data, and a colon needs none."""
    assert data("data:a\n\ndata:  b\n\ndata\n\n") == [["a"], [" b"], [""]]


def test_comments_ids_retries_and_unknown_fields_are_passed_over() -> None:
    """Keep-alive comments and the fields of reconnecting tell nothing about the stream."""
    assert data(": PROCESSING\nid: 7\nretry: 10\nHTTP/1.1 200 OK\ndata: a\n\n: ping\n\n") == [["a"]]


def test_the_name_of_an_event_may_stand_before_or_after_its_data() -> None:
    """The order of fields inside an event is free, and a name lasts for one event."""
    read = events("event: one\ndata: a\n\ndata: b\nevent: two\n\ndata: c\n\nevent: lost\n\ndata: d\n\n")

    assert [(event.name, event.data[0].text) for event in read] == [
        ("one", "a"),
        ("two", "b"),
        (None, "c"),
        (None, "d"),
    ]


def test_an_event_without_its_blank_line_at_the_end_is_kept() -> None:
    """Recordings are often cut right behind the last line."""
    assert data("data: a\n\ndata: b") == [["a"], ["b"]]


def test_a_line_of_blanks_ends_an_event() -> None:
    """Copied recordings carry blanks where nothing was."""
    assert data("data: a\n  \ndata: b\n\n") == [["a"], ["b"]]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    """Editors write it; it may stand before either kind of recording."""
    assert data("\ufeffdata: a\n\n") == [["a"]]
    assert data('\ufeff{"a": 1}\n') == [['{"a": 1}']]


def test_json_lines_are_told_by_their_first_line() -> None:
    """A recording that begins with an object has one event a line, blank lines aside."""
    assert data('\n{"a": 1}\n\n {"b": 2}\n[DONE]\n') == [['{"a": 1}'], [""], [' {"b": 2}'], ["[DONE]"]]


def test_nothing_comes_of_an_empty_text() -> None:
    """No line, no event."""
    assert data("") == []
    assert data("\n \n") == []


def test_separators_that_json_allows_in_strings_end_no_line() -> None:
    """U+2028, U+0085 and form feeds are line ends to str.splitlines, and content to us."""
    assert data("data: a\u2028b\u0085c\x0cd\n\n") == [["a\u2028b\u0085c\x0cd"]]


def test_bytes_are_utf_8_and_what_is_not_becomes_a_replacement() -> None:
    """A recording cut inside a character still can be read up to there."""
    assert data("data: ü\n\n".encode()) == [["ü"]]
    assert data("data: ü".encode()[:-1]) == [["\ufffd"]]


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")), min_size=1),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_lines_with_and_without_ends_and_the_whole_text_read_alike(contents: list[str], end: str) -> None:
    """How the caller cut the text into lines makes no difference."""
    bare = [line for content in contents for line in (f"data:x{content}", "")]
    whole = "".join(line + end for line in bare)

    expected = [[f"x{content}"] for content in contents]

    assert data(whole) == expected
    assert [[line.text for line in event.data] for event in events(bare)] == expected
    assert [[line.text for line in event.data] for event in events(line + end for line in bare)] == expected
    assert [[line.text for line in event.data] for event in events((line + end).encode() for line in bare)] == expected
