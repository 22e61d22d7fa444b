"""Surrogate halves and everything that has to stay as it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.text import mend, mend_json

_any_text = st.text(st.characters(codec=None, exclude_categories=()))


def test_halves_that_stand_beside_each_other_are_joined() -> None:
    """S-CHAT-9: a character that a chunk border cut is whole again."""
    assert mend("x\ud83d\ude00y") == "x😀y"


def test_a_lone_half_becomes_the_replacement_character() -> None:
    """S-CHAT-9: whichever half it is, wherever it stands, exactly one U+FFFD."""
    assert [mend(text) for text in ("a\ud83d", "a\ud83db", "\ude00b", "\ude00\ud83d")] == [
        "a\ufffd",
        "a\ufffdb",
        "\ufffdb",
        "\ufffd\ufffd",
    ]


@given(st.text())
def test_whole_text_is_unchanged(text: str) -> None:
    """S-CHAT-8: code points pass through, NUL and controls kept, nothing normalised."""
    assert mend(text) == text


@given(_any_text)
def test_mended_text_is_always_utf8(text: str) -> None:
    """Whatever a producer sent, the record can be encoded; mending twice changes nothing more."""
    mended = mend(text)

    assert mended.encode().decode() == mended
    assert mend(mended) == mended


@given(st.text(), st.integers(min_value=0))
def test_cutting_utf16_anywhere_loses_nothing(text: str, place: int) -> None:
    """S-CHAT-9: text cut between any two UTF-16 units, as JSON escapes can be, comes back whole."""
    units = text.encode("utf-16-le")
    cut = 2 * (place % (len(units) // 2 + 1))
    halves = [part.decode("utf-16-le", "surrogatepass") for part in (units[:cut], units[cut:])]

    assert mend("".join(halves)) == text


def test_mending_reaches_every_string_and_key() -> None:
    """A JSON value is copied with all its strings mended and its order kept."""
    value = {"b\ud83d": ["\ud83d\ude00", 1, None, {"x": True}], "a": 1.5}

    assert mend_json(value) == {"b\ufffd": ["😀", 1, None, {"x": True}], "a": 1.5}
    assert list(mend_json(value)) == ["b\ufffd", "a"]
    assert "b\ud83d" in value


def test_of_keys_that_become_equal_the_first_wins() -> None:
    """Two keys that differ only in broken halves give one, always the same."""
    assert mend_json(dict(zip(("\ud83d", "\ud83e"), (1, 2), strict=True))) == {"\ufffd": 1}


def test_deep_nesting_is_no_limit() -> None:
    """Mending works without recursion."""
    value: object = "\ud83d"
    for _ in range(10_000):
        value = [value]

    mended = mend_json(value)

    while isinstance(mended, list):
        mended = mended[0]
    assert mended == "\ufffd"
