"""URL of a request → the provider's format, and who is behind it.

Owns two tables: paths of the providers' APIs, and hosts by which a vendor is known. Imports the formats of this room.
"""

from __future__ import annotations

import re
from typing import Final

_PATHS: Final = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"/chat/completions$", "openai-chat"),
        (r"/completions$", "openai-completions"),
        (r"/responses(?:/[^/]+)?$", "openai-responses"),
        (r"/messages$|/publishers/anthropic/models/[^/]+:streamRawPredict$", "anthropic-messages"),
        (r"/audio/speech$", "openai-speech"),
        (r"/audio/(?:transcriptions|translations)$", "openai-transcription"),
        (r"/images/(?:generations|edits)$", "openai-images"),
        (r":streamGenerateContent$", "gemini"),
    )
)

VENDORS: Final = tuple(
    (re.compile(rf"(?:^|\.){pattern}$"), name)
    for pattern, name in (
        (r"api\.openai\.com", "openai"),
        (r"(?:(?:openai|cognitiveservices|services\.ai)\.azure\.com|azure-api\.net)", "azure"),
        (r"api\.anthropic\.com", "anthropic"),
        (r"aiplatform\.googleapis\.com|[a-z0-9-]+-aiplatform\.googleapis\.com", "vertex"),
        (r"generativelanguage\.googleapis\.com", "gemini"),
        (r"bedrock-runtime\.[a-z0-9-]+\.amazonaws\.com", "bedrock"),
        (r"api\.groq\.com", "groq"),
        (r"api\.mistral\.ai", "mistral"),
        (r"api\.deepseek\.com", "deepseek"),
        (r"api\.x\.ai", "xai"),
        (r"openrouter\.ai", "openrouter"),
        (r"api\.perplexity\.ai", "perplexity"),
        (r"api\.together\.(?:xyz|ai)", "together"),
        (r"api\.fireworks\.ai", "fireworks"),
        (r"api\.cerebras\.ai", "cerebras"),
        (r"api\.cohere\.(?:ai|com)", "cohere"),
        (r"api\.moonshot\.(?:ai|cn)", "moonshot"),
        (r"api\.minimaxi?\.(?:io|com|chat)", "minimax"),
        (r"api\.z\.ai", "zai"),
        (r"open\.bigmodel\.cn", "zhipuai"),
        (r"api\.novita\.ai", "novita"),
        (r"api\.githubcopilot\.com", "github_copilot"),
    )
)
"""Names as the price list and the table of usage conventions know them."""


def format_of(path: str) -> str | None:
    """Name of the format that an API path answers in, if it is one of the known."""
    return next((name for pattern, name in _PATHS if pattern.search(path.rstrip("/"))), None)


def vendor_of(host: str) -> str | None:
    """Who answers at a host, if it is known: a proxy or a server of one's own is not."""
    return next((name for pattern, name in VENDORS if pattern.search(host.lower())), None)
