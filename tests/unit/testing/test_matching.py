"""Assertions on records: what matches, and the words for what does not."""

from __future__ import annotations

from decimal import Decimal
from unittest.mock import ANY

import pytest

from pipeline.errors import UsageError
from pipeline.testing import (
    RecordMatcher,
    assert_record,
    chat,
    completion,
    fold,
    images,
    responses,
    speech,
    transcription,
)
from pipeline.testing.chunk import chunk

STREAM = chat("req-7", provider="openai", model="gpt-4o", labels={"team": "search"}).text("Help", "!").usage(10, 5)

GOLDEN = """\
record of req-7 (chat.completion, revision 0) differs
  status
    expected  "success"
    found     "incomplete"
    differs   from character 0 on
  text
    expected  "Hello"
    found     "Help!"
    differs   from character 3 on
  tokens
    expected  (10, 6)
    found     (10, 5)
  cost
    expected  0.0123
    found     0.000075
  labels.team
    expected  "chat"
    found     "search"
    differs   from character 0 on
  labels.tenant
    expected  "acme"
    found     no such key
  tool_calls
    expected  [["weather", "{}"]]
    found     []
  the record: incomplete, closed by expiry; 4 chunks; not complete, missing indexes [[3, 3]]"""


def test_a_wrong_record_is_told_field_by_field() -> None:
    """Expected, found, where they part; and what the record says of itself, which mostly tells why."""
    spoiled = [*STREAM.chunks, chunk(4, {"choices": [], "usage": None}, request_id="req-7")]

    with pytest.raises(AssertionError) as told:
        assert_record(
            fold(*spoiled).record,
            request_id="req-7",
            status="success",
            text="Hello",
            tokens=(10, 6),
            cost="0.0123",
            labels={"team": "chat", "tenant": "acme"},
            tool_calls=[("weather", "{}")],
        )

    assert str(told.value) == GOLDEN


def test_a_long_value_is_shown_around_its_first_difference() -> None:
    """A page of text twice would hide it."""
    told = RecordMatcher(text="a" * 500 + "b" + "c" * 500).explain(fold(chat().text("a" * 501 + "c" * 500)).record)

    assert told[1:5] == [
        "  text",
        '    expected  …"' + "a" * 30 + "b" + "c" * 99 + '"… (1,001 characters)',
        '    found     …"' + "a" * 31 + "c" * 99 + '"… (1,001 characters)',
        "    differs   from character 500 on",
    ]


def test_every_stream_type_has_its_text_and_content() -> None:
    """One name for what lies in different places of a record."""
    assert_record(fold(completion().text("a", "b").finish()).record, text="ab", finish_reason="stop", tokens=None)
    assert_record(fold(transcription().text("a", "b").finish()).record, text="ab", audio=None)
    assert_record(fold(speech().audio(b"a", b"b").finish()).record, audio=b"ab", text=None, images=[])
    assert_record(fold(images(n=2).picture(b"a").preview(b"b", image=1)).record, images=[b"a", b"b"])
    assert_record(fold(responses().text("a", "b").tool_call("f", "{", "}").finish()).record, text="ab")
    assert_record(fold(responses().text("a").tool_call("f", "{", "}").finish()).record, tool_calls=[("f", "{}")])
    assert_record(fold(chat().text("a").error("no money")).record, error="no money", status="error")
    assert_record(fold(responses().text("a").failed("no luck")).record, error="no luck")


def test_money_is_compared_exactly() -> None:
    """As a decimal, however it is written; null is no zero."""
    record = fold(STREAM.finish().cost(0.1)).record

    assert_record(record, cost="0.10")
    assert_record(record, cost=Decimal("0.1"), cost_details={"total": "0.1"})
    assert RecordMatcher(cost=0.1) == record
    assert RecordMatcher(cost="0.1000001") != record
    assert RecordMatcher(cost="much") != record
    assert RecordMatcher(cost=0) != fold(chat().text("a").finish()).record
    assert RecordMatcher(cost=None) != record


def test_matchers_work_inside_of_other_values() -> None:
    """On either side, and with other libraries' placeholders inside."""
    records = fold(chat("a").text("x").finish(), chat("b").text("y").finish()).records

    assert records == [RecordMatcher(text="x"), RecordMatcher(text=ANY, request_id="b")]
    assert {"first": RecordMatcher(text="x")} == {"first": records[0]}
    assert records[0] != RecordMatcher(text="y")
    assert RecordMatcher(text="x") != "x"
    assert repr(RecordMatcher(text="x", tokens=None)) == "RecordMatcher(text='x', tokens=None)"


def test_what_is_no_record_is_said() -> None:
    """A chunk, say; of a part of a record what is there is compared."""
    part = {"request_id": "r-1", "stream_type": "chat.completion", "status": "success", "cost": 0.5}

    assert RecordMatcher(text="x").explain(chunk(0)) == ["no record: it has no status"]
    assert part == RecordMatcher(status="success", cost="0.5")
    for name in ("model", "text", "tokens", "tool_calls"):
        told = RecordMatcher(**{name: None}).explain(part)
        assert told[1:3] == [f"  {name}", "    found     no such field in this record"]


def test_a_field_that_no_record_has_is_refused() -> None:
    """A typing error must not pass as a check."""
    with pytest.raises(UsageError, match=r"no field finnish_reason \(did you mean finish_reason\?\)"):
        RecordMatcher(finnish_reason="stop")
    with pytest.raises(UsageError, match="no field xyzzy"):
        RecordMatcher(xyzzy=1)


def test_values_without_json_are_shown_as_they_are() -> None:
    """Bytes, and what JSON has no words for."""
    told = RecordMatcher(audio=b"ab", labels={1, 2}).explain(fold(speech().audio(b"ac").finish()).record)

    assert told[1:5] == ["  audio", "    expected  b'ab'", "    found     b'ac'", "    differs   from byte 1 on"]
    assert told[6] == "    expected  {1, 2}"
