"""Strategies: chunk sets of all six stream types, and ways to deliver them.

A chunk set has no conflict, and every one of its chunks is admitted in any order: indexes are used once and without a
hole, and what closes at once can only be the last to arrive (the final chunk has the highest index, streams of several
attempts have none).
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from pipeline.testing.chunk import (
    AUDIO,
    CHAT,
    IMAGE,
    RESPONSES,
    TEXT,
    TRANSCRIPTION,
    Document,
    chunk,
    error,
    image,
    marker,
    moment,
)

TYPES: Final = (CHAT, TEXT, AUDIO, IMAGE, TRANSCRIPTION, RESPONSES)
MAX_CHUNKS: Final = 7

words = st.text(st.sampled_from("abé😀 \n\x00\ud83d\ude00"), max_size=4)
"""Short texts, also with halves of characters, which take the strict decoder and are mended in the fold."""
counts = st.fixed_dictionaries({"prompt_tokens": st.integers(0, 99), "completion_tokens": st.integers(0, 99)}).map(
    lambda usage: {**usage, "total_tokens": usage["prompt_tokens"] + usage["completion_tokens"]}
)
amounts = st.integers(0, 10**6).map(lambda micros: micros / 10**6)


def some(strategy: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """Null as often as not."""
    return st.none() | strategy


def table(**fields: SearchStrategy[Any]) -> SearchStrategy[Document]:
    """An object whose fields may each be absent."""
    return st.fixed_dictionaries({}, optional=fields)


fragments = table(
    index=st.integers(0, 1),
    id=st.sampled_from(["call_a", "call_b"]),
    function=table(name=st.sampled_from(["f", "g"]), arguments=words),
)
thoughts = table(index=st.integers(0, 1), type=st.just("reasoning.text"), text=words, signature=words)
deltas = table(
    role=st.sampled_from(["assistant", "tool"]),
    content=some(words),
    refusal=words,
    reasoning=words,
    reasoning_details=st.lists(thoughts, max_size=2),
    tool_calls=st.lists(fragments, max_size=2),
    annotations=st.lists(st.just({"type": "url_citation"}), max_size=1),
    audio=table(id=words, data=st.binary(max_size=3).map(lambda data: b64encode(data).decode())),
)
finishes = some(st.sampled_from(["stop", "length", 5]))
logprobs = table(content=st.lists(table(token=words, logprob=st.just(-0.5)), max_size=2))
extras = table(
    latency=st.integers(0, 9), raw_response=some(words | st.just({"raw": 1})), cache_debug=st.just({"cache_hit": True})
)
base64 = st.sampled_from(["", "YQ==", "YWI=", "YWJj"])
items = st.sampled_from(
    [
        {"type": "message", "id": "m", "role": "assistant", "content": []},
        {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": ""},
        {"type": "reasoning", "id": "r", "summary": []},
    ]
)
finished = st.sampled_from(
    [
        {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "whole"}]},
        {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "why"}]},
    ]
)
places = {"output_index": st.integers(0, 1), "item_id": st.sampled_from(["m", "f", "r"]), "content_index": st.just(0)}

PAYLOADS: Final[dict[str, SearchStrategy[Document]]] = {
    CHAT: table(
        model=words,
        service_tier=some(st.just("flex")),
        choices=st.lists(
            table(index=st.integers(0, 1), delta=deltas, finish_reason=finishes, logprobs=logprobs), max_size=2
        ),
        usage=some(counts),
        extra_fields=extras,
    ),
    TEXT: table(
        choices=st.lists(table(index=st.integers(0, 1), text=words, finish_reason=finishes), max_size=2),
        usage=some(counts),
        extra_fields=extras,
    ),
    AUDIO: table(
        type=st.sampled_from(["speech.audio.delta", "speech.audio.done"]),
        audio=some(base64),
        usage=some(counts),
        extra_fields=extras,
    ),
    TRANSCRIPTION: table(
        type=st.sampled_from(["transcript.text.delta", "transcript.text.done"]),
        delta=words,
        text=words,
        language=st.just("en"),
        usage=some(counts),
        extra_fields=extras,
    ),
    RESPONSES: st.one_of(
        table(type=st.just("response.output_item.added"), item=items, **places),
        table(type=st.just("response.output_text.delta"), delta=words, **places),
        table(type=st.just("response.function_call_arguments.delta"), delta=words, **places),
        table(type=st.just("response.reasoning_summary_text.delta"), delta=words, **places),
        table(type=st.just("response.output_text.done"), text=words, **places),
        table(type=st.just("response.refusal.delta"), delta=words, **places),
        table(type=st.just("response.function_call_arguments.done"), arguments=words, **places),
        table(type=st.just("response.output_item.done"), item=finished, **places),
        table(
            type=st.just("response.content_part.done"), part=table(type=st.just("output_text"), text=words), **places
        ),
        table(type=st.just("response.in_progress"), response=table(model=words), extra_fields=extras),
        table(
            type=st.just("response.completed"),
            response=table(usage=counts, status=st.just("completed"), output=st.lists(finished, max_size=2)),
        ),
        table(type=st.just("response.failed"), response=table(error=st.just({"message": "failed"}))),
    ),
}
"""Payloads by stream type; images are drawn picture by picture."""

envelopes = table(
    provider=some(st.sampled_from(["p", "q"])),
    model=some(st.sampled_from(["m", "n"])),
    cost=some(amounts),
    labels=st.dictionaries(st.sampled_from(["tenant", "key"]), words, max_size=2),
    start_timestamp=some(st.integers(-500, 0).map(moment)),
    raw_request=some(st.sampled_from([{"n": 1}, {"n": 2}, "text"])),
)
times = st.integers(0, 2_000)


@st.composite
def _attempt(draw: DrawFn, stream_type: str, base: int, *, final: bool) -> list[Document]:
    """Chunks of one attempt without gaps; with `final` the last one has the word."""
    length = draw(st.integers(1, MAX_CHUNKS))
    chunks: list[Document] = []
    for index in range(base, base + length):
        envelope = draw(envelopes) | {"stream_type": stream_type, "timestamp": moment(draw(times))}
        last = index == base + length - 1
        kind = draw(st.sampled_from(["data", "data", "data", "marker", "error"])) if last else "data"
        if kind == "data":
            made = chunk(index, draw(PAYLOADS[stream_type]), **envelope)
        elif kind == "marker":
            made = marker(index, is_final=final, **envelope)
        else:
            made = error(index, draw(words), **envelope)
        chunks.append(made)
    chunks[-1]["is_final"] = final
    return chunks


@st.composite
def _pictures(draw: DrawFn) -> list[Document]:
    """An image stream: previews, then the finished form of each picture, then perhaps a bare final marker."""
    pictures = draw(st.integers(1, 3))
    unnamed = pictures == 1 and draw(st.booleans())
    asked = {"raw_request": {"n": pictures}} if draw(st.booleans()) else {"raw_request": None}
    chunks: list[Document] = []
    for picture in range(pictures):
        length = draw(st.integers(1, 4))
        for index in range(length):
            done = index == length - 1 and draw(st.booleans())
            fields = draw(envelopes) | draw(table(usage=counts)) | asked
            chunks.append(
                image(
                    index,
                    None if unnamed else picture,
                    draw(base64),
                    done=done,
                    timestamp=moment(draw(times)),
                    **fields,
                )
            )
    if draw(st.booleans()):
        chunks.append(marker(9, stream_type=IMAGE, timestamp=moment(draw(times)), **(draw(envelopes) | asked)))
    return chunks


@st.composite
def chunk_sets(draw: DrawFn, request_id: str = "r-1", most_attempts: int = 2) -> list[Document]:
    """A chunk set in index order, of any stream type."""
    stream_type = draw(st.sampled_from(TYPES))
    if stream_type == IMAGE:
        chunks = draw(_pictures())
    else:
        attempts = min(draw(st.sampled_from([1, 1, 1, 2])), most_attempts)
        base, final = draw(st.integers(0, 1)), attempts == 1 and draw(st.booleans())
        chunks = draw(_attempt(stream_type, base, final=final))
        for number in range(1, attempts):
            chunks += [each | {"attempt": number} for each in draw(_attempt(stream_type, 0, final=False))]
    return [each | {"request_id": request_id} for each in chunks]


class Delivery(NamedTuple):
    """Chunks in the order of their offsets, and after which of them what happens."""

    chunks: list[Document]
    steps: list[str]
    """Per chunk: "" go on, "batch" a batch ends, "wall" time passes without chunks, "finalize", "checkpoint", "restart"
    (checkpoint first), "crash"."""


STEPS: Final = ("", "", "", "batch", "wall", "finalize", "checkpoint", "restart", "crash")


@st.composite
def deliveries(draw: DrawFn, sets: Sequence[Sequence[Document]]) -> Delivery:
    """Any order of all chunks of these sets, any of them repeated, in any batches with any checkpoints and crashes."""
    chunks = [each for chunks in sets for each in chunks]
    repeats = draw(st.lists(st.sampled_from(chunks), max_size=4))
    order = draw(st.permutations([*chunks, *repeats]))
    steps = draw(st.lists(st.sampled_from(STEPS), min_size=len(order), max_size=len(order)))
    return Delivery(list(order), steps)
