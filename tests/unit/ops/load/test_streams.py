"""The six makers: chunks of the contract whose fold says what the making says."""

from __future__ import annotations

import json
import random
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.policy import Policy
from pipeline.ops.fold import fold_lines
from pipeline.ops.load.answer import responses
from pipeline.ops.load.audio import speech, transcription
from pipeline.ops.load.chat import chat, text
from pipeline.ops.load.distribution import LogNormal
from pipeline.ops.load.fate import Fate
from pipeline.ops.load.manner import MODELS, PACES, REAL, Kind
from pipeline.ops.load.picture import image
from pipeline.ops.load.piece import Made
from pipeline.ops.load.profile import AGENTS, PROFILES, Maker
from pipeline.ops.load.template import encoded
from schemas import (
    AudioStreamChunk,
    ChatStreamChunk,
    ImageStreamChunk,
    ResponsesStreamChunk,
    TextStreamChunk,
    TranscriptionStreamChunk,
)
from schemas.chunk import StreamChunk
from schemas.decode import decode

MAKERS: dict[Maker, type[StreamChunk]] = {
    chat: ChatStreamChunk,
    text: TextStreamChunk,
    responses: ResponsesStreamChunk,
    speech: AudioStreamChunk,
    transcription: TranscriptionStreamChunk,
    image: ImageStreamChunk,
}
KEY = b"r-1"


def sent(draw: random.Random, made: Made, fate: Fate = "ended") -> list[bytes]:
    """Its chunks as they go out."""
    return [step.value(KEY, 1_795_449_600_000) for step in encoded(draw, made, REAL, {"team": "a"}, fate).steps]


def folded(chunks: list[bytes]) -> dict[str, Any]:
    """The one record of them."""
    (made,) = fold_lines(chunks, Policy())
    assert isinstance(made, bytes), "a dead letter"
    record: dict[str, Any] = json.loads(made)
    return record


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("fate", ["ended", "fallback"])
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_chunks_are_of_the_contract_and_add_up(make: Maker, fate: Fate, seed: int) -> None:
    """Each validates, none has an odd leaf; usage, finish and content of the record are those of the making."""
    draw = random.Random(seed)
    made = make(draw, AGENTS)
    chunks = sent(draw, made, fate)
    for each in chunks:
        MAKERS[make].model_validate_json(each)
        assert not decode(each).anomalies

    record = folded(chunks)

    assert (record["status"], record["complete"], record["chunk_count"]) == ("success", True, len(chunks))
    assert [record["token_usage"][f"{side}_tokens"] for side in ("prompt", "completion", "total")] == [
        made.counts.prompt,
        made.counts.completion,
        made.counts.total,
    ]
    assert (record["token_usage"].get("prompt_tokens_details") or {}).get("cached_read_tokens", 0) == made.counts.cached
    assert len(record["attempts"] or [0]) == (2 if fate == "fallback" else 1)
    assert record["labels"]["team"] == "a"
    assert record["time_to_first_token"] >= 60
    added = "".join(piece.adds[1] for piece in made.pieces if piece.adds and piece.adds[0] in ("text", "item0"))
    assert said(record) == added
    assert len(record["tool_calls"] or ()) == len(made.tools)


def said(record: dict[str, Any]) -> str:
    """Text of a record, of whichever kind."""
    items = [item for item in record["output_messages"] or () if item["type"] == "message"]
    parts = [part["text"] for item in items for part in item["content"]]
    return "".join(parts) or (record["output_message"] or {}).get("content") or ""


def test_every_kind_has_models_and_a_pace() -> None:
    """Otherwise a profile ends in the middle of its making."""
    kinds = set(get_args(Kind))

    assert set(MODELS) == kinds
    assert kinds < set(PACES)


@pytest.mark.parametrize("name", PROFILES)
def test_shares_add_up_and_hold_for_few(name: str) -> None:
    """Of 200 requests each part has its share, give or take one in fifty."""
    parts = PROFILES[name].parts
    assert sum(part.share for part in parts) == pytest.approx(1)
    drawn = [PROFILES[name].part(number) for number in range(200)]

    for part in parts:
        assert drawn.count(part) / 200 == pytest.approx(part.share, abs=0.02)


@given(seed=st.integers(0, 1 << 20), median=st.floats(1, 1_000), sigma=st.floats(0, 1.5))
@settings(max_examples=20, deadline=None)
def test_numbers_are_log_normal(seed: int, median: float, sigma: float) -> None:
    """Half of them are below the median, none is out of bounds."""
    numbers = LogNormal(median, sigma, median / 50, median * 50)
    draw = random.Random(seed)
    drawn = sorted(numbers.sample(draw) for _ in range(1_000))

    assert drawn[400] <= median * (1 + 1e-9)
    assert drawn[600] >= median * (1 - 1e-9)
    assert numbers.low <= drawn[0]
    assert drawn[-1] <= numbers.high
