"""Symptoms 40 to 42 and 45: times that are wrong, work that grows too fast, payloads that are none."""

from __future__ import annotations

import json
import time
from typing import Any, Final

from pipeline.testing.chunk import Document, chat, chunk, moment
from tests.symptoms.command import Line, chunks, fold, placed, record, run
from tests.symptoms.wire import counts, delta, sse, trailer

ROLE: Final = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}


def flow(*times: int) -> list[Document]:
    """A chat sent at 0: role, an empty piece, words, and its end, at these times (ms)."""
    first, empty, *words, end = times
    sent = [chunk(0, ROLE, sent=first), chat(1, "", sent=empty)]
    sent += [chat(index, "word ", sent=at) for index, at in enumerate(words, 2)]
    last = chat(len(sent), finish="stop", usage=counts(9, len(words)), sent=end, is_final=True)
    return [each | {"start_timestamp": moment(0)} for each in (*sent, last)]


def test_symptom_40_time_to_first_token_is_total_latency() -> None:
    """Time to first content is that of the first word, neither of the role nor the whole latency, nor when it was read.

    Threads: litellm#25598, PR#31404, PR#9550; bifrost#2129.
    """
    sent = flow(300, 400, 1_200, 1_300, 3_000)
    found = record(sent)
    (late,) = fold(placed(*((90_000 + 5 * index, each) for index, each in enumerate(sent)))).of()
    (_, *others) = sent
    empty = record([others[0], others[-1]])

    assert [found[name] for name in ("time_to_first_token", "time_to_first_content", "latency")] == [300, 1_200, 3_000]
    assert late["digest"] == found["digest"]
    assert empty["time_to_first_content"] is None


def test_symptom_41_stream_overhead_includes_idle_wait() -> None:
    """Waiting inside a stream has fields of its own: 20 s of silence are in `max` and the latency, not in p50 and p95.

    Threads: bifrost PR#6495.
    """
    words = [1_000 + 50 * number for number in range(40)]
    idle = [at if number < 20 else at + 20_000 for number, at in enumerate(words)]
    steady, paused = (record(flow(300, 400, *times, times[-1] + 50)) for times in (words, idle))

    names = ("p50", "p95", "max")
    assert [steady["inter_chunk_latency"][name] for name in names] == [50, 50, 50]
    assert [paused["inter_chunk_latency"][name] for name in names] == [50, 50, 20_050]
    assert paused["time_to_first_content"] == steady["time_to_first_content"] == 1_000
    assert paused["latency"] - steady["latency"] == 20_000


def processor_seconds(count: int) -> float:
    """What folding a stream of so many chunks takes, the better of two."""
    lines = "".join(json.dumps(each) + "\n" for each in (chat(index, "word " * 20) for index in range(count)))
    taken = []
    for _ in range(2):
        started = time.process_time()
        result = run("fold", stdin=lines)
        taken.append(time.process_time() - started)
        assert len(json.loads(result.stdout)["output_message"]["content"]) == count * 100
    return min(taken)


def test_symptom_42_quadratic_concatenation() -> None:
    """A stream of eight times the chunks takes about eight times the work, not sixty-four.

    Threads: bifrost PR#4678; litellm#6404, #8620, #12685.
    """
    processor_seconds(100)  # what is loaded once
    short, long = processor_seconds(2_500), processor_seconds(20_000)

    assert long < 20 * short, f"{short:.3f} s and {long:.3f} s"


NOT_JSON: Final = ("[DONE]\n", "data: [DONE]\n", '{"choices":[\n', "null\n", '"text"\n', "[]\n", "\x00\n")


def test_symptom_45_payloads_that_are_no_json() -> None:
    """[DONE] and other lines that are no chunk become dead letters with their bytes, and the stream goes on.

    Threads: litellm PR#39507.
    """
    recording = sse(delta("Hel"), delta("lo"), delta(finish="stop"), trailer(counts(5, 2)))
    sent = chunks("openai-chat", recording)
    mixed: list[Line] = [sent[0], *NOT_JSON, *sent[1:]]
    folded = fold(mixed)

    (found,) = folded.of()
    assert (found["output_message"]["content"], found["token_usage"], found["complete"]) == (
        "Hello",
        counts(5, 2),
        True,
    )
    assert set(folded.reasons) <= {"not_json", "invalid"}
    assert [letter["value"] for letter in folded.dead] == [line.strip() for line in NOT_JSON]


def test_symptom_45_a_payload_that_is_no_object() -> None:
    """A chunk whose payload is a text, or whose leaves are odd, harms no other chunk of its request.

    Threads: litellm PR#39507.
    """
    odd: list[Any] = ["[DONE]", ["[DONE]"], 7]
    sent = [chat(0, "Hel"), *(chunk(9, each) for each in odd), chat(1, "lo", finish="stop", is_final=True)]
    folded = fold(sent)

    (found,) = folded.of()
    assert folded.reasons == ["invalid"] * 3
    assert (found["output_message"]["content"], found["status"]) == ("Hello", "success")
