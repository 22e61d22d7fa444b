"""Builders: what they make is valid, and folds to what they say."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema.protocols import Validator

import schemas
from pipeline.errors import UsageError
from pipeline.testing import (
    Stream,
    assert_record,
    chat,
    completion,
    fold,
    images,
    interleave,
    responses,
    speech,
    transcription,
)
from pipeline.testing.chunk import Document
from schemas.decode import decode, decode_strict

PIECES = st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5), min_size=1, max_size=4)
BYTES = st.lists(st.binary(min_size=1, max_size=5), min_size=1, max_size=4)
TOKENS = st.none() | st.tuples(st.integers(0, 10**6), st.integers(0, 10**6))
BEGIN: Document = {"provider": "openai", "model": "gpt-4o", "labels": {"team": "a"}}


@st.composite
def ended(draw: st.DrawFn) -> Stream:
    """A stream of any type that came to its end, with a failed attempt before the last in some."""
    kind = draw(st.sampled_from([_choices, _responses, _media, _images]))
    made = kind(draw)
    return made.cost(0.0123) if draw(st.booleans()) else made


def _choices(draw: st.DrawFn) -> Stream:
    tokens = draw(TOKENS)
    if draw(st.booleans()):
        text = completion(**BEGIN).text(*draw(PIECES)).finish(draw(st.sampled_from(["stop", "length"])))
        return text if tokens is None else text.usage(*tokens)
    made = chat(**BEGIN)
    if draw(st.booleans()):
        made = made.text(*draw(PIECES)).error(type=draw(st.sampled_from([None, "server_error"])))
        made = made.attempt(provider="azure")
    made = made.reasoning(*draw(PIECES)).text(*draw(PIECES))
    for number in range(draw(st.integers(0, 2))):
        made = made.tool_call(f"tool_{number}", *draw(PIECES))
    if tokens is not None and draw(st.booleans()):
        return made.usage(*tokens).finish()
    made = made.finish(draw(st.sampled_from(["stop", "tool_calls", "content_filter"])))
    return made if tokens is None else made.usage(*tokens)


def _responses(draw: st.DrawFn) -> Stream:
    made = responses(**BEGIN)
    if draw(st.booleans()):
        made = made.text(*draw(PIECES)).error().attempt()
    for _ in range(draw(st.integers(1, 2))):
        made = made.text(*draw(PIECES)).tool_call("tool", *draw(PIECES))
    tokens = draw(TOKENS)
    made = made if tokens is None else made.usage(*tokens)
    return draw(st.sampled_from([made.finish(), made.incomplete(), made.failed()]))


def _media(draw: st.DrawFn) -> Stream:
    tokens = draw(TOKENS)
    made = speech(**BEGIN).audio(*draw(BYTES)) if draw(st.booleans()) else transcription(**BEGIN).text(*draw(PIECES))
    return (made if tokens is None else made.usage(*tokens)).finish()


def _images(draw: st.DrawFn) -> Stream:
    count = draw(st.integers(1, 3))
    made = images(n=count, **BEGIN)
    for number in range(count):
        usage = draw(TOKENS) if number == count - 1 else None
        made = made.preview(draw(st.binary(min_size=1)), image=number)
        made = made.picture(draw(st.binary(min_size=1)), image=number, usage=usage)
    return made


@cache
def validators(stream_type: str) -> list[Validator]:
    """The JSON Schemas of all chunks and of those of a type."""
    folder = Path(schemas.__file__).parent / "generated"
    names = ("chunk.schema.json", f"{stream_type}.chunk.schema.json")
    found = [json.loads((folder / name).read_text(encoding="utf-8")) for name in names]
    return [jsonschema.validators.validator_for(each)(each) for each in found]


@settings(max_examples=30, deadline=None)
@given(ended())
def test_chunks_are_valid(stream: Stream) -> None:
    """Both decoders take each, without an odd leaf, and so do both JSON Schemas."""
    for document in stream.chunks:
        value = json.dumps(document).encode()

        assert decode(value).anomalies == decode_strict(value).anomalies == 0
        for validator in validators(stream.stream_type):
            validator.validate(document)


@settings(max_examples=60, deadline=None)
@given(ended(), st.integers(0, 99))
def test_a_stream_folds_to_what_its_builder_says(stream: Stream, seed: int) -> None:
    """Status, finish, tokens, text, tool calls and number of chunks, in order, and in any order with repeats."""
    for delivery in (stream, stream.duplicated(0.5, seed=seed).shuffled(seed)):
        folded = fold(delivery)

        assert folded.dead_letters == []
        assert_record(folded.record, **delivery.expected)


@settings(max_examples=40, deadline=None)
@given(ended(), st.data())
def test_what_is_cut_or_lost_is_not_said(stream: Stream, data: st.DataObject) -> None:
    """A builder says what its delivered chunks say, not what it was told."""
    count = data.draw(st.integers(1, len(stream.steps)))
    lost = data.draw(st.sets(st.integers(0, len(stream.steps) - 1), max_size=len(stream.steps) - 1))
    for delivery in (stream.cut(count), stream.lost(*lost), stream.unmarked()):
        assert_record(fold(delivery).record, **delivery.expected)


@settings(max_examples=20, deadline=None)
@given(st.lists(ended(), min_size=2, max_size=4), st.integers(0, 99))
def test_interleaved_streams_keep_their_own_order(streams: list[Stream], seed: int) -> None:
    """So that a topic's usual traffic can be told from one that was shuffled; the same for the same seed."""
    named = [_renamed(stream, f"r-{number}") for number, stream in enumerate(streams)]

    mixed = interleave(*named, seed=seed)

    assert mixed == interleave(*named, seed=seed)
    for stream in named:
        assert [each for each in mixed if each["request_id"] == stream.request_id] == stream.chunks


