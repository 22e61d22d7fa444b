"""Usage of one attempt under the convention of the record, by a table of this room's own.

In the record input includes cache reads and writes, output includes reasoning, the total is their sum (README, Usage,
one convention).  Who counts otherwise is told here by the documents of the providers, in few rows and without guesses:
where neither the shape, nor the provider, nor the figures tell, a usage is `Uncheckable` and counted as that.

    shape        input                              output
    messages     input + cache reads + writes       output                      Claude API
    generate     prompt + tool prompt               candidates + thoughts       Gemini API
    converse     input + cache reads + writes       output                      Bedrock
    cohere       billed units                       billed units                Cohere
    openai       prompt, the cache inside           completion, reasoning inside

Those that speak OpenAI's names and may mean something else are in MIXED: there only a part larger than its whole, or a
stated total that fits one reading alone, tells.  Imports nothing of pipeline.core.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Final, NamedTuple

from schemas.chunk import StreamType
from schemas.leaves import MAX_INTEGER

Json = Mapping[str, Any]

INSIDE: Final = frozenset(
    ("openai", "azure", "deepseek", "mistral", "mistralai", "groq", "openrouter", "vllm", "sgl", "ollama", "lmstudio")
)
"""They follow OpenAI: parts are breakdowns."""
MIXED: Final = frozenset(
    (
        *("anthropic", "bedrock", "aws", "amazon-bedrock"),
        *("gemini", "google", "vertex", "vertex_ai", "google-vertex"),
        *("xai", "x-ai", "grok"),
    )
)
"""They reach us through gateways that convert, or do not."""
_CACHE_BESIDE: Final = frozenset(("anthropic", "bedrock", "aws", "amazon-bedrock"))
_XAI: Final = frozenset(("xai", "x-ai", "grok"))
_GOOGLE: Final = frozenset(("gemini", "google", "vertex", "vertex_ai", "google-vertex"))

_INPUTS: Final = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OUTPUTS: Final = ("completion_tokens_details", "output_tokens_details", "output_token_details")
_SIDES: Final = ("prompt_tokens", "completion_tokens", "total_tokens")


class Usage(NamedTuple):
    """Tokens; null where nobody says."""

    prompt: int | None = None
    completion: int | None = None
    total: int | None = None
    cached: int | None = None
    written: int | None = None
    reasoning: int | None = None

    @property
    def empty(self) -> bool:
        """Whether no side of it is known."""
        return (self.prompt, self.completion, self.total) == (None, None, None)


class Uncheckable(NamedTuple):
    """Why a usage can't be read with certainty."""

    reason: str


NO_USAGE: Final = Usage()


def count(value: Any) -> int | None:
    """A whole number of at least 0, and not beyond what JSON readers keep exact."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_INTEGER:
        return None
    return int(value) if value == int(value) else None


def added(usages: Iterable[Usage]) -> Usage:
    """The sum over attempts; null counts as 0 beside a number."""
    total = NO_USAGE
    for usage in usages:
        pairs = zip(total, usage, strict=True)
        total = Usage(*(one if other is None else (one or 0) + other for one, other in pairs))
    return total


def is_partial(stream_type: str, raw: Any) -> bool:
    """Whether one side is left to an earlier chunk, as Anthropic's events may."""
    if stream_type != StreamType.CHAT or not isinstance(raw, dict) or any(name in raw for name in _SIDES):
        return False
    return (raw.get("input_tokens") is None) != (raw.get("output_tokens") is None)


def merged(usages: Sequence[Json]) -> Json:
    """Partial usages above a whole one, the highest first: each name from the highest that has it."""
    whole: dict[str, Any] = {}
    for usage in reversed(usages):
        whole |= {name: value for name, value in usage.items() if value is not None}
    return whole


