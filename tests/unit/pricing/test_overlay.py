"""The overlay: what it says counts before the list, and what can't be meant is refused with a way out."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.cost import Price
from pipeline.core.valuation import Units
from pipeline.errors import UsageError
from pipeline.pricing.overlay import Overlay
from pipeline.pricing.overlay_file import read
from pipeline.pricing.pricer import PriceList
from tests.unit.pricing.calls import EXAMPLE, bill, call, price_list, reason, tokens

USED = tokens(1000, 100)


@pytest.fixture
def overlay(tmp_path: Path) -> Any:
    """Read an overlay of this text."""

    def write(text: str) -> Overlay:
        path = tmp_path / "prices.toml"
        path.write_text(text, encoding="utf-8")
        return read(path)

    return write


def total(prices: PriceList, model: str, usage: dict[str, Any] | None = USED, **asked: Any) -> str:
    """What a call costs, with where that is from."""
    quote = prices.quote(call(model, usage, **asked))
    assert isinstance(quote.answer, Price), quote.answer
    return f"{bill(quote)['total']} {quote.answer.source}"


# ---- the example -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "asked", "expected"),
    [
        pytest.param("openai/gpt-4o", {}, "0.0028 overlay", id="1000 × 2 + 100 × 8"),
        pytest.param("openai/gpt-4o-2024-08-06", {}, "0.0028 overlay", id="a dated name"),
        pytest.param("openai-eu/gpt-4o", {}, "0.0028 overlay", id="a provider of your own"),
        pytest.param("openai-eu/gpt-4.1", {}, "0.0028 catalog", id="whose other models are in the list"),
        pytest.param("openai/gpt-4o", {"tier": "batch"}, "0.00175 catalog", id="a tier that is only in the list"),
        pytest.param("anthropic/claude-sonnet-4-5", {}, "0.0036 overlay", id="since April: 2.40 and 12"),
        pytest.param(
            "anthropic/claude-sonnet-4-5",
            {"at": datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)},
            "0.00405 overlay",
            id="until March: 2.70 and 13.50",
        ),
        pytest.param(
            "anthropic/claude-sonnet-4-5",
            {"at": datetime(2025, 12, 31, tzinfo=UTC)},
            "0.0045 catalog",
            id="last year: the list's 3 and 15",
        ),
        pytest.param("google/gemini-2.5-pro", {}, "0.0018 overlay", id="a short prompt"),
        pytest.param("gemini/gemini-2.5-pro", {"usage": tokens(200_001, 1000)}, "0.412002 overlay", id="a long one"),
        pytest.param("vertex/gemini-2.5-pro", {"tier": "flex"}, "0.0009 overlay", id="a tier"),
        pytest.param(
            "elevenlabs/eleven_multilingual_v2",
            {"usage": None, "kind": "audio.speech", "units": Units(characters=1000)},
            "0.18 overlay",
            id="by the character",
        ),
        pytest.param(
            "openai/gpt-4o-transcribe-diarize",
            {"usage": None, "kind": "audio.transcription", "units": Units(seconds=Decimal(60))},
            "0.006 overlay",
            id="by the second",
        ),
        pytest.param(
            "openai/dall-e-3",
            {"usage": None, "kind": "image.generation", "units": Units(images=2)},
            "0.08 overlay",
            id="by the image",
        ),
        pytest.param("vllm/whatever-70b", {}, "0 overlay", id="free"),
    ],
)
def test_the_worked_example_does_what_it_says(model: str, asked: dict[str, Any], expected: str) -> None:
    """Own prices before list prices, at the request's own time."""
    assert total(price_list(overlay=read(EXAMPLE)), model, **{"usage": USED} | asked) == expected


def test_a_price_of_the_overlay_names_its_entry_version_and_file() -> None:
    """So that a record says which contract it was priced by."""
    answer = price_list(overlay=read(EXAMPLE)).quote(call("openai/gpt-4o-2024-08-06", USED)).answer

    assert isinstance(answer, Price)
    assert (answer.price_id, answer.price_version) == ("openai/gpt-4o", "2026-04")
    assert answer.price_hash == hashlib.sha256(EXAMPLE.read_bytes()).hexdigest()[:16]


