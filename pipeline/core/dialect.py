"""Usage as providers write it themselves → the names of WIRE §4, with every figure as it was: nothing is added up.

A dialect is told by its leaves alone, because a gateway that passes a usage through does not say so.  What the figures
include is the business of pipeline.core.convention; numbers under names that nobody knows pass through.
Imports pipeline.core.output and the standard library only.

    OURS       WIRE §4: cached_read_tokens, cached_write_tokens
    OPENAI     WIRE §4 names of which the cache details are only `cached_tokens` (or nothing)
    BLEND      OpenAI names with Anthropic's cache leaves beside them: LiteLLM, Databricks
    MESSAGES   Anthropic's Messages API and those that speak it: input_tokens, cache_read_input_tokens
    GENERATE   Gemini's usageMetadata: promptTokenCount, thoughtsTokenCount
    CONVERSE   Amazon Bedrock's Converse: inputTokens, cacheReadInputTokens
    COHERE     Cohere's Chat: billed_units, tokens
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, Final

from pipeline.core.output import Json

PROMPT_TABLES: Final = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
COMPLETION_TABLES: Final = ("completion_tokens_details", "output_tokens_details", "output_token_details")

_LEAVES_OF_MESSAGES: Final = ("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation")
_LEAVES_OF_GENERATE: Final = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount")
_LEAVES_OF_CONVERSE: Final = ("inputTokens", "outputTokens")
_LEAVES_OF_COHERE: Final = ("billed_units", "tokens")
_LIFETIMES: Final = (
    ("ephemeral_5m_input_tokens", "cached_write_tokens_5m"),
    ("ephemeral_1h_input_tokens", "cached_write_tokens_1h"),
)
_CACHE_READS: Final = ("prompt_cache_hit_tokens", "cache_read_input_tokens")
"""Cache reads that OpenAI-shaped usages state outside the details: DeepSeek's name, and Anthropic's."""

_READ_ALIASES: Final = ("cache_read_input_tokens",)
_WRITE_ALIASES: Final = ("cache_creation_input_tokens", "cache_creation_tokens")
"""Names inside the details: Perplexity's Responses; Qwen, LiteLLM."""

_MODALITIES: Final = {
    "TEXT": "text_tokens",
    "AUDIO": "audio_tokens",
    "IMAGE": "image_tokens",
    "DOCUMENT": "image_tokens",
}
_OF_GENERATE: Final = (
    *_LEAVES_OF_GENERATE,
    *("toolUsePromptTokenCount", "cachedContentTokenCount"),
    *("promptTokensDetails", "toolUsePromptTokensDetails", "candidatesTokensDetails", "cacheTokensDetails"),
)
_OF_CONVERSE: Final = (
    *_LEAVES_OF_CONVERSE,
    *("totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens", "cacheDetails"),
)
_APART: Final = frozenset({"compaction", "advisor_message"})
_NOT_COUNTS: Final = ("type", "model", "iterations")


class Dialect(Enum):
    """Whose names a usage was written in."""

    OURS = auto()
    OPENAI = auto()
    BLEND = auto()
    MESSAGES = auto()
    GENERATE = auto()
    CONVERSE = auto()
    COHERE = auto()


def translate(raw: Json) -> tuple[Json, Dialect]:
    """A usage under the names of WIRE §4 (or names that its reader knows as their aliases), and what it was."""
    if not raw.keys().isdisjoint(_LEAVES_OF_GENERATE):
        return _generate(raw), Dialect.GENERATE
    if not raw.keys().isdisjoint(_LEAVES_OF_CONVERSE):
        return _converse(raw), Dialect.CONVERSE
    if raw.get("prompt_tokens") is None and any(isinstance(raw.get(name), dict) for name in _LEAVES_OF_COHERE):
        return _cohere(raw), Dialect.COHERE
    if is_messages(raw):
        return _messages(raw), Dialect.MESSAGES
    return _openai(raw)


def is_messages(raw: Json) -> bool:
    """Whether a usage is one of the Messages API; its leaves beside `prompt_tokens` are a blend."""
    if raw.get("prompt_tokens") is not None:
        return False
    alone = "iterations" in raw and "input_tokens_details" not in raw
    return alone or _has_leaves(raw) or "thinking_tokens" in mapping(raw.get("output_tokens_details"))


def apart(raw: Json) -> Iterator[tuple[str | None, Json]]:
    """Samplings that are billed beside the counts at the top: the model of each, null for the answer's own, and usage.

    Anthropic lists all samplings of a request in `iterations`; its counts at the top leave out the server's compaction
    of the conversation (Claude API, Compaction, "Understanding usage") and an advisor, which has another model's price
    (Advisor tool).  Messages and fallbacks are in the counts at the top.
    """
    listed = raw.get("iterations")
    for each in listed if isinstance(listed, list) else ():
        kind, model = mapping(each).get("type"), mapping(each).get("model")
        if isinstance(kind, str) and kind in _APART:
            named = model if isinstance(model, str) else ""
            yield None if kind == "compaction" else named, _without(each, _NOT_COUNTS)


def lifetimes(raw: Json) -> Json:
    """Cache writes of a Messages usage by the time they are kept, under our names; half a split says the other is 0."""
    split = mapping(raw.get("cache_creation"))
    found = {ours: split.get(theirs) for theirs, ours in _LIFETIMES}
    return {name: 0 if count is None else count for name, count in found.items()} if any(_known(found)) else {}


def mapping(value: Any) -> Json:
    """An object, or an empty one in the place of anything else."""
    return value if isinstance(value, dict) else {}