def usage_of(raw: Any, stream_type: str, provider: str | None, model: str | None) -> Usage | Uncheckable:
    """Read a stated usage; NO_USAGE where it states none.

    Args:
        raw: as the chunk has it.
        stream_type: of the chunk.
        provider: who counted.
        model: which one did.
    """
    if not isinstance(raw, dict):
        return NO_USAGE
    name = (provider or "").lower()
    read = _read(raw, name, (model or "").lower().rpartition("/")[2], stream_type)
    if isinstance(read, Uncheckable):
        return read
    if stream_type in (StreamType.CHAT, StreamType.TEXT) and read.total == 0:
        return NO_USAGE
    return NO_USAGE if stream_type == StreamType.TRANSCRIPTION and read.empty else read


def _read(raw: Json, provider: str, model: str, stream_type: str) -> Usage | Uncheckable:
    if any(name in raw for name in ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")) or (
        "totalTokenCount" in raw
    ):
        return _generate(raw)
    if "inputTokens" in raw or "outputTokens" in raw:
        return Uncheckable("converse of OpenAI models") if "openai." in model else _converse(raw)
    if raw.get("prompt_tokens") is None:
        if isinstance(raw.get("billed_units"), dict) or isinstance(raw.get("tokens"), dict):
            return _cohere(raw)
        if _is_messages(raw):
            return _messages(raw)
    return _openai(raw, provider, stream_type)


def _sum(*values: int | None) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _both(prompt: int | None, completion: int | None, stated: int | None, *, grew: bool) -> int | None:
    """The total: the stated one until a part was added, then the sum of both sides."""
    if stated is not None and not grew:
        return stated
    return stated if prompt is None or completion is None else prompt + completion


def _generate(raw: Json) -> Usage:
    prompt = count(raw.get("promptTokenCount"))
    if prompt is not None:
        prompt += count(raw.get("toolUsePromptTokenCount")) or 0
    thoughts, said = count(raw.get("thoughtsTokenCount")), count(raw.get("candidatesTokenCount"))
    completion = 0 if said is None and raw.get("thoughtsTokenCount") is not None else said
    grew = bool(thoughts) and completion is not None
    completion = completion + (thoughts or 0) if completion is not None else None
    total = _both(prompt, completion, count(raw.get("totalTokenCount")), grew=grew)
    return Usage(prompt, completion, total, count(raw.get("cachedContentTokenCount")), None, thoughts)


def _converse(raw: Json) -> Usage:
    read, written = count(raw.get("cacheReadInputTokens")), count(raw.get("cacheWriteInputTokens"))
    prompt, completion = count(raw.get("inputTokens")), count(raw.get("outputTokens"))
    beside = (read or 0) + (written or 0)
    whole = None if prompt is None else prompt + beside
    grew = bool(beside) and prompt is not None
    return Usage(
        whole, completion, _both(whole, completion, count(raw.get("totalTokens")), grew=grew), read, written, None
    )


def _cohere(raw: Json) -> Usage:
    counted = raw.get("billed_units") or raw.get("tokens")
    counted = counted if isinstance(counted, dict) else {}
    prompt, completion = count(counted.get("input_tokens")), count(counted.get("output_tokens"))
    total = _both(prompt, completion, count(raw.get("total_tokens")), grew=False)
    return Usage(prompt, completion, total)


def _is_messages(raw: Json) -> bool:
    own = ("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation")
    if any(name in raw for name in own) or ("iterations" in raw and "input_tokens_details" not in raw):
        return True
    return "thinking_tokens" in _table(raw, _OUTPUTS[1:2])


def _messages(raw: Json) -> Usage:
    split = raw.get("cache_creation")
    written = count(raw.get("cache_creation_input_tokens"))
    if written is None and isinstance(split, dict):
        written = _sum(*(count(split.get(f"ephemeral_{life}_input_tokens")) for life in ("5m", "1h")))
    read = count(raw.get("cache_read_input_tokens"))
    prompt, completion = count(raw.get("input_tokens")), count(raw.get("output_tokens"))
    beside = (read or 0) + (written or 0)
    whole = None if prompt is None else prompt + beside
    total = _both(whole, completion, count(raw.get("total_tokens")), grew=bool(beside) and prompt is not None)
    return Usage(whole, completion, total, read, written, count(_table(raw, _OUTPUTS[1:2]).get("thinking_tokens")))


