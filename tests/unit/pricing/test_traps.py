"""What the price list's own library would answer silently or wrongly, and what is answered here (ECOSYSTEM §3.2).

The library is asked beside ours where that shows the trap: a release that closes it is noticed here.
"""

from __future__ import annotations

import hashlib
import warnings
from datetime import UTC, datetime
from decimal import Decimal
from importlib import metadata, resources

import pytest
from genai_prices import Usage
from genai_prices.data import providers as list_providers

from pipeline.core.cost import Price
from pipeline.core.valuation import Units
from pipeline.pricing.provider import KNOWN
from tests.unit.pricing.calls import USED, bill, call, catalog, library, price_list, tokens, why

AUDIO, TRANSCRIPTION, IMAGE = "audio.speech", "audio.transcription", "image.generation"


# ---- (a) speech needs characters ---------------------------------------------------------------------------------


def test_speech_without_characters_has_no_price() -> None:
    """The library charges nothing for tts-1 when only tokens are known."""
    assert library("tts-1", "openai", input_tokens=12, output_tokens=34) == 0
    assert why("openai/tts-1", tokens(12, 34), kind=AUDIO) == "unknown_count: input_characters"


def test_speech_by_the_character_needs_no_tokens() -> None:
    """15 USD per million."""
    spoken = call("openai/tts-1", None, kind=AUDIO, units=Units(characters=1_000_000))

    assert bill(price_list().quote(spoken))["total"] == "15"


def test_a_transcript_by_the_second_without_seconds_has_no_price() -> None:
    """Whisper is billed by the length of the sound; tokens say nothing about it."""
    assert why("openai/whisper-1", USED, kind=TRANSCRIPTION) == "unknown_count: audio_seconds"


# ---- (b) tiers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", [None, "", "default", "standard", "auto", "Standard", "on_demand", "ON_DEMAND"])
def test_every_way_to_say_standard_is_the_standard_price(tier: str | None) -> None:
    """1000 × 1.25 + 100 × 10 per million."""
    assert bill(price_list().quote(call("openai/gpt-5", USED, tier=tier)))["total"] == "0.00225"


@pytest.mark.parametrize("tier", ["scale", "flexx", "Priority plus", "provisioned_throughput"])
def test_a_tier_that_is_not_known_has_no_price(tier: str) -> None:
    """The library takes any context that it does not know for none: the standard price, without a word."""
    assert library("gpt-5", "openai", {"service_tier": tier}, input_tokens=1000) == Decimal("0.00125")
    assert why("openai/gpt-5", tier=tier) == "unknown_service_tier"


@pytest.mark.parametrize(
    ("tier", "total"),
    [("flex", "0.001125"), ("FLEX", "0.001125"), ("on_demand_flex", "0.001125"), ("priority", "0.0045")],
)
def test_a_tier_is_known_by_all_its_spellings(tier: str, total: str) -> None:
    """The list's keys are exact and case-sensitive; those of gateways are not."""
    assert bill(price_list().quote(call("openai/gpt-5", USED, tier=tier)))["total"] == total


@pytest.mark.parametrize(
    ("model", "tier"),
    [
        pytest.param("openai/gpt-4.1", "flex", id="a model without that tier"),
        pytest.param("deepseek/deepseek-chat", "priority", id="a provider without tiers"),
        pytest.param("azure/gpt-5", "flex", id="an entry borrowed from OpenAI"),
    ],
)
def test_a_tier_that_the_model_has_no_price_for_is_refused(model: str, tier: str) -> None:
    """Not the standard price (SYMPTOMS 12)."""
    provider, _, name = model.partition("/")
    context = {"service_tier": tier}

    assert library(name, provider, context, input_tokens=1000) == library(name, provider, input_tokens=1000)
    assert why(model, tier=tier) == "no_price_for_tier"


def test_a_tier_has_no_price_before_the_list_knew_one() -> None:
    """Flex of gpt-5 is in the list from 2026-10-12 on; before it the library gives the standard price."""
    assert why("openai/gpt-5", tier="flex", at=datetime(2026, 10, 11, 23, 59, tzinfo=UTC)) == "no_price_for_tier"
    assert bill(price_list().quote(call("openai/gpt-5", USED, tier="flex", at=datetime(2026, 10, 12, tzinfo=UTC))))


def test_fast_is_asked_for_in_the_words_of_each_provider() -> None:
    """Anthropic's list says speed, OpenAI's service_tier; claude-opus-4-8 in fast mode is 10 and 50."""
    opus = call("anthropic/claude-opus-4-8", tokens(1000, 100), tier="fast")

    assert bill(price_list().quote(opus))["total"] == "0.015"
    assert bill(price_list().quote(call("openai/gpt-5", USED, tier="fast")))["total"] == "0.0045"


# ---- (c) cache writes for an hour --------------------------------------------------------------------------------


def test_writes_that_are_only_known_by_how_long_they_are_kept_are_counted() -> None:
    """The library wants the total beside it, and raises without."""
    split = tokens(500, 0, cached_write_token_details={"cached_write_tokens_1h": 400, "cached_write_tokens_5m": 100})

    with pytest.raises(ValueError, match="cache_write_tokens"):
        library("claude-sonnet-4-5", "anthropic", input_tokens=500, cache_write_1h_tokens=400)
    # 400 × 6.00 + 100 × 3.75
    assert bill(price_list().quote(call("anthropic/claude-sonnet-4-5", split)))["total"] == "0.002775"


