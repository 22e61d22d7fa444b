"""Every item type and every event of WIRE §10: built in order, from closing events alone, and cut off.

A scene is one item with all the events that a provider sends for it. Three records are made of it: `whole` from all
events and from those that close something, `cut` from those that come before anything is closed.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from pipeline.core.facts import attempt_of
from tests.unit.core.streams.build import Json, chunks, event, fold
from tests.unit.core.streams.scenes import SCENES, Events, place

ENDS = {
    "file_search_call": ("completed",),
    "web_search_call": ("completed",),
    "web_fetch_call": ("completed",),
    "image_generation_call": ("completed",),
    "code_interpreter_call": ("completed",),
    "mcp_call": ("completed", "failed"),
    "mcp_list_tools": ("completed", "failed"),
}
"""Last words of progress, which come right before the whole item."""

SILENT = ("ping", "created", "in_progress", "queued")
TERMINAL = ("completed", "failed", "incomplete")


def closes(one: Json) -> bool:
    """Whether an event carries something whole."""
    return str(one["type"]).endswith((".done", ".results.completed"))


def made(events: Events) -> list[Json]:
    """The items that these events make."""
    return fold("responses", *events).output_messages or []


def without_nulls(value: Any) -> Any:
    """An item without what is null or empty in it: a part that never came may be told as empty or left out."""
    if isinstance(value, dict):
        return {name: without_nulls(child) for name, child in value.items() if child not in (None, "", [], {})}
    return [without_nulls(child) for child in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", SCENES)
def test_an_item_is_built_from_its_events_in_order(name: str) -> None:
    """S-RESP-2, S-RESP-3: nothing is lost and nothing doubled."""
    scene = SCENES[name]

    assert made(scene.events) == [scene.whole]
    assert made([*scene.events, event("completed", response={"output": []})]) == [scene.whole]


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_delivery_makes_no_difference(name: str, seed: int) -> None:
    """S-ORD-1, S-DEDUP-1: chunks are a set, folded by their index."""
    found = chunks("responses", SCENES[name].events)
    shuffled = random.Random(seed).sample(found, len(found))

    assert attempt_of(0, shuffled, "responses").output.output_messages == [SCENES[name].whole]


@pytest.mark.parametrize("name", SCENES)
def test_closing_events_alone_are_enough(name: str) -> None:
    """S-RESP-3: LM Studio sends arguments, gateways whole items, only when they are done."""
    scene = SCENES[name]
    closing = [one for one in scene.events if closes(one)]

    assert made(closing) == [scene.whole]
    assert made(closing[-1:]) == [scene.whole]
    assert made([event("completed", response={"output": [scene.whole]})]) == [scene.whole]


@pytest.mark.parametrize("name", SCENES)
def test_a_cut_stream_keeps_all_that_came(name: str) -> None:
    """S-TTL-1: without any closing event the item shows what was announced and what has grown."""
    scene = SCENES[name]

    assert without_nulls(made([one for one in scene.events if not closes(one)])) == [without_nulls(scene.cut)]


def texts_of(deltas: Events) -> list[str]:
    """What grows in one place each: all that deltas of one kind and one index say."""
    grown_: dict[str, str] = {}
    for one in deltas:
        places = [one["type"], *(one.get(f"{group}_index") for group in ("content", "summary", "command"))]
        said = one["delta"] if isinstance(one["delta"], dict) else {"": one["delta"]}
        for stream, text in said.items():
            key = str([*places, stream])
            grown_[key] = grown_.get(key, "") + text
    return list(grown_.values())


@pytest.mark.parametrize("name", SCENES)
def test_an_item_that_nothing_announced_is_made(name: str) -> None:
    """S-RESP-2: deltas alone make an item of the right type that holds all they say."""
    deltas = [one for one in SCENES[name].events if str(one["type"]).endswith(".delta")]
    found = made(deltas)

    assert [one["type"] for one in found] == ([SCENES[name].whole["type"]] if deltas else [])
    assert all(json.dumps(text)[1:-1] in json.dumps(found) for text in texts_of(deltas))


@pytest.mark.parametrize(("type_", "word"), [(type_, word) for type_, words in ENDS.items() for word in words])
def test_progress_is_shown_until_the_item_comes_whole(type_: str, word: str) -> None:
    """S-RESP-3: the whole item has the last word, also on a status that it does not have."""
    told = [place("output_item.added", item={"id": "i", "type": type_}), place(f"{type_}.{word}")]

    assert made(told) == [{"id": "i", "type": type_, "status": word}]
    assert made([*told, place("output_item.done", item={"id": "i", "type": type_, "x": 1})]) == [
        {"id": "i", "type": type_, "x": 1}
    ]


def test_sources_beside_the_items_survive() -> None:
    """WIRE §10: they belong to the last message, else to the last item; results of a call are its own."""
    sources: Json = {
        "citations": ["https://a.example"],
        "search_results": [{"url": "https://a.example"}],
        "videos": [{"url": "https://a.example/v"}],
    }
    search = event("output_item.done", output_index=0, item={"type": "web_search_call"})
    said = event("output_text.delta", output_index=1, delta="a", citations=["https://old.example"])
    ping = event("ping", **sources)
    text: Json = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}
    call: Json = {"type": "web_search_call"}

    assert made([search, said, ping]) == [call, {**text, **sources}]
    assert made([search, ping]) == [{**call, **sources}]
    assert made([said, search, event("completed", response={"output": [text, call]}, **sources)]) == [
        {**text, **sources},
        call,
    ]
    assert made([ping]) == []


def test_a_search_without_results_is_none() -> None:
    """An event that says that results were added, and has none, makes no item."""
    assert made([place("web_search_call.results.added")]) == []


def test_every_event_type_of_the_wire_is_tried_here() -> None:
    """WIRE §10 lists them; the last four lines are those that only recordings show. The rest has tests elsewhere."""
    listed = {
        *("ping", "created", "in_progress", "queued", "completed", "failed", "incomplete"),
        *("output_item.added", "output_item.done", "content_part.added", "content_part.done"),
        *("output_text.delta", "output_text.done", "output_text.annotation.added", "output_text.annotation.done"),
        *("refusal.delta", "refusal.done", "function_call_arguments.delta", "function_call_arguments.done"),
        *(f"file_search_call.{word}" for word in ("in_progress", "searching", "results.added", "results.completed")),
        *(f"web_search_call.{word}" for word in ("in_progress", "searching", "completed")),
        *(f"web_search_call.results.{word}" for word in ("added", "completed")),
        *(f"web_fetch_call.{word}" for word in ("in_progress", "fetching", "completed")),
        *("reasoning_summary_part.added", "reasoning_summary_part.done"),
        *("reasoning_summary_text.delta", "reasoning_summary_text.done"),
        *(f"image_generation_call.{word}" for word in ("in_progress", "generating", "completed", "partial_image")),
        *("mcp_call_arguments.delta", "mcp_call_arguments.done"),
        *(
            f"{type_}.{word}"
            for type_ in ("mcp_call", "mcp_list_tools")
            for word in ("in_progress", "completed", "failed")
        ),
        *(f"code_interpreter_call.{word}" for word in ("in_progress", "interpreting", "completed")),
        *("code_interpreter_call_code.delta", "code_interpreter_call_code.done"),
        *("custom_tool_call_input.delta", "custom_tool_call_input.done"),
        *("reasoning_text.delta", "reasoning_text.done", "file_search_call.completed"),
        *("shell_call_command.added", "shell_call_command.delta", "shell_call_command.done"),
        *("shell_call_output_content.delta", "shell_call_output_content.done"),
        *("apply_patch_call_operation_diff.delta", "apply_patch_call_operation_diff.done"),
    }
    tried = {str(one["type"]).removeprefix("response.") for scene in SCENES.values() for one in scene.events}
    tried |= {f"{type_}.{word}" for type_, words in ENDS.items() for word in words}

    assert listed - tried == {*SILENT, *TERMINAL}
    assert tried <= listed
