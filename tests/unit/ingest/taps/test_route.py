"""What a URL tells."""

import pytest

from pipeline.ingest.providers import PROVIDERS
from pipeline.ingest.taps.route import VENDORS, format_of, vendor_of
from pipeline.pricing.provider import KNOWN, plain_name


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/chat/completions", "openai-chat"),
        ("/openai/v1/chat/completions", "openai-chat"),
        ("/openai/deployments/mine/chat/completions", "openai-chat"),
        ("/v1/completions", "openai-completions"),
        ("/v1/responses", "openai-responses"),
        ("/v1/responses/resp_1", "openai-responses"),
        ("/v1/messages", "anthropic-messages"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/m:streamRawPredict", "anthropic-messages"),
        ("/v1/audio/speech", "openai-speech"),
        ("/v1/audio/transcriptions/", "openai-transcription"),
        ("/v1/images/generations", "openai-images"),
        ("/v1beta/models/gemini-2.5-pro:streamGenerateContent", "gemini"),
        ("/v1/threads/t/messages/m", None),
        ("/v1/embeddings", None),
    ],
)
def test_a_path_tells_the_format(path: str, expected: str | None) -> None:
    """The paths of the providers' APIs name their formats, others none."""
    assert expected == format_of(path)
    assert expected is None or expected in PROVIDERS


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("api.openai.com", "openai"),
        ("API.groq.com", "groq"),
        ("mine.openai.azure.com", "azure"),
        ("europe-west1-aiplatform.googleapis.com", "vertex"),
        ("openrouter.ai", "openrouter"),
        ("notopenrouter.ai", None),
        ("api.openai.com.evil.example", None),
        ("127.0.0.1", None),
    ],
)
def test_a_host_tells_the_vendor(host: str, expected: str | None) -> None:
    """A vendor is known by its own hosts; anybody else's proxy is not guessed at."""
    assert expected == vendor_of(host)


@pytest.mark.parametrize("name", [name for _, name in VENDORS])
def test_the_price_list_knows_each_vendor(name: str) -> None:
    """A tapped stream's provider is one that the price list has by that name."""
    assert plain_name(name) in KNOWN
