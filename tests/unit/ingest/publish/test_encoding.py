"""Payloads as JSON: what msgspec writes is what the standard library reads, but for what the contract refuses."""

from __future__ import annotations

import json
import math
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.ingest.publish.encoding import encode
from schemas.leaves import MAX_INTEGER

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


def expected(value: Any) -> Any:
    """What a reader gets."""
    if isinstance(value, dict):
        return {key: expected(item) for key, item in value.items()}
    if isinstance(value, list):
        return [expected(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if type(value) is int and abs(value) > MAX_INTEGER:
        return str(value)
    return value


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4))
def test_every_json_value_arrives_as_it_was(value: dict[str, Any]) -> None:
    """Not a number is null, an integer that readers would round is text, all else is the same."""
    assert json.loads(encode(value, "it")) == expected(value)


@pytest.mark.parametrize("text", ["\ud83d", "half \ude00 of it"])
def test_half_of_a_split_pair_goes_as_an_escape(text: str) -> None:
    """Providers split emoji between chunks; the ledger joins them again."""
    written = encode({"content": text, "n": float("inf"), "big": MAX_INTEGER + 1}, "it")
    assert json.loads(written) == {"content": text, "n": None, "big": str(MAX_INTEGER + 1)}
    assert written.isascii()


@pytest.mark.parametrize("length", [10, 100_000])
def test_long_numbers_are_found_in_short_and_in_long_payloads(length: int) -> None:
    """And digits in texts stay what they are."""
    value = {"seed": MAX_INTEGER + 1, "id": "9" * 30, "text": "x" * length}
    assert json.loads(encode(value, "it")) == {**value, "seed": str(MAX_INTEGER + 1)}
    assert value["seed"] == MAX_INTEGER + 1


def test_mappings_tuples_and_bytes_have_their_json() -> None:
    """Frozen mappings as objects, tuples as arrays, sound as base64."""
    value = MappingProxyType({"a": (1, 2), "audio": b"\x00\x01"})
    assert json.loads(encode(value, "it")) == {"a": [1, 2], "audio": "AAE="}


def circle() -> list[Any]:
    """A list that holds itself."""
    inner: list[Any] = []
    inner.append(inner)
    return inner


@pytest.mark.parametrize("value", [object(), circle(), {"\ud800": object()}], ids=["object", "circle", "both"])
def test_what_has_no_json_is_refused_without_its_content(value: Any) -> None:
    """The reason names the field and a type."""
    with pytest.raises(UsageError) as refused:
        encode({"secret": value}, "the payload")
    assert "the payload" in str(refused.value)
    assert "secret" not in str(refused.value)