def test_an_entry_stands_by_itself(overlay: Any) -> None:
    """Nothing is taken from the list: cached input costs what input costs, searches are not covered."""
    prices = price_list(overlay=overlay('[models."openai/gpt-4o"]\ninput = 2\noutput = 8'))

    assert total(prices, "openai/gpt-4o", tokens(1000, 100, cached_read_tokens=1000)) == "0.0028 overlay"
    searched = call("openai/gpt-4o", USED, units=Units(tools={"web_searches": 1}))
    assert reason(prices.quote(searched).answer) == "no_price: web_searches"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("harbour/m-1", "1"),
        ("Harbour/M-1", "1"),
        ("harbour/m-12", "2"),
        ("harbour/m-2", "3"),
        ("harbour/other", "4"),
    ],
)
def test_the_most_exact_entry_counts(overlay: Any, model: str, expected: str) -> None:
    """Exactly, then by the longest pattern; the provider need not be in the list."""
    entries = [("m-1", 1), ("m-1*", 2), ("m-*", 3), ("*", 4)]
    text = "\n".join(f'[models."harbour/{name}"]\ninput = {price}000' for name, price in entries)

    assert total(price_list(overlay=overlay(text)), model, tokens(1000, 0)) == f"{expected} overlay"


def test_a_dated_entry_does_not_cover_other_dates(overlay: Any) -> None:
    """A contract for one snapshot of a model is not one for all of them."""
    prices = price_list(overlay=overlay('[models."openai/gpt-4o-2024-08-06"]\ninput = 1\noutput = 1'))

    assert total(prices, "openai/gpt-4o-2024-08-06") == "0.0011 overlay"
    assert total(prices, "openai/gpt-4o-2024-11-20") == "0.0035 catalog"


def test_prices_are_read_as_they_are_written(overlay: Any) -> None:
    """0.1 is one tenth; nothing passes through a float."""
    prices = price_list(overlay=overlay('[models."p/m"]\ninput = 0.1\noutput = 0.123456789012345678901'))

    assert total(prices, "p/m", tokens(3, 1)) == "0.000000423456789012345678901 overlay"


def test_a_tier_of_your_own_is_known_by_its_name(overlay: Any) -> None:
    """The list would refuse it; what the tier does not price costs as standard."""
    prices = price_list(overlay=overlay('[models."openai/gpt-5"]\ninput = 1\noutput = 8\ntiers.scale = { input = 2 }'))

    assert total(prices, "openai/gpt-5", tier="Scale") == "0.0028 overlay"


def test_a_time_with_a_zone_begins_a_price_too(overlay: Any) -> None:
    """A day begins at midnight UTC, a time where it says."""
    prices = price_list(overlay=overlay('[models."p/m"]\nfrom = 2026-04-01T02:00:00+02:00\ninput = 1'))
    before = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)

    assert total(prices, "p/m", tokens(1000, 0), at=datetime(2026, 4, 1, tzinfo=UTC)) == "0.001 overlay"
    assert reason(prices.quote(call("p/m", USED, at=before)).answer) == "unknown_provider"


# ---- what can't be meant -----------------------------------------------------------------------------------------