def _renamed(stream: Stream, request_id: str) -> Stream:
    made: Any = vars(stream) | {"request_id": request_id}
    return type(stream)(**made)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(chat().text("a").error("gone", type="request_cancelled"), "incomplete", id="caller gone"),
        pytest.param(chat().text("a").error(), "error", id="error"),
        pytest.param(chat().text("a").error().attempt().text("b").finish(), "success", id="fallback"),
        pytest.param(chat().text("a").marker(), "incomplete", id="marker without finish"),
        pytest.param(chat().text("a").finish().marker(), "success", id="marker"),
        pytest.param(speech().audio(b"a").marker(), "success", id="speech has no finish"),
        pytest.param(chat().text("a"), "incomplete", id="silence"),
        pytest.param(images().preview(b"a").error(), "error", id="no image"),
        pytest.param(images(n=2).picture(b"a").marker(), "success", id="one image of two"),
        pytest.param(images().error().attempt().picture(b"a"), "success", id="another image"),
        pytest.param(
            speech().audio(b"a").usage(1, 2).error().attempt().audio(b"a").finish(), "success", id="speech again"
        ),
    ],
)
def test_every_end_has_its_status(stream: Stream, expected: str) -> None:
    """CONTRACT §2: the builder and the fold agree about it."""
    assert stream.expected["status"] == expected
    assert_record(fold(stream).record, **stream.expected)


def test_a_builder_is_a_value() -> None:
    """A stream may be begun once and ended in several ways; spoiling a chunk spoils no stream."""
    begun = chat().text("a")
    stopped, failed = begun.finish(), begun.error()
    spoiled = begun.chunks[0]
    spoiled["response"]["choices"].clear()

    assert [each.expected["status"] for each in (begun, stopped, failed)] == ["incomplete", "success", "error"]
    assert stopped.chunks[0] == begun.chunks[0] != spoiled


def test_the_last_chunk_ends_the_stream_and_has_the_cost() -> None:
    """Also when usage trails the finish: is_final before it would make it late."""
    chunks: list[Document] = chat().text("a").finish().usage(1, 2).cost(0.5).chunks

    assert [each.get("is_final", False) for each in chunks] == [False, False, True]
    assert [each.get("cost") for each in chunks] == [None, None, 0.5]


def test_usage_behind_a_closing_event_is_refused() -> None:
    """It would travel nowhere, and the test that expects it would look in the wrong place."""
    with pytest.raises(UsageError, match="closing event"):
        speech().audio(b"a").finish().usage(1, 2)


def test_lines_are_those_of_fold_and_produce() -> None:
    """JSON lines, in the order of delivery; what was sent upstream travels once."""
    stream = chat(raw_request={"n": 1}).text("a").payload({"choices": [], "citations": ["b"]}).finish().shuffled(seed=3)

    assert [json.loads(line) for line in stream.lines().splitlines()] == stream.chunks
    assert [each.get("raw_request") for each in sorted(stream.chunks, key=lambda each: each["chunk_index"])] == [
        {"n": 1},
        None,
        None,
    ]
    assert_record(fold(stream).record, raw_request={"n": 1}, output_message={"citations": ["b"]})
