"""What the reconciler reads by rules of its own against what the schemas and the fold read: envelopes and usages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.convention import Origin
from pipeline.core.usage import llm_usage
from pipeline.ops.reconcile.chunk import read
from pipeline.ops.reconcile.claim import usage_in
from pipeline.ops.reconcile.envelope import Refused, beyond
from pipeline.ops.reconcile.usage import NO_USAGE, Uncheckable, is_partial, usage_of
from pipeline.testing.chunk import chat
from schemas.chunk import StreamType
from schemas.decode import ChunkRejected, decode
from tests.property.chunk_json import mutated

LIMIT = 8 << 20


@given(mutated())
def test_the_same_bytes_are_chunks(text: str) -> None:
    """Whatever happened to a chunk: refused by both or by neither; limits of numbers and of depth aside."""
    value = text.encode(errors="surrogatepass")
    try:
        reason, key = "", decode(value).request_id.encode()
    except ChunkRejected as rejected:
        reason, key = rejected.reason, _key(value)

    try:
        read(key, value, LIMIT)
        found = ""
    except Refused as refused:
        found = str(refused)

    assert bool(found) == bool(reason) or (reason == "invalid" and not found and beyond(value))


@pytest.mark.parametrize("cost", ["1" * 310, "1" * 4_301, "9" * 1_000_000, "-" + "9" * 400])
def test_an_integer_beyond_every_float_is_refused(cost: str) -> None:
    """It raised OverflowError, and reconcile ended."""
    value = json.dumps(chat(0)).encode()[:-1] + b', "cost": ' + cost.encode() + b"}"
    with pytest.raises(ChunkRejected):
        decode(value)

    with pytest.raises(Refused, match="invalid"):
        read(b"r-1", value, LIMIT)


def _key(value: bytes) -> bytes:
    try:
        return str(json.loads(value)["request_id"]).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return b"?"


counts = st.integers(0, 60) | st.none()
INPUTS = ("cached_tokens", "cached_read_tokens", "cached_write_tokens", "cache_write_tokens", "text_tokens")
OUTPUTS = ("reasoning_tokens", "citation_tokens", "text_tokens")


def table(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Some of these counts."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, counts))


def joined(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """All of them in one object."""
    return st.tuples(*parts).map(lambda found: {name: value for each in found for name, value in each.items()})


openai = joined(
    table("prompt_tokens", "completion_tokens", "total_tokens", "prompt_cache_hit_tokens", "reasoning_tokens"),
    st.fixed_dictionaries(
        {}, optional={"prompt_tokens_details": table(*INPUTS), "completion_tokens_details": table(*OUTPUTS)}
    ),
)
responses = joined(
    table("input_tokens", "output_tokens", "total_tokens"),
    st.fixed_dictionaries(
        {}, optional={"input_tokens_details": table(*INPUTS), "output_tokens_details": table(*OUTPUTS)}
    ),
)
messages = table("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
gemini = table(
    *("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount", "cachedContentTokenCount"),
    "toolUsePromptTokenCount",
)
converse = table("inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
cohere = st.fixed_dictionaries({"billed_units": table("input_tokens", "output_tokens")})
PROVIDERS = ("openai", "anthropic", "bedrock", "gemini", "xai", "perplexity", "deepseek", "groq", "cohere", "new", None)


@given(
    raw=st.one_of(openai, responses, messages, gemini, converse, cohere),
    provider=st.sampled_from(PROVIDERS),
    kind=st.sampled_from([StreamType.CHAT, StreamType.RESPONSES, StreamType.AUDIO, StreamType.IMAGE]),
)
def test_usages_are_read_alike_or_not_at_all(raw: dict[str, Any], provider: str | None, kind: StreamType) -> None:
    """Every shape by every provider: the same numbers, or a word that they can't be told; never a silent other."""
    theirs, _ = llm_usage(kind, dict(raw), Origin(provider, "m"))
    ours = usage_of(raw, kind, provider, "m")

    if is_partial(kind, raw) or isinstance(ours, Uncheckable):
        return
    expected = usage_in(theirs)
    assert ours[:3] == expected[:3]
    told = [(one, other or 0) for one, other in zip(ours[3:], expected[3:], strict=True) if one is not None]
    assert all(one == other for one, other in told), (ours, expected)


def test_plain_usages_are_never_a_doubt() -> None:
    """The three counts of every provider's plainest answer are read."""
    for provider in PROVIDERS:
        plain = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
        assert usage_of(plain, StreamType.CHAT, provider, "m") == NO_USAGE._replace(prompt=5, completion=2, total=7)