MODEL = '[models."openai/gpt-4o"]\n'


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        pytest.param("modles = 1", "modles is unknown", "did you mean models?", id="top"),
        pytest.param("zzz = 1", "zzz is unknown", "one of version, providers, models", id="nothing near"),
        pytest.param("version = 3", "version must be a text", 'write version = "2026-04"', id="version"),
        pytest.param("models = 3", "models is no table", "write [models]", id="models"),
        pytest.param(
            '[providers]\nx = "opnai"', "providers.x 'opnai' is no provider", "did you mean openai?", id="alias"
        ),
        pytest.param("[providers]\nx = 5", "providers.x 5 is no provider", "prices show", id="alias that is no text"),
        pytest.param(
            '[models."gpt-4o"]\ninput = 1', 'models."gpt-4o" is no provider/model', "openai/gpt-4o", id="no provider"
        ),
        pytest.param(
            'models."openai/gpt-4o" = 5', 'models."openai/gpt-4o" is no table of prices', "input = 2.50", id="no table"
        ),
        pytest.param('models."openai/gpt-4o" = []', "is no table of prices", "input = 2.50", id="no tables"),
        pytest.param(MODEL, 'models."openai/gpt-4o" has no price', "write input = …", id="empty"),
        pytest.param(MODEL + "inptu = 2.5", 'models."openai/gpt-4o".inptu is unknown', "did you mean input?", id="key"),
        pytest.param(MODEL + 'input = "2.5"', "input is no number", "without quotes", id="text"),
        pytest.param(MODEL + "input = true", "input is no number", "without quotes", id="flag"),
        pytest.param(MODEL + "input = -1", "input -1 can't be a price", "0 or more", id="negative"),
        pytest.param(MODEL + "input = inf", "input Infinity can't be a price", "0 or more", id="infinite"),
        pytest.param(MODEL + "input = 1e12", "can't be a price", "per million", id="absurd"),
        pytest.param(
            MODEL + "input = 0.0000025",
            "0.0000025 looks like the price of one",
            "per million: input = 2.5",
            id="per token",
        ),
        pytest.param(
            MODEL + "images = 0.04", "images 0.04 looks like the price of one", "images = 40000", id="per image"
        ),
        pytest.param(MODEL + 'from = "2026-04-01"\ninput = 1', "from is no date", "without quotes", id="date as text"),
        pytest.param(MODEL + "from = 2026-04-01T00:00:00\ninput = 1", "from has no zone", "00:00:00Z", id="no zone"),
        pytest.param(
            "".join(f'[[models."p/m"]]\nfrom = 2026-04-01\ninput = {price}\n' for price in (1, 2)),
            'models."p/m".from two tables begin at the same time',
            "its own",
            id="two at once",
        ),
        pytest.param(
            '[models."openai/gpt-4o"]\ninput = 1\n[models."OpenAI/GPT-4o"]\ninput = 1',
            "is there twice",
            "keep one",
            id="twice",
        ),
        pytest.param(
            MODEL + "cache_read = 1\noutput = 1",
            "cache_read needs the price of input too",
            "input = …",
            id="part alone",
        ),
        pytest.param(
            MODEL + "input = 1\nreasoning = 1",
            "reasoning needs the price of output too",
            "output = …",
            id="output part",
        ),
        pytest.param(MODEL + "input = 1\ncache_read = 2", "cache_read is dearer than input", "slip", id="dear cache"),
        pytest.param(
            MODEL + "input = 1\ncache_read = 1\ninput_audio = 4\n",
            "cache_read_audio is needed",
            "cached one",
            id="overlap",
        ),
        pytest.param(
            MODEL + "input = 1\ncache_read_audio = 1",
            "cache_read_audio needs the prices of",
            "both",
            id="overlap alone",
        ),
        pytest.param(
            MODEL + "input = 1\ninput_audio = 1\ncache_write = 1",
            "input_audio can't be told",
            "leave one",
            id="no overlap",
        ),
        pytest.param(
            MODEL + "input = 1\ncache_write_1h = 1",
            "cache_write_1h needs the price of cache_write",
            "cache_write = …",
            id="hour",
        ),
        pytest.param(
            MODEL + "input = 1\ncache_read = 1\ninput_audio = 4\ncache_read_audio = 5",
            "cache_read_audio is dearer than input_audio",
            "slip",
            id="dear cached sound",
        ),
        pytest.param(
            MODEL + "input = 1\ncache_read = 1\nabove = [{ tokens = 9, cache_read = 2 }]",
            "cache_read is dearer than input",
            "slip",
            id="dear cache above",
        ),
        pytest.param(MODEL + "input = 1\nabove = 5", "above is no list", "tokens = 200_000", id="above"),
        pytest.param(
            MODEL + "input = 1\nabove = [{ input = 5 }]", "above.tokens must be whole", "tokens =", id="above what"
        ),
        pytest.param(
            MODEL + "input = 1\nabove = [{ tokens = 9, input = 5 }, { tokens = 9, input = 6 }]",
            "that differ",
            "tokens",
            id="same",
        ),
        pytest.param(
            MODEL + "input = 1\nabove = [{ tokens = 9, output = 5 }]",
            "above.output has no price up to there",
            "output =",
            id="above only",
        ),
        pytest.param(
            MODEL + "input = 1\nabove = [{ tokens = 9, inpt = 5 }]", "above.inpt is unknown", "input?", id="above key"
        ),
        pytest.param(MODEL + "input = 1\ntiers = 5", "tiers is no table", "tiers]", id="tiers"),
        pytest.param(MODEL + "input = 1\ntiers.flex = 5", "tiers.flex is no table of prices", "1.25", id="tier"),
        pytest.param(
            MODEL + "input = 1\ntiers.flex = { inpt = 1 }", "tiers.flex.inpt is unknown", "input?", id="tier key"
        ),
        pytest.param("input = = 1", "is not TOML", "docker/prices.toml", id="no TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_way_out(overlay: Any, text: str, place: str, hint: str) -> None:
    """File, table and key, what is wrong, what to write (ECOSYSTEM §5: unit confusion per token and per million)."""
    with pytest.raises(UsageError) as caught:
        overlay(text)

    assert re.match(r"price overlay \S+prices\.toml", caught.value.message)
    assert place in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """And so is one that is no text."""
    with pytest.raises(UsageError, match=r"none\.toml: No such file"):
        read(tmp_path / "none.toml")
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not TOML"):
        read(tmp_path / "odd.toml")