def test_a_write_for_an_hour_is_never_charged_as_one_for_five_minutes() -> None:
    """An entry with a price for writes and none for an hour would bill half."""
    usage = tokens(500, 0, cached_write_tokens=500, cached_write_token_details={"cached_write_tokens_1h": 500})

    assert why("openrouter/anthropic/claude-fable-5", usage) == "no_price: cache_write_1h_tokens"


# ---- (d) models that are not found -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        "openai/dall-e-3",
        "openai/sora-2",
        "groq/gpt-oss-120b",
        "openai/ft:gpt-9:acme",
        "azure/my-deployment",
        "mistral/x",
    ],
)
def test_a_model_that_is_not_in_the_list_has_no_price(model: str) -> None:
    """Nothing near it is taken instead."""
    assert why(model) == "unknown_model"


def test_a_name_of_absurd_length_is_not_looked_up() -> None:
    """Matching would take seconds for a megabyte."""
    assert why("openai/" + "gpt-4o" * 100) == "unknown_model"
    assert why("x" * 300 + "/gpt-4o") == "unknown_model"


@pytest.mark.parametrize(
    ("model", "price_id"),
    [
        ("openai/gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("openai/GPT-4o", "openai/gpt-4o"),
        ("openai/openai/gpt-4o", "openai/gpt-4o"),
        ("google/models/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("vertex/publishers/google/models/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("groq/openai/gpt-oss-120b", "groq/openai/gpt-oss-120b"),
        ("openai/ft:gpt-4o-mini-2024-07-18:acme::1", "openai/ft:gpt-4o-mini"),
    ],
)
def test_dated_names_and_prefixes_find_their_model(model: str, price_id: str) -> None:
    """Only what says once more whose model it is may stand before the name."""
    answer = price_list().quote(call(model, USED)).answer

    assert isinstance(answer, Price)
    assert answer.price_id == price_id


# ---- (e) providers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("openai", "openai"),
        ("azure", "azure"),
        ("azure.ai.openai", "azure"),
        ("az.ai.inference", "azure"),
        ("bedrock", "aws"),
        ("aws.bedrock", "aws"),
        ("vertex", "google"),
        ("gcp.vertex_ai", "google"),
        ("gcp.gemini", "google"),
        ("gemini", "google"),
        ("xai", "x-ai"),
        ("x_ai", "x-ai"),
        ("Mistral AI", "mistral"),
        ("together_ai", "together"),
        ("fireworks-ai", "fireworks"),
    ],
)
def test_names_of_gateways_and_of_opentelemetry_are_known(name: str, known: str) -> None:
    """Bifrost, LiteLLM, OpenTelemetry: `azure.ai.openai` is Azure, which the library takes for OpenAI."""
    assert catalog().provider(name) == known


def test_azure_is_azure_where_its_prices_are_its_own() -> None:
    """text-embedding-ada-002 by the id of OpenTelemetry."""
    answer = price_list().quote(call("azure.ai.openai/gpt-4o", USED)).answer

    assert isinstance(answer, Price)
    assert answer.price_id == "azure/gpt-4o"


@pytest.mark.parametrize("name", ["harbour", "openai-eu", "ollama", "vllm", "my-azure-gateway", "litellm", "?"])
def test_an_unknown_provider_has_no_price_whatever_the_model_is_called(name: str) -> None:
    """The library would go by the model's name, or by a part of the provider's."""
    assert why(f"{name}/gpt-4o") == "unknown_provider"


def test_without_provider_or_model_there_is_no_price() -> None:
    """Nothing is guessed."""
    assert why("/gpt-4o") == "no_provider"
    assert why("openai/") == "no_model"


def test_the_table_of_providers_is_that_of_the_list() -> None:
    """Every id of the list has its names, and every name leads to an id of the list."""
    assert {provider.id for provider in list_providers} == set(KNOWN.values())


# ---- (f) requests ------------------------------------------------------------------------------------------------


def test_a_fee_per_request_is_counted_without_a_warning() -> None:
    """The library warns of `requests` in a usage, and counts one by itself."""
    with pytest.warns(UserWarning, match="requests"):
        Usage(requests=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sonar = bill(price_list().quote(call("perplexity/sonar", tokens(10, 336))))

    assert sonar["requests"] == "0.012"


# ---- (g) the data ------------------------------------------------------------------------------------------------


def test_a_price_names_the_data_it_is_from() -> None:
    """The version of the package and what sha256sum says of its data file, as the wheel's RECORD does."""
    answer = price_list().quote(call("openai/gpt-4o", USED)).answer
    file = resources.files("genai_prices").joinpath("data.py").read_bytes()

    assert isinstance(answer, Price)
    assert (answer.source, answer.price_id) == ("catalog", "openai/gpt-4o")
    assert answer.price_version == metadata.version("genai-prices")
    assert answer.price_hash == hashlib.sha256(file).hexdigest()[:16]
