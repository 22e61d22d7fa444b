"""The many names of providers → the ids of the price list.

Owns that table: names of Bifrost, LiteLLM, Vercel's AI SDK, pydantic-ai and OpenTelemetry.  A name that is not in it
has no list price: OpenTelemetry's `azure.ai.openai` must not become OpenAI, and a model's name says nothing about whose
bill it is on (ECOSYSTEM §3.2).  Imports the standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_SEPARATORS: Final = re.compile(r"[\s._/:-]+")

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic": ("anthropic", "anthropic_text"),
    "arcee": ("arcee", "arcee_ai"),
    "avian": ("avian",),
    "aws": ("aws", "bedrock", "aws_bedrock", "amazon_bedrock", "bedrock_converse", "amazon"),
    "azure": (
        *("azure", "azure_openai", "azure_ai", "azure_text", "azure_ai_openai", "azure_ai_inference"),
        *("az_ai_openai", "az_ai_inference", "azure_ai_foundry", "azure_foundry"),
    ),
    "baseten": ("baseten",),
    "cerebras": ("cerebras",),
    "cloudflare": ("cloudflare", "workers_ai", "cloudflare_workers_ai"),
    "cohere": ("cohere", "cohere_chat"),
    "cursor": ("cursor",),
    "databricks": ("databricks",),
    "deepseek": ("deepseek",),
    "doubleword": ("doubleword",),
    "elevenlabs": ("elevenlabs", "eleven_labs"),
    "fireworks": ("fireworks", "fireworks_ai"),
    "github-copilot": ("github_copilot", "copilot"),
    "google": (
        *("google", "gemini", "vertex", "vertex_ai", "vertex_ai_beta", "google_vertex", "google_gla", "google_genai"),
        *("google_ai_studio", "google_generative_ai", "gcp_gemini", "gcp_vertex_ai", "gcp_gen_ai"),
    ),
    "groq": ("groq",),
    "huggingface_cerebras": ("huggingface_cerebras",),
    "huggingface_fireworks-ai": ("huggingface_fireworks_ai",),
    "huggingface_groq": ("huggingface_groq",),
    "huggingface_hyperbolic": ("huggingface_hyperbolic",),
    "huggingface_nebius": ("huggingface_nebius",),
    "huggingface_novita": ("huggingface_novita",),
    "huggingface_nscale": ("huggingface_nscale",),
    "huggingface_ovhcloud": ("huggingface_ovhcloud",),
    "huggingface_publicai": ("huggingface_publicai",),
    "huggingface_sambanova": ("huggingface_sambanova",),
    "huggingface_together": ("huggingface_together",),
    "meta": ("meta", "meta_llama"),
    "minimax": ("minimax",),
    "mistral": ("mistral", "mistral_ai", "mistralai"),
    "modal": ("modal",),
    "moonshotai": ("moonshotai", "moonshot", "moonshot_ai"),
    "novita": ("novita", "novita_ai"),
    "openai": ("openai", "text_completion_openai"),
    "openai-decisions": ("openai_decisions",),
    "openrouter": ("openrouter", "open_router"),
    "ovhcloud": ("ovhcloud", "ovh"),
    "perplexity": ("perplexity", "perplexity_ai"),
    "quicksilverpro": ("quicksilverpro",),
    "together": ("together", "together_ai", "togetherai"),
    "typesafe": ("typesafe",),
    "voyageai": ("voyageai", "voyage", "voyage_ai"),
    "x-ai": ("x_ai", "xai"),
    "zai": ("zai", "z_ai"),
    "zhipuai": ("zhipuai", "zhipu", "zhipu_ai"),
}

KNOWN: Final[Mapping[str, str]] = {name: provider for provider, names in _NAMES.items() for name in names}
"""Id of the price list by a provider's name in plain form."""


def plain_name(name: str) -> str:
    """A provider's name in lower case with underscores, as the table has it: `azure.ai.openai` is `azure_ai_openai`."""
    return _SEPARATORS.sub("_", name.strip().lower())