def _table(raw: Json, names: Sequence[str]) -> Json:
    return next((raw[name] for name in names if isinstance(raw.get(name), dict)), {})


def _first(*values: Any) -> int | None:
    return next((count(value) for value in values if value is not None), None)


def _openai(raw: Json, provider: str, stream_type: str) -> Usage | Uncheckable:
    inputs, outputs = _table(raw, _INPUTS), _table(raw, _OUTPUTS)
    prompt = _first(raw.get("prompt_tokens"), raw.get("input_tokens"))
    completion = _first(raw.get("completion_tokens"), raw.get("output_tokens"))
    stated = count(raw.get("total_tokens"))
    cached, written = count(inputs.get("cached_read_tokens")), count(inputs.get("cached_write_tokens"))
    if not cached and not written:
        other = _first(raw.get("cached_tokens"), inputs.get("cached_tokens"), *_elsewhere(raw, inputs))
        cached = cached if other is None else other
    if not written:
        other = _first(
            inputs.get("cache_write_tokens"),
            raw.get("cache_creation_input_tokens"),
            inputs.get("cache_creation_input_tokens"),
            inputs.get("cache_creation_tokens"),
        )
        written = written if other is None else other
    reasoning = _first(outputs.get("reasoning_tokens"), raw.get("reasoning_tokens"))
    beside = (cached or 0) + (written or 0), reasoning or 0
    if (
        provider in _CACHE_BESIDE
        and not inputs.get("cached_read_tokens")
        and (beside[0] or count(outputs.get("cached_tokens")))
    ):
        return Uncheckable("cache of an older gateway")
    if provider in _XAI:  # only its reasoning is counted apart
        beside = 0, beside[1]
    elif provider in _CACHE_BESIDE:  # its output always holds the thinking
        beside = beside[0], 0
    citations = _first(outputs.get("citation_tokens"), raw.get("citation_tokens")) or 0
    sides = _sides((prompt, completion, stated), beside, provider, stream_type, citations)
    if isinstance(sides, Uncheckable):
        return sides
    grew = sides != (prompt, completion)
    return Usage(*sides, _both(*sides, stated, grew=grew), cached, written, reasoning)


def _elsewhere(raw: Json, inputs: Json) -> tuple[Any, ...]:
    """Cache reads outside the details: DeepSeek's name, and Anthropic's beside OpenAI's."""
    if inputs.get("cached_read_tokens") is not None or inputs.get("cached_tokens") is not None:
        return ()
    names = raw.get("prompt_cache_hit_tokens"), raw.get("cache_read_input_tokens")
    return (*names, inputs.get("cache_read_input_tokens"))


def _sides(
    told: tuple[int | None, int | None, int | None],
    beside: tuple[int, int],
    provider: str,
    stream_type: str,
    citations: int,
) -> tuple[int | None, int | None] | Uncheckable:
    """Input and output, with what stands beside them."""
    prompt, completion, stated = told
    if provider == "perplexity":
        if stream_type == StreamType.RESPONSES:
            return prompt, completion
        return prompt, None if completion is None else completion + beside[1] + citations
    if provider in INSIDE or prompt is None or completion is None:
        if provider not in INSIDE and any(beside):
            return Uncheckable("one side alone")
        return prompt, completion
    readings = list(product(_readings(prompt, beside[0]), _readings(completion, beside[1])))
    fitting = [each for each in readings if sum(each) == stated]
    if provider in _GOOGLE and not beside[1] and stated is not None and stated > prompt + completion + beside[0]:
        return prompt, stated - prompt  # thoughts that are stated nowhere but in the total
    if len(readings) == 1 or (provider not in MIXED and not fitting):
        return readings[0]
    if len(fitting) == 1 or (fitting and provider not in MIXED):
        return fitting[0]
    return Uncheckable("inside or beside")


def _readings(whole: int, part: int) -> list[int]:
    """What a side may be, a breakdown first."""
    if not part:
        return [whole]
    return [whole + part] if part > whole else [whole, whole + part]
