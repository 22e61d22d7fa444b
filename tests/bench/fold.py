"""Cost of decode + admit + fold per chunk, beside the OpenAI SDK's stream state on the same payloads in the same run.

    python -m tests.bench.fold [--json] [--chunks N] [--rounds N]

Both start from bytes and end with the whole answer: ours from the values of the topic, the SDK from the body of the
response, read by its own stream.  A third line gives the SDK the chunks decoded by pydantic alone, which no user of it
can have.  The sides take turns, CPU time is counted, each side keeps its best, and the ratios are those of the medians:
absolute times of a shared machine mean little.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import httpx2  # the SDK's own HTTP client
from openai import OpenAI, Stream
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.rows import MemoryRows, SourceRecord

WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "runs", "away", "from", "it")
CLIENT = OpenAI(api_key="none")
LIMIT_US = 3.0
RUNS = 3
"""Of a side in each round: the first finds the caches full of another's data."""

LIMIT_RATIO = 40.0


@dataclass(frozen=True)
class Figures:
    """CPU microseconds per chunk: best and median of the rounds; ratios are a peer's median over ours."""

    chunks: int
    rounds: int
    ours_best: float
    ours_median: float
    stream_best: float
    stream_median: float
    state_best: float
    state_median: float
    stream_ratio: float
    state_ratio: float


def payloads(chunks: int) -> list[dict[str, Any]]:
    """A chat stream of the provider: one word a chunk, finish and usage at the end."""
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1795449600, "model": "gpt-4o"}
    stream = []
    for i in range(chunks):
        last = i == chunks - 1
        delta = {} if last else {"content": WORDS[i % len(WORDS)] + " "}
        usage = {"prompt_tokens": 10, "completion_tokens": chunks, "total_tokens": chunks + 10} if last else None
        choice = {"index": 0, "delta": delta, "finish_reason": "stop" if last else None}
        stream.append({**base, "choices": [choice], "usage": usage})
    return stream


def records(stream: list[dict[str, Any]]) -> list[SourceRecord]:
    """The same stream as chunks of the topic."""
    made = []
    for i, payload in enumerate(stream):
        chunk = {
            "request_id": "r",
            "stream_type": "chat.completion",
            "provider": "openai",
            "model": "gpt-4o",
            "chunk_index": i,
            "timestamp": f"2026-11-23T16:{i // 60 % 60:02d}:{i % 60:02d}.{i % 1000:03d}Z",
            "is_final": i == len(stream) - 1,
            "response": payload,
        }
        made.append(SourceRecord(b"r", json.dumps(chunk, separators=(",", ":")).encode(), i, 1_795_449_600_000 + i))
    return made


def fold(stream: list[SourceRecord]) -> bytes:
    """Ours: from bytes of the topic to bytes of the record."""
    partition = Partition(Policy(), MemoryRows(), "llm.chunks", 0)
    for request_id in partition.apply(stream, len(stream)):
        partition.finalize(request_id)
    (record,) = partition.take_output()[0]
    return record.value or b""


def sdk_stream(body: bytes) -> str:
    """The SDK's, as it is used: from the body of the response to the completed message."""
    request = httpx2.Request("POST", "http://127.0.0.1/")
    response = httpx2.Response(200, content=body, headers={"content-type": "text/event-stream"}, request=request)
    raw = Stream(cast_to=ChatCompletionChunk, response=response, client=CLIENT)
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for chunk in raw:
        state.handle_chunk(chunk)
    return state.get_final_completion().choices[0].message.content or ""


def sdk_state(lines: list[bytes]) -> str:
    """The SDK's stream state alone, fed by pydantic."""
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for line in lines:
        state.handle_chunk(ChatCompletionChunk.model_validate_json(line))
    return state.get_final_completion().choices[0].message.content or ""


def measure(*, chunks: int, rounds: int) -> Figures:
    """Time all sides in turn; all must give the same text."""
    stream = payloads(chunks)
    lines = [json.dumps(payload, separators=(",", ":")).encode() for payload in stream]
    body = b"".join(b"data: " + line + b"\n\n" for line in lines) + b"data: [DONE]\n\n"
    ours = records(stream)
    if not json.loads(fold(ours))["output_message"]["content"] == sdk_stream(body) == sdk_state(lines):
        raise AssertionError("the folds differ")
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # as the worker sets it; it holds for all sides
    sides: tuple[Callable[[], object], ...] = (lambda: fold(ours), lambda: sdk_stream(body), lambda: sdk_state(lines))
    taken: list[list[float]] = [[], [], []]
    for _ in range(rounds):
        for times, side in zip(taken, sides, strict=True):
            times += [_timed(side) / chunks for _ in range(RUNS)]
    gc.unfreeze()
    mine, streamed, stated = map(statistics.median, taken)
    best = [min(times) for times in taken]
    return Figures(
        chunks,
        rounds,
        *(best[0], mine, best[1], streamed, best[2], stated),
        round(streamed / mine, 1),
        round(stated / mine, 1),
    )


def _timed(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return (time.thread_time() - started) * 1e6


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    figures = measure(chunks=chosen.chunks, rounds=chosen.rounds)
    if chosen.json:
        print(json.dumps(asdict(figures)))
    else:
        print(f"decode + admit + fold of a {figures.chunks:,}-chunk chat stream, {figures.rounds} × {RUNS} runs")
        print(f"  streamledger             {figures.ours_median:8.2f} µs a chunk   (best {figures.ours_best:.2f})")
        for name, median, best, ratio in (
            ("openai SDK stream      ", figures.stream_median, figures.stream_best, figures.stream_ratio),
            ("openai SDK state alone ", figures.state_median, figures.state_best, figures.state_ratio),
        ):
            print(f"  {name}  {median:8.2f} µs a chunk   (best {best:.2f})   {ratio:6.1f} ×")
    missed = figures.ours_best > LIMIT_US or figures.stream_ratio < LIMIT_RATIO
    if missed:
        print(f"missed: at most {LIMIT_US} µs and {LIMIT_RATIO:.0f} × are asked for", file=sys.stderr)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
