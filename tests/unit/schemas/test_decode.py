"""Strict envelope, lenient payload (CONTRACT §1), by both decoders; tests/property/test_decoders.py has the rest."""

import json
from typing import Any

import pytest

from schemas.chunk import CHUNKS, NO_ATTEMPT, StreamType
from schemas.decode import INVALID, MAX_DEPTH, NOT_JSON, UNSUPPORTED_VERSION, ChunkRejected, decode, decode_strict
from schemas.leaves import MAX_INTEGER, MAX_NESTING, TOO_DEEP
from tests.unit.schemas.decoders import MINIMAL, both, encoded, reason

WRONG: dict[str, list[Any]] = {
    "is_final": [None, 0, "false"],
    "attempt": [None, -1, 1.0, "0", MAX_INTEGER + 1],
    "image_index": [-1, "0", 1.0],
    "start_timestamp": ["", "2026-01-01T00:00:00", 0],
    "provider": [1, []],
    "model": [1, {}],
    "cost": ["0.1", True, 2**60],
    "labels": [None, [], {"a": None}, {"a": 1}, {"k" * 65: ""}, {"a": "v" * 257}],
    "response": [[], "x", 1],
    "error": [[], "x", {"code": 2**53}],
    "raw_request": [2**53, [{"a": -(2**53)}]],
    "schema_version": [0, -1, None, "1", 1.0, True],
}
"""Values that an optional field refuses."""


def test_a_minimal_chunk_takes_the_defaults() -> None:
    """Four fields make a chunk; what is absent has the contract's default."""
    chunk = both(encoded())

    assert (chunk.request_id, chunk.stream_type, chunk.chunk_index) == ("r-1", StreamType.CHAT, 0)
    assert (chunk.schema_version, chunk.is_final, chunk.attempt, chunk.labels) == (1, False, NO_ATTEMPT, {})
    assert (chunk.response, chunk.error, chunk.cost, chunk.anomalies, chunk.original) == (None, None, None, 0, None)


@pytest.mark.parametrize("stream_type", list(CHUNKS))
def test_every_stream_type_has_its_payload(stream_type: str) -> None:
    """An empty payload of each type is a payload."""
    assert both(encoded(stream_type=stream_type, response={})).response is not None


@pytest.mark.parametrize("field", list(MINIMAL))
@pytest.mark.parametrize("value", [..., None, [], "\x00", 1.5, -1, True])
def test_a_wrong_required_field_is_invalid(field: str, value: Any) -> None:
    """Missing, null, of another type, negative: the envelope is strict."""
    assert reason(encoded(**{field: value})) == INVALID


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_a_wrong_optional_field_is_invalid(field: str, value: Any) -> None:
    """Fields that may be absent are as strict when they are there."""
    assert reason(encoded(**{field: value})) == INVALID


@pytest.mark.parametrize("version", [2, 10**30])
def test_a_higher_version_is_unsupported(version: int) -> None:
    """A chunk of a later contract is told apart from a wrong one, whatever else it holds."""
    assert reason(encoded(schema_version=version, chunk_index=-1)) == UNSUPPORTED_VERSION


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"{", b"{}{}", b"\xff", b"\xef\xbb\xbf{}", b"{'a': 1}"),
        *(
            encoded(extra=0).replace(b"0}", literal)
            for literal in (b"NaN}", b"-Infinity}", b"01}", b'"\xff"}', b'"\x01"}')
        ),
    ],
    ids=str,
)
def test_what_is_no_json_text_is_not_json(value: bytes) -> None:
    """Broken syntax, NaN and infinities, bytes that are not UTF-8, also where nobody would look at them."""
    assert reason(value) == NOT_JSON


@pytest.mark.parametrize("value", [b"null", b"[]", b'"chunk"', b"1"])
def test_json_that_is_no_object_is_invalid(value: bytes) -> None:
    """A chunk is an object."""
    assert reason(value) == INVALID


def test_unknown_fields_are_ignored_whatever_they_hold() -> None:
    """Numbers of any size, lone surrogates and doubled names in unknown fields are nobody's business."""
    text = '{"x": 1e400, "x": ' + "9" * 5000 + ', "z": "\\ud800", "response": {"novel": -1e999},'
    chunk = both((text + encoded().decode()[1:]).encode())

    assert chunk.anomalies == 0


