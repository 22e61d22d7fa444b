"""What the figures of a usage include, provider by provider, and the one convention of the record (issue 5, item 3).

In the record input tokens include cache reads and writes, and output tokens include reasoning, so that no reader has to
know who counted.  Providers differ.  For each the table says of cache, reasoning and citations:

    INSIDE         a breakdown of the count above it
    BESIDE         to be added to it
    MOSTLY_INSIDE  what the figures tell, else a breakdown: gateways convert, and not all of them do
    MOSTLY_BESIDE  what the figures tell, else to be added

Figures tell by two rules, in this order.  A part larger than its whole is not inside it.  A stated total tells: of the
placements that remain, the table's own first, the one whose sum is the total is right; when none is, the table's own.
The record's total is the stated one until a part was added, then the sum of both sides.  Parts by modality (text,
audio, image) are breakdowns at every provider known, so nothing is ever added for them.

`reports` says how usage comes within a stream.  ONCE and RUNNING are read alike, by the highest chunk that has one
(S-META-1), because a running count holds all that came before.  DELTA would have to be added up: no provider that sends
deltas is known (looked for in the issues of langchain, langchainjs, Bifrost, LiteLLM and Vercel AI SDK, where every
report of summed usage turned out to be a running count), so no row has it and nothing is summed.

Imports pipeline.core and the contract only.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from itertools import product
from typing import Final, NamedTuple

from pipeline.core.dialect import Dialect
from pipeline.core.output import Json
from schemas.chunk import StreamType
from schemas.leaves import MAX_INTEGER


class Place(Enum):
    """Whether a count holds a part of it."""

    INSIDE = auto()
    BESIDE = auto()
    MOSTLY_INSIDE = auto()
    MOSTLY_BESIDE = auto()


class Reports(Enum):
    """How usage comes within one stream."""

    ONCE = auto()
    RUNNING = auto()
    DELTA = auto()


class Origin(NamedTuple):
    """Who counted, as the chunks name it."""

    provider: str | None = None
    model: str | None = None


class Row(NamedTuple):
    """One provider's convention.

    Attributes:
        name: of the row.
        source: where it says so.
        providers: lower case; empty: any.
        dialects: empty: any.
        stream_type: None: any.
        model: part of its name; empty: any.
        cache, reasoning, citations: where these tokens are counted.
        reports: how usage comes within a stream.
        elder: completion details hold cache writes: what Bifrost wrote of Anthropic and Bedrock before its PR 1872.
        recount: the stated total is wrong.
        rest: what a stated total has beyond both sides is reasoning that nobody stated.
    """

    name: str
    source: str
    providers: frozenset[str] = frozenset()
    dialects: frozenset[Dialect] = frozenset()
    stream_type: str | None = None
    model: str = ""
    cache: Place = Place.INSIDE
    reasoning: Place = Place.INSIDE
    citations: Place = Place.INSIDE
    reports: Reports = Reports.ONCE
    elder: bool = False
    recount: bool = False
    rest: bool = False


_ANTHROPIC: Final = frozenset({"anthropic"})
_BEDROCK: Final = frozenset({"bedrock", "aws", "amazon-bedrock"})
_GOOGLE: Final = frozenset({"gemini", "google", "vertex", "vertex_ai", "google-vertex"})
_XAI: Final = frozenset({"xai", "x-ai", "grok"})

TABLE: Final = (
    Row(
        "messages",
        "Claude API, Prompt caching: total input = cache_read + cache_creation + input_tokens; Streaming: counts of "
        "message_delta are cumulative; Extended thinking: output_tokens include it",
        dialects=frozenset({Dialect.MESSAGES}),
        cache=Place.BESIDE,
        reports=Reports.RUNNING,
    ),
    Row(
        "generate",
        "Gemini API, UsageMetadata: promptTokenCount includes the cached content; candidates without thoughts "
        "(LibreChat#13006, any-llm#1290: 20 + 198 + 405 = 623); running (langchainjs PR 10164)",
        dialects=frozenset({Dialect.GENERATE}),
        reasoning=Place.BESIDE,
        reports=Reports.RUNNING,
    ),
    Row(
        "converse of OpenAI models",
        "measured in Bifrost PR 6942 and opencode#47296: in a stream inputTokens is the whole prompt, and totalTokens "
        "counts the cached part twice",
        dialects=frozenset({Dialect.CONVERSE}),
        model="openai.",
        recount=True,
    ),
    Row(
        "converse",
        "Amazon Bedrock API, TokenUsage; bifrost PR 5811, opencode PR 38427: cache reads and writes are separate",
        dialects=frozenset({Dialect.CONVERSE}),
        cache=Place.BESIDE,
    ),
    Row(
        "cohere",
        "Cohere, How does pricing work: billed_units are what is billed; cached tokens are part of the input",
        dialects=frozenset({Dialect.COHERE}),
    ),
    Row(
        "blend",
        "LiteLLM, AnthropicConfig.calculate_usage, adds both to prompt_tokens; Databricks (genai-prices, databricks)",
        dialects=frozenset({Dialect.BLEND}),
        cache=Place.MOSTLY_INSIDE,
    ),
    Row(
        "anthropic by older gateways",
        "Bifrost PR 1872 (2026-03): only since then prompt_tokens include the cache, and only since then the details "
        "have cached_read_tokens; before, cached_tokens stood beside, and writes in the completion's details",
        providers=_ANTHROPIC,
        dialects=frozenset({Dialect.OPENAI}),
        cache=Place.BESIDE,
        elder=True,
    ),
    Row(
        "bedrock by older gateways",
        "Bifrost PR 908 and 1872, as above; its total was that of Converse, which holds the cache",
        providers=_BEDROCK,
        dialects=frozenset({Dialect.OPENAI}),
        cache=Place.MOSTLY_BESIDE,
        elder=True,
    ),
    Row(
        "anthropic and bedrock by gateways",
        "Bifrost PR 1872: prompt_tokens include cached reads and writes",
        providers=_ANTHROPIC | _BEDROCK,
        cache=Place.MOSTLY_INSIDE,
        reports=Reports.RUNNING,
    ),
    Row(
        "google by gateways",
        "as for generate; the total of Google's OpenAI endpoint holds thoughts that it states nowhere "
        "(clarifai-python PR 978: 20 + 424 of 1016, any-llm PR 1291)",
        providers=_GOOGLE,
        cache=Place.MOSTLY_INSIDE,
        reasoning=Place.MOSTLY_BESIDE,
        reports=Reports.RUNNING,
        rest=True,
    ),
    Row(
        "xai responses",
        "recorded: vercel-xai--xai-web-search-tool.1, 1875 + 695 = 2570 with 397 of reasoning",
        providers=_XAI,
        stream_type=StreamType.RESPONSES,
        reasoning=Place.MOSTLY_INSIDE,
    ),
    Row(
        "xai",
        "xAI, Consumption: reasoning is counted apart from completion_tokens and is in total_tokens; recorded: "
        "vercel-xai--xai-text, 12 + 1 + 290 = 303; sub2api#5771 checks it against the bill",
        providers=_XAI,
        reasoning=Place.MOSTLY_BESIDE,
    ),
    Row(
        "perplexity responses",
        "Perplexity Agent API, usage in OpenAI's convention (genai-prices, perplexity)",
        providers=frozenset({"perplexity"}),
        stream_type=StreamType.RESPONSES,
    ),
    Row(
        "perplexity",
        "Perplexity, Pricing of Sonar Deep Research: reasoning and citation tokens are lines of their own (its own "
        "example: 33 + 7163 = 7196 beside 73997 of reasoning); recorded: usage on every chunk, running",
        providers=frozenset({"perplexity"}),
        reasoning=Place.BESIDE,
        citations=Place.BESIDE,
        reports=Reports.RUNNING,
    ),
    Row(
        "openai",
        "OpenAI API, CompletionUsage and ResponseUsage: details are breakdowns; include_usage: one last chunk",
        providers=frozenset({"openai", "azure"}),
    ),
    Row(
        "deepseek",
        "DeepSeek API, Chat completion: prompt_tokens = prompt_cache_hit_tokens + prompt_cache_miss_tokens; recorded: "
        "219 of completion hold 205 of reasoning",
        providers=frozenset({"deepseek"}),
    ),
    Row(
        "mistral",
        "Mistral API, prompt caching: 1008 cached of 1013; recorded: 171 + 14 = 185 with 128 cached",
        providers=frozenset({"mistral", "mistralai"}),
    ),
    Row(
        "groq",
        "recorded: vercel-groq--groq-tool-call: the last chunk has it in x_groq.usage, and in usage when asked for",
        providers=frozenset({"groq"}),
    ),
    Row(
        "openrouter",
        "OpenRouter, Usage accounting: 194 with 100 written, and 2, are 196; in the last message",
        providers=frozenset({"openrouter"}),
    ),
    Row(
        "served by oneself",
        "vLLM, continuous_usage_stats: running counts on every chunk (open-webui#29064); prefix cache inside",
        providers=frozenset({"vllm", "sgl", "ollama", "lmstudio", "baseten"}),
        reports=Reports.RUNNING,
    ),
    Row(
        "anybody",
        "OpenAI's convention, which most speak; what the figures tell against it wins",
        cache=Place.MOSTLY_INSIDE,
        reasoning=Place.MOSTLY_INSIDE,
    ),
)
"""First match wins; the last row matches everything."""

_MOSTLY: Final = {Place.MOSTLY_INSIDE: Place.INSIDE, Place.MOSTLY_BESIDE: Place.BESIDE}
_OTHER: Final = {Place.INSIDE: Place.BESIDE, Place.BESIDE: Place.INSIDE}
_INPUT: Final = "prompt_tokens_details"
_OUTPUT: Final = "completion_tokens_details"


def row_of(origin: Origin, dialect: Dialect, stream_type: str) -> Row:
    """The row that applies."""
    provider, model = (origin.provider or "").lower(), (origin.model or "").lower().rpartition("/")[2]
    return next(
        row
        for row in TABLE
        if (not row.providers or provider in row.providers)
        and (not row.dialects or dialect in row.dialects)
        and row.stream_type in (None, stream_type)
        and row.model in model
    )


def reconciled(usage: Json, row: Row) -> Json:
    """A usage under the record's convention.

    Args:
        usage: counts under the names of WIRE §4, as its provider meant them; changed in place.
        row: of its provider.

    Returns:
        The same usage.
    """
    inputs, outputs = usage.get(_INPUT) or {}, usage.get(_OUTPUT) or {}
    if row.elder and inputs.get("cached_write_tokens") is None and outputs.get("cached_tokens"):
        usage[_INPUT] = inputs = inputs | {"cached_write_tokens": outputs.pop("cached_tokens")}
    prompt, completion, total = (usage.get(f"{name}_tokens") for name in ("prompt", "completion", "total"))
    cached = (inputs.get("cached_read_tokens") or 0) + (inputs.get("cached_write_tokens") or 0)
    thought = outputs.get("reasoning_tokens") or 0
    if row.recount:
        usage.pop("total_tokens", None)
    if row.recount or prompt is None or completion is None:
        total = None  # tells nothing
    sides = (prompt or 0, cached, row.cache), (completion or 0, thought, row.reasoning)
    before, after = next((pair for pair in _placements(*sides) if sum(pair) == total), None) or next(
        _placements(*sides)
    )
    if row.citations is Place.BESIDE:
        after += outputs.get("citation_tokens") or 0
    if row.rest and total is not None and not thought and total > before + after:
        outputs = outputs | {"reasoning_tokens": total - before - after}
        usage[_OUTPUT], after = outputs, total - before
    return _put(usage, before, after) if before + after <= MAX_INTEGER else usage


def _placements(*sides: tuple[int, int, Place]) -> Iterator[tuple[int, ...]]:
    """(input, output) under each placement that the parts allow, the table's own first."""
    return product(*(_wholes(*side) for side in sides))


def _wholes(count: int, part: int, place: Place) -> list[int]:
    own = _MOSTLY.get(place, place)
    found = {Place.INSIDE: count, Place.BESIDE: count + part}
    if place not in _MOSTLY or not part:
        return [found[own]]
    if part > count:
        return [found[Place.BESIDE]]
    return [found[own], found[_OTHER[own]]]


def _put(usage: Json, prompt: int, completion: int) -> Json:
    """Put both sides where they are known, and a new total where one of them grew."""
    grew = False
    for name, count in (("prompt_tokens", prompt), ("completion_tokens", completion)):
        if usage.get(name) is not None and usage[name] != count:
            usage[name], grew = count, True
    both = usage.get("prompt_tokens") is not None and usage.get("completion_tokens") is not None
    if both and (grew or usage.get("total_tokens") is None):
        usage["total_tokens"] = prompt + completion
    return usage
