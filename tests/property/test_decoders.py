"""The compiled decoder and the strict one accept and reject the same bytes, with the same reason and equal values."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.decode import STORED, ChunkRejected, decode
from tests.property.chunk_json import BASE64, TIMESTAMPS, chunks, mutated
from tests.unit.schemas.decoders import chunk_fields, encoded, verdicts


def _agree(value: bytes) -> None:
    compiled, strict = verdicts(value)
    assert compiled == strict


@given(document=chunks, ascii_only=st.booleans())
def test_both_read_every_valid_chunk(document: dict[str, Any], *, ascii_only: bool) -> None:
    """A chunk made of what its model lists is read by both, without anomaly, and equally."""
    try:
        value = json.dumps(document, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        value = json.dumps(document).encode()
    compiled, strict = verdicts(value)
    assert compiled == strict
    if isinstance(compiled, tuple):  # a random request id may hold a control character
        assert compiled[0] == "invalid"
    else:
        assert compiled["anomalies"] == ("int", "0")


@given(mutated())
def test_both_agree_on_mutated_chunks(text: str) -> None:
    """Odd leaves, unknown and doubled fields, nulls and numbers at the limits get one verdict and one value."""
    _agree(text.encode(errors="surrogatepass"))


@given(mutated(), st.data())
def test_both_agree_on_edited_bytes(text: str, data: st.DataObject) -> None:
    """Truncated values and values with bytes replaced, removed or added get one verdict."""
    value = bytearray(text.encode(errors="surrogatepass"))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, max(len(value) - 1, 0)))
        length = data.draw(st.sampled_from([0, 1, 2, len(value)]))
        value[at : at + length] = data.draw(
            st.binary(max_size=2) | st.sampled_from(list(b'{}[]",:\\0eE-+.u \n').copy()).map(lambda b: bytes([b]))
        )
    _agree(bytes(value))


@given(st.binary(max_size=20))
@example(b"")
@example(b"null")
@example(b"\xef\xbb\xbf{}")
@example("{}".encode("utf-16"))
def test_both_agree_on_any_bytes(value: bytes) -> None:
    """Bytes that are no chunk are refused by both for the same reason."""
    _agree(value)


@pytest.mark.parametrize("field", ["timestamp", "start_timestamp"])
@given(
    st.from_regex(
        r"(19|20)\d\d-[01]\d-[0-3]\d[Tt ]\d\d:\d\d:[0-6]\d([.,]\d{0,12})?(Z|z|[+-]\d\d:?\d\d)?", fullmatch=True
    )
)
def test_both_agree_on_timestamps(field: str, text: str) -> None:
    """Whatever looks like a timestamp is read by both as the same instant, or by none."""
    _agree(encoded(**{field: text}))


@pytest.mark.parametrize("text", TIMESTAMPS)
def test_both_agree_on_odd_timestamps(text: str) -> None:
    """Forms that datetime.fromisoformat reads beside RFC 3339 are refused by both."""
    _agree(encoded(timestamp=text))


@given(st.from_regex(r"[A-Za-z0-9+/=_ -]{0,9}", fullmatch=True))
def test_both_agree_on_base64(text: str) -> None:
    """Audio is the same bytes for both, or an odd leaf for both."""
    _agree(encoded(stream_type="audio.speech", response={"audio": text}))


@pytest.mark.parametrize("text", BASE64)
def test_both_agree_on_odd_base64(text: str) -> None:
    """Missing, early and superfluous padding, white space and other alphabets are judged alike."""
    _agree(encoded(stream_type="audio.speech", response={"audio": text}))


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=4),
    st.sampled_from([1, 63, 64, 128, 170, 256, 257, 512, 513]),
)
def test_both_agree_on_limits_in_bytes(text: str, times: int) -> None:
    """Lengths of request ids, label keys and label values count UTF-8 bytes for both."""
    _agree(encoded(request_id=text * times))
    _agree(encoded(labels={text * times: "x"}))
    _agree(encoded(labels={"x": text * times}))


@given(mutated())
def test_state_gives_back_what_was_decoded(text: str) -> None:
    """A chunk without odd leaves survives the msgpack of the state, field by field."""
    try:
        chunk = decode(text.encode(errors="surrogatepass"))
    except ChunkRejected:
        return
    if chunk.original is None:
        restored = msgspec.msgpack.decode(msgspec.msgpack.encode(chunk), type=STORED)
        assert chunk_fields(restored) == chunk_fields(chunk)
