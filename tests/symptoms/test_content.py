"""Symptoms 35 to 39: answers put together wrongly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import pytest

from pipeline.testing.chunk import Document, chat
from tests.symptoms.command import clock, fold, placed, streamed
from tests.symptoms.wire import call, counts, delta, events, output_text, response, sse, trailer

Calls = Sequence[dict[str, Any]]


def tools(*deltas: Calls) -> list[tuple[str | None, str | None, str]]:
    """(id, name, arguments) of the calls that a record makes of such deltas, one chunk each."""
    pieces = [delta(tool_calls=list(each)) for each in deltas]
    found = streamed("openai-chat", sse(*pieces, delta(finish="tool_calls"), trailer(counts(9, 9))))
    assert found["tool_calls"] == found["output_message"]["tool_calls"]
    return [
        (each.get("id"), each["function"].get("name"), each["function"]["arguments"]) for each in found["tool_calls"]
    ]


@pytest.mark.parametrize("split", [False, True], ids=["whole", "in fragments"])
def test_symptom_35_parallel_calls_fused(split: bool) -> None:
    """Parallel tool calls that all say index 0 are told apart by their ids: arguments are never fused to `{..}{..}`.

    Threads: litellm#7621, #33678, PR#16194; langchain#34807, PR#35281; endolith/open-interpreter#315.
    """
    paris, oslo = '{"city":"Paris"}', '{"city":"Oslo"}'
    if split:
        deltas = [
            [call(0, "c1", "weather", "")],
            [call(0, None, None, paris[:8])],
            [call(0, None, None, paris[8:])],
            [call(0, "c2", "weather", "")],
            [call(0, None, None, oslo[:5])],
            [call(0, None, None, oslo[5:])],
        ]
    else:
        deltas = [[call(0, "c1", "weather", paris)], [call(0, "c2", "weather", oslo)]]
    found = tools(*deltas)

    assert found == [("c1", "weather", paris), ("c2", "weather", oslo)]
    assert [json.loads(arguments)["city"] for _, _, arguments in found] == ["Paris", "Oslo"]


def test_symptom_36_interleaved_fragments_without_ids() -> None:
    """Fragments of two calls that alternate, with an id only on the first of each, are put together by index.

    Threads: QwenLM/Qwen-Agent PR#943; Portkey#1275.
    """
    found = tools(
        [call(0, "c1", "first", ""), call(1, "c2", "second", "")],
        [call(1, None, None, '{"b":')],
        [call(0, None, None, '{"a":')],
        [call(1, None, None, "2}")],
        [call(0, None, None, "1}")],
    )

    assert found == [("c1", "first", '{"a":1}'), ("c2", "second", '{"b":2}')]


ONE: Final = '{"a":1}'
OPEN: Final = call(0, "c1", "f", "")


@pytest.mark.parametrize(
    ("deltas", "arguments"),
    [
        ([[OPEN], [call(0, "null", None, '{"a":')], [call(0, "null", None, "1}")]], ONE),
        ([[OPEN], [call(0, "", "", ONE)]], ONE),
        ([[call(0, "c1", "f", ONE)]], ONE),
        ([[call(None, "c1", "f", ONE)]], ONE),
        ([[call(0, "c1", None, "")], [call(0, None, "f", '{"a":')], [call(0, None, None, "1}")]], ONE),
        ([[call(0, "c1", "f", "{}")]], "{}"),
    ],
    ids=["id null as text", "empty id and name", "whole in one", "no index", "name later", "no arguments"],
)
def test_symptom_37_placeholders_and_whole_calls(deltas: Sequence[Calls], arguments: str) -> None:
    """A call keeps its id, name and arguments with placeholder ids, in one delta, or with its name coming later.

    Threads: langchainjs PR#11373; litellm#39796; OCI_GenAI PR#22.
    """
    assert tools(*deltas) == [("c1", "f", arguments)]


ANSWERS: Final = (("AAA", "stop"), ("BBB", "length"), ("CCC", "stop"))
TURNS: Final = [(turn, choice) for turn in range(4) for choice in range(3)]


@pytest.mark.parametrize("order", [TURNS, sorted(TURNS, key=lambda each: each[1])], ids=["by turns", "one by one"])
def test_symptom_38_several_choices_concatenated(order: Sequence[tuple[int, int]]) -> None:
    """The answers of n=3 stay apart, and the request is not closed before the third of them has finished.

    Threads: litellm#35793, #3276, #8977, PR#15962; openai-agents-python#3313.
    """
    sent: list[Document] = []
    for index, (turn, choice) in enumerate(order):
        text, finish = ANSWERS[choice]
        sent.append(chat(index, choice=choice, finish=finish) if turn == 3 else chat(index, text[turn], choice=choice))
    sent[0]["raw_request"] = {"n": 3}
    pauses = (60_000 if choice == 2 and (turn == 3 or order is not TURNS) else 0 for turn, choice in order)
    (found,) = fold(placed(*zip(pauses, sent, strict=True), clock(70_000))).of()  # long after the grace of the second

    assert tuple((each["message"]["content"], each["finish_reason"]) for each in found["choices"]) == ANSWERS
    assert (found["output_message"]["content"], found["revision"], found["complete"]) == ("AAA", 0, True)


def test_symptom_39_output_index_of_responses() -> None:
    """Two items of a response whose deltas alternate are put together by output_index.

    Threads: litellm PR#21337.
    """
    added = [
        {
            "type": "response.output_item.added",
            "output_index": number,
            "item": {"id": f"msg_{number}", "type": "message", "role": "assistant", "content": []},
        }
        for number in range(2)
    ]
    pieces = [output_text(f"{number}{word} ", number) for word in ("one", "two") for number in (1, 0)]
    found = streamed("openai-responses", events(*added, *pieces, response("response.completed", status="completed")))

    texts = [[part["text"] for part in item["content"]] for item in found["output_messages"]]
    assert texts == [["0one 0two "], ["1one 1two "]], "joined to the last item it is one text"