@pytest.mark.parametrize(
    ("response", "left"),
    [
        ({"choices": [{"index": 0, "delta": {"content": 5, "role": "assistant"}}]}, {"role": "assistant"}),
        ({"choices": [{"index": "0", "delta": {"refusal": "no"}}]}, {"refusal": "no"}),
        ({"choices": [7, {"delta": {"content": "x"}}]}, {"content": "x"}),
        ({"choices": [{"delta": {"content": {"str": 1}, "role": "r"}}], "usage": {}}, {"role": "r"}),
        ({"choices": [{"delta": {"content": ["no object"], "role": "r"}}]}, {"role": "r"}),
    ],
    ids=["leaf", "index", "element", "union", "list"],
)
def test_an_odd_leaf_is_dropped_counted_and_kept_in_the_original(response: Any, left: dict[str, str]) -> None:
    """The rest of the payload counts; the bytes stay for the raw response."""
    value = encoded(response=response)
    chunk: Any = both(value)
    delta = chunk.response.choices[-1].delta

    assert chunk.anomalies >= 1
    assert chunk.original == value
    assert {name: getattr(delta, name) for name in left} == left
    assert delta.content == left.get("content")


def test_all_odd_leaves_are_counted() -> None:
    """Every leaf that is dropped is one anomaly, in lists from the end so that none is missed."""
    chunk: Any = both(encoded(response={"id": 1, "model": 2, "choices": [3, {"index": 1}, 4, {"index": 2}, 5]}))

    assert chunk.anomalies == 5
    assert [choice.index for choice in chunk.response.choices] == [1, 2]


@pytest.mark.parametrize(
    "response",
    [
        {"created": 2**53},
        {"usage": {"prompt_tokens": 2**53}},
        {"extra_fields": {"latency": 2**53}},
        {"choices": [{"delta": {"content": [{"n": 2**53}]}}]},
    ],
    ids=str,
)
def test_a_number_beyond_the_limit_is_no_odd_leaf(response: Any) -> None:
    """CONTRACT §1 does not accept integers over 2^53-1, so the chunk is refused, its place named."""
    value = encoded(response=response)

    assert reason(value) == INVALID
    with pytest.raises(ChunkRejected, match=rf"response\.{next(iter(response))}: number beyond"):
        decode(value)


@pytest.mark.parametrize("number", ["1e400", "-1e400"])
def test_an_infinity_in_a_known_field_is_invalid(number: str) -> None:
    """Valid JSON, but no number that can be kept."""
    for name in ("cost", "raw_request"):
        assert reason(encoded(**{name: 7}).replace(b"7}", number.encode() + b"}")) == INVALID
    assert reason(encoded(response={"extra_fields": {"latency": 7}}).replace(b"7}", number.encode() + b"}")) == INVALID


@pytest.mark.parametrize("value", [1e16, -1e300, 5, 0, -0.0])
def test_a_cost_is_any_finite_number(value: float) -> None:
    """A large number written as a float is no integer over the limit; an integer becomes a float."""
    chunk = both(encoded(cost=value))

    assert isinstance(chunk.cost, float)
    assert repr(chunk.cost) == repr(float(value))


def test_lone_surrogates_are_accepted_and_their_bytes_kept() -> None:
    """A surrogate cut in two by a chunk border is text; it cannot be encoded again, so the original stays."""
    value = encoded(response={"choices": [{"delta": {"content": "\ud83d"}}]})
    chunk: Any = both(value)

    assert chunk.response.choices[0].delta.content == "\ud83d"
    assert (chunk.anomalies, chunk.original) == (0, value)


def test_escaped_pairs_need_no_original() -> None:
    """Escapes that make whole characters are characters."""
    assert both(encoded(model="\U0001f600", response={"id": 1})).anomalies == 1
    assert both(encoded(model="\U0001f600")).original is None


@pytest.mark.parametrize("fields", [{"request_id": "\ud800"}, {"stream_type": "\ud800"}, {"timestamp": "\ud800"}])
def test_a_lone_surrogate_in_a_strict_field_is_invalid(fields: dict[str, str]) -> None:
    """An id that cannot be a Kafka key is none."""
    assert reason(encoded(**fields)) == INVALID


def test_the_last_of_doubled_fields_counts() -> None:
    """As in every JSON reader; also where the stream type is given twice."""
    text = encoded(response={"type": "speech.audio.done"}).decode()

    assert both((text[:-1] + ', "chunk_index": 7}').encode()).chunk_index == 7
    assert both((text[:-1] + ', "stream_type": "audio.speech"}').encode()).stream_type == "audio.speech"
    assert both(('{"chunk_index": -1,' + text[1:]).encode()).chunk_index == 0