def _has_leaves(raw: Json) -> bool:
    return not raw.keys().isdisjoint(_LEAVES_OF_MESSAGES)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _sum(sources: list[Json], *names: str) -> int | None:
    """The sum of counts; None when none of the sources has any."""
    counts = [source[name] for source in sources for name in names if _whole(source.get(name))]
    return sum(counts) if counts else None


def _without(fields: Json, names: tuple[str, ...]) -> Json:
    return {name: value for name, value in fields.items() if name not in names}


def _known(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def _messages(raw: Json) -> Json:
    split, written = lifetimes(raw), raw.get("cache_creation_input_tokens")
    if written is None:  # some gateways send only the split
        written = _sum([split], *split)
    inputs = {
        "cached_read_tokens": raw.get("cache_read_input_tokens"),
        "cached_write_tokens": written,
        "cached_write_token_details": split or None,
    }
    outputs = {
        "reasoning_tokens": mapping(raw.get("output_tokens_details")).get("thinking_tokens"),
        "num_search_queries": mapping(raw.get("server_tool_use")).get("web_search_requests"),
    }
    rest = _without(raw, (*_LEAVES_OF_MESSAGES, "output_tokens_details"))
    return rest | {"prompt_tokens_details": inputs, "completion_tokens_details": outputs}


def _generate(raw: Json) -> Json:
    """Tool-use prompts are input of their own; an answer of thoughts alone comes without candidates."""
    inputs: Json = {"cached_read_tokens": raw.get("cachedContentTokenCount")}
    outputs: Json = {"reasoning_tokens": raw.get("thoughtsTokenCount")}
    _add_modalities(raw.get("promptTokensDetails"), inputs)
    _add_modalities(raw.get("toolUsePromptTokensDetails"), inputs)
    _add_modalities(raw.get("candidatesTokensDetails"), outputs)
    prompt, tools = raw.get("promptTokenCount"), raw.get("toolUsePromptTokenCount")
    completion = raw.get("candidatesTokenCount")
    return _without(raw, _OF_GENERATE) | {
        "prompt_tokens": _sum([raw], "promptTokenCount", "toolUsePromptTokenCount") if _whole(prompt) else prompt,
        "prompt_tokens_details": inputs,
        "completion_tokens": 0 if completion is None and raw.get("thoughtsTokenCount") is not None else completion,
        "completion_tokens_details": outputs,
        "total_tokens": raw.get("totalTokenCount"),
        "tool_use_prompt_tokens": tools,
    }


def _add_modalities(listed: Any, table: Json) -> None:
    for entry in listed if isinstance(listed, list) else ():
        kind, count = mapping(entry).get("modality"), mapping(entry).get("tokenCount")
        if isinstance(kind, str) and _whole(count):
            name = _MODALITIES.get(kind, f"{kind.lower()}_tokens")
            table[name] = table.get(name, 0) + count


def _converse(raw: Json) -> Json:
    split: Json = {}
    listed = raw.get("cacheDetails")
    for entry in listed if isinstance(listed, list) else ():
        kept, count = mapping(entry).get("ttl"), mapping(entry).get("inputTokens")
        if isinstance(kept, str) and _whole(count):
            split[f"cached_write_tokens_{kept}"] = split.get(f"cached_write_tokens_{kept}", 0) + count
    details = {
        "cached_read_tokens": raw.get("cacheReadInputTokens"),
        "cached_write_tokens": raw.get("cacheWriteInputTokens"),
        "cached_write_token_details": split or None,
    }
    return _without(raw, _OF_CONVERSE) | {
        "prompt_tokens": raw.get("inputTokens"),
        "prompt_tokens_details": details,
        "completion_tokens": raw.get("outputTokens"),
        "total_tokens": raw.get("totalTokens"),
    }


def _cohere(raw: Json) -> Json:
    """Billed units are what is paid; `tokens`, which count the prompt's frame too, stay beside them."""
    billed = mapping(raw.get("billed_units"))
    counted = billed or mapping(raw.get("tokens"))
    return {
        **_without(raw, ("billed_units",)),
        **_without(billed, ("input_tokens", "output_tokens")),
        "prompt_tokens": counted.get("input_tokens"),
        "completion_tokens": counted.get("output_tokens"),
    }


def _openai(raw: Json) -> tuple[Json, Dialect]:
    fields = dict(raw)
    name = next((table for table in PROMPT_TABLES if isinstance(raw.get(table), dict)), PROMPT_TABLES[0])
    details = dict(mapping(raw.get(name)))
    outside = [fields.pop(read, None) for read in _CACHE_READS] + [details.pop(read, None) for read in _READ_ALIASES]
    _fill(details, "cached_tokens", "cached_read_tokens", outside)
    outside = [fields.pop(_LEAVES_OF_MESSAGES[1], None)] + [details.pop(write, None) for write in _WRITE_ALIASES]
    _fill(details, "cache_write_tokens", "cached_write_tokens", outside)
    split = lifetimes(fields)
    if split and details.get("cached_write_token_details") is None:
        details["cached_write_token_details"] = split
    fields.pop("cache_creation", None)
    if details:
        fields[name] = details
    if _has_leaves(raw):
        return fields, Dialect.BLEND
    ours = details.get("cached_read_tokens") or details.get("cached_write_tokens")
    return fields, Dialect.OURS if ours else Dialect.OPENAI


def _fill(details: Json, name: str, other: str, values: list[Any]) -> None:
    """The first of these values that is known, in the place of a count that the details lack under both its names."""
    found = next((value for value in values if value is not None), None)
    if found is not None and details.get(name) is None and details.get(other) is None:
        details[name] = found
