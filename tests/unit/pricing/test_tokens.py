"""The tokenizer of the extra [estimate]: what it counts, how long it takes, what is said without it."""

from __future__ import annotations

import socket
import sys
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.estimate import Characters
from pipeline.errors import UsageError
from pipeline.pricing import valuation
from pipeline.pricing.tokens import EXACT, Tokenizer
from pipeline.settings import Settings

COUNTER = Tokenizer()


def test_nothing_is_estimated_unasked() -> None:
    """Off by default: no tokenizer is loaded."""
    assert valuation(Settings()).estimator is None


def test_settings_choose_what_counts() -> None:
    """Four characters a token without any dependency, or OpenAI's vocabulary."""
    assert isinstance(valuation(Settings(estimate_usage="characters")).estimator, Characters)
    assert isinstance(valuation(Settings(estimate_usage="tokenizer")).estimator, Tokenizer)


@pytest.mark.parametrize(
    ("model", "text", "expected"),
    [
        ("gpt-4o", "hello world", 2),
        ("gpt-4o", "", 0),
        ("gpt-4o", "<|endoftext|>", 7),
        ("gpt-4o", "你好,世界", 3),
        ("gpt-4", "你好,世界", 6),
        ("openai/gpt-4-turbo", "你好,世界", 6),
        ("gpt-3.5-turbo", "你好,世界", 6),
        ("gpt-4.1", "你好,世界", 3),
        ("claude-sonnet-5", "hello world", 2),
        (None, "hello world", 2),
    ],
)
def test_tokens_are_those_of_the_models_vocabulary(model: str | None, text: str, expected: int) -> None:
    """cl100k for gpt-4 and gpt-3.5, o200k for what came after and, as an estimate, for everybody else's models."""
    assert COUNTER.tokens(model, text) == expected


def test_very_long_texts_are_taken_at_the_rate_of_their_beginning() -> None:
    """Bounded work for one request, whatever it said; exact up to the limit."""
    text = "word " * (EXACT // 5)

    assert len(text) == EXACT
    exact = COUNTER.tokens("gpt-4o", text)
    assert COUNTER.tokens("gpt-4o", text * 10) == 10 * exact
    assert COUNTER.tokens("gpt-4o", text + "x") == exact + 1


@pytest.mark.parametrize("text", ["a" * EXACT, " " * EXACT, "ab" * (EXACT // 2), "\ud83d" * 1_000])
def test_no_text_is_slow_or_refused(text: str) -> None:
    """One letter for ever is the worst case of many tokenizers; half a character is none of UTF-8."""
    assert 0 < COUNTER.tokens(None, text) <= 3 * len(text)


@given(st.text(st.characters(), max_size=50))
def test_any_text_is_counted(text: str) -> None:
    """Never more tokens than bytes, never none for something, and the same each time."""
    found = COUNTER.tokens("gpt-4o", text)

    assert (0 < found <= 4 * len(text)) if text else found == 0
    assert COUNTER.tokens("gpt-4o", text) == found


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vocabularies are inside the wheel: a worker without a way out counts the same."""

    def no_way_out(*_: Any, **__: Any) -> NoReturn:
        raise OSError("no network")

    monkeypatch.setattr(socket, "socket", no_way_out)
    monkeypatch.setattr(socket, "getaddrinfo", no_way_out)

    assert Tokenizer().tokens("gpt-4", "hello world") == 2


def test_without_the_extra_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """One plain line: what is missing, how to get it, and what goes without it."""
    monkeypatch.setitem(sys.modules, "bpe_openai", None)

    with pytest.raises(UsageError) as refused:
        valuation(Settings(estimate_usage="tokenizer"))

    assert "estimate_usage" in refused.value.message
    assert refused.value.hint == "pip install 'streamledger[estimate]', or set estimate_usage to characters"