def _tree(depth: int) -> Any:
    return json.loads("[" * depth + "]" * depth)


@pytest.mark.parametrize("depth", [1, 5, 6, 7, MAX_NESTING])
def test_json_that_is_kept_may_be_deep(depth: int) -> None:
    """Deeper than compiled code looks, the strict decoder reads on."""
    chunk: Any = both(encoded(raw_request=_tree(depth), response={"extra_fields": {"raw_response": _tree(depth)}}))

    assert chunk.raw_request == chunk.response.extra_fields.raw_response == _tree(depth)


@pytest.mark.parametrize(
    "fields",
    [
        {"raw_request": _tree(MAX_NESTING + 1)},
        {"error": {"param": _tree(MAX_NESTING)}},
        {"response": {"usage": {"a": _tree(MAX_NESTING)}}},
    ],
    ids=["raw_request", "error", "usage"],
)
def test_json_that_is_kept_has_a_limit(fields: dict[str, Any]) -> None:
    """What common readers of records could not read is refused; no leaf is dropped for it."""
    value = encoded(**fields)

    assert reason(value) == INVALID
    with pytest.raises(ChunkRejected, match=TOO_DEEP):
        decode(value)


def test_ignored_fields_may_be_deeper() -> None:
    """Up to the limit of the whole chunk, counted from its own brace."""
    assert both(encoded(novel=_tree(MAX_DEPTH - 1))).anomalies == 0


@pytest.mark.parametrize("field", ["raw_request", "novel"])
def test_nesting_over_the_limit_is_invalid(field: str) -> None:
    """The limit is ours, not the interpreter's, so that every replay decides the same, JSON or not."""
    value = encoded(**{field: 0}).replace(b"0}", b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}")

    assert reason(value) == INVALID
    assert reason(value[: -MAX_DEPTH - 1]) == INVALID


@pytest.mark.parametrize("text", ["[{" * MAX_DEPTH, '\\"[' * MAX_DEPTH, "}" * MAX_DEPTH + "[" * MAX_DEPTH])
def test_brackets_in_strings_are_no_nesting(text: str) -> None:
    """Source code and JSON inside of texts are text."""
    assert both(encoded(model=text)).model == text


def test_brackets_side_by_side_are_no_nesting() -> None:
    """Many choices are not deep."""
    assert len(both(encoded(raw_request=[[] for _ in range(2 * MAX_DEPTH)])).raw_request) == 2 * MAX_DEPTH


def test_deep_brackets_exhaust_no_stack() -> None:
    """A megabyte of brackets, and brackets that no reader gets to the end of, are refused like any."""
    for value in (b"[" * 1_000_000, b'{"x":' + b"[" * 590):
        assert reason(value) == INVALID


def test_unterminated_strings_are_searched_in_linear_time() -> None:
    """Quotes that never close are no way to keep a worker busy (G6)."""
    assert reason(b"{" * (MAX_DEPTH + 1) + b'"' + b'\\"' * 200_000) == INVALID
    assert reason(b"[]" * (MAX_DEPTH + 1) + b'"' + b'\\"' * 200_000 + b"\\") == NOT_JSON


def test_an_error_text_holds_no_content() -> None:
    """A refusal names the field, never its value (G7)."""
    secret = "sk-secret"
    for fields in ({"timestamp": secret}, {"labels": {secret: 1}}, {"error": secret}, {"stream_type": secret}):
        for decoder in (decode, decode_strict):
            with pytest.raises(ChunkRejected) as refused:
                decoder(encoded(**fields))
            assert secret not in str(refused.value)
            assert refused.value.reason == INVALID


def test_audio_is_bytes() -> None:
    """Base64 is decoded once, at the door (S-AUDIO-1)."""
    chunk: Any = both(encoded(stream_type="audio.speech", response={"audio": "AAEC/w=="}))
    assert chunk.response.audio == b"\x00\x01\x02\xff"


@pytest.mark.parametrize("audio", [5, "YQ", "é===", [], "\ud800"])
def test_audio_that_is_no_base64_is_an_odd_leaf(audio: Any) -> None:
    """Missing padding, another alphabet, another type: dropped and counted."""
    chunk: Any = both(encoded(stream_type="audio.speech", response={"type": "speech.audio.delta", "audio": audio}))

    assert (chunk.response.type, chunk.response.audio) == ("speech.audio.delta", None)
    assert chunk.anomalies == 1
