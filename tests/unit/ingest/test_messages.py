"""Events → payloads: what is read, what is reported, where reading stops."""

import json

import pytest

from pipeline.ingest.messages import Fault, Message, messages


def payloads(text: str) -> list[object]:
    """The payloads of a text without faults."""
    return [item.payload for item in messages(text) if isinstance(item, Message)]


def faults(text: str) -> list[Fault]:
    """The faults of a text."""
    return [item for item in messages(text) if isinstance(item, Fault)]


def test_data_of_several_lines_is_joined_by_line_feeds() -> None:
    """One JSON object may be spread over data lines."""
    assert payloads('data: {"a":\ndata: 1}\n\n') == [{"a": 1}]


def test_done_ends_the_reading() -> None:
    """What stands behind [DONE] is no part of the stream, not even as a fault."""
    read = list(messages('event: x\ndata: {"a": 1}\n\ndata:  [DONE] \n\ndata: broken\n\n'))

    assert read == [Message("x", {"a": 1}), Message(None, None)]


def test_done_may_stand_in_json_lines() -> None:
    """Recorders that keep only the data keep the sentinel too."""
    assert payloads('{"a": 1}\n[DONE]\n{"b": 2}\n') == [{"a": 1}, None]


def test_events_without_data_are_none() -> None:
    """Empty data is a keep-alive."""
    assert payloads('data:\n\ndata: {"a": 1}\n\ndata: \ndata: \n\n') == [{"a": 1}]


def test_a_broken_event_inside_is_a_fault_with_its_line() -> None:
    """Whoever mends the recording is told where, and not what stands there."""
    (fault,) = faults('data: {"a": 1}\n\ndata: {"secret\n\ndata: {"b": 2}\n\n')

    assert fault.line == 3
    assert not fault.cut
    assert fault.reason.startswith("not JSON: ")
    assert "secret" not in fault.reason


def test_a_broken_event_at_the_end_is_a_cut() -> None:
    """A recording may break off in the middle of an event."""
    assert [fault.cut for fault in faults('data: {"a": 1}\n\ndata: {"b": "x')] == [True]
    assert [fault.cut for fault in faults('{"a": 1}\n{"b": "x')] == [True]


def test_two_broken_events_are_two_faults() -> None:
    """Only the last one can be a cut."""
    assert [(fault.line, fault.cut) for fault in faults('{"a": 1}\n{"b\n{"c')] == [(2, False), (3, True)]


@pytest.mark.parametrize("text", ["[1]", '"text"', "7", "null"])
def test_a_payload_that_is_no_object_is_a_fault(text: str) -> None:
    """Every event of every provider is an object."""
    assert [fault.reason for fault in faults(f"data: {text}\n\n")] == ["not a JSON object"]


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a": ' + "1" * 5_000 + "}"])
def test_json_beyond_the_parser_is_a_fault(text: str) -> None:
    """Depth and digits without end stop nothing but their own event."""
    assert [fault.reason for fault in faults(f"data: {text}\n\n")] == [
        "not JSON that can be read: nested too deeply, or a number of absurd length"
    ]


def test_events_that_lost_their_blank_lines_are_separated() -> None:
    """Data lines that are no JSON together but begin with a whole object are events of their own."""
    text = 'data: {"a": 1}\ndata: {"b": 2}\ndata: \ndata: {"c\ndata: [DONE]\n'

    read = list(messages(text))

    assert read[:2] == [Message(None, {"a": 1}), Message(None, {"b": 2})]
    assert isinstance(read[2], Fault)
    assert read[2].line == 4
    assert read[3] == Message(None, None)


def test_numbers_that_json_has_not_stay_text() -> None:
    """NaN and infinities would reject the whole chunk (CONTRACT §1); their text is an odd leaf at most."""
    assert payloads('{"a": [NaN, Infinity, -Infinity, 1e999, -1e999, 1.5]}') == [
        {"a": ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", 1.5]}
    ]


def test_halves_of_surrogate_pairs_survive() -> None:
    """A character cut in two by the provider is joined by the fold (S-CHAT-9), so neither half may be lost."""
    text = 'data: {"a": "\\ud83d"}\n\ndata: {"a": "\\ude00"}\n\n'

    assert json.dumps(payloads(text)) == '[{"a": "\\ud83d"}, {"a": "\\ude00"}]'
