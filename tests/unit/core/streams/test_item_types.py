"""Every item type and every event of WIRE §10: built in order, from closing events alone, and cut off.

A scene is one item with all the events that a provider sends for it. Three records are made of it: `whole` from all
events and from those that close something, `cut` from those that come before anything is closed.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

import pytest

from pipeline.core.facts import attempt_of
from tests.unit.core.streams.build import Json, chunks, event, fold

Events = list[Json]


@dataclass(frozen=True)
class Scene:
    """Events of one item, what they make together, and what they make up to the point where the first one closes."""

    events: Events
    whole: Json
    cut: Json


def place(name: str, **fields: Any) -> Json:
    """An event of item 0."""
    return event(name, output_index=0, item_id="i", **fields)


def grown(name: str, pieces: list[Any], whole: Json, **fields: Any) -> Events:
    """Deltas and the event that closes them."""
    return [
        *(place(f"{name}.delta", delta=piece, **fields) for piece in pieces),
        place(f"{name}.done", **fields, **whole),
    ]


def item(value: Json, early: Json, *events: Json) -> Events:
    """An item that is announced, grows, and comes whole."""
    return [place("output_item.added", item={**value, **early}), *events, place("output_item.done", item=value)]


def progress(type_: str, *words: str) -> Events:
    """Progress of a call that the provider makes."""
    return [place(f"{type_}.{word}") for word in words]


def call(type_: str, name: str, field: str, **fields: Any) -> Scene:
    """A call whose arguments are streamed."""
    value: Json = {"id": "i", "type": type_, "status": "completed", "name": "f", **fields, field: '{"x":1}'}
    early: Json = {"status": "in_progress", field: ""}
    running = progress(type_, "in_progress") if type_ == "mcp_call" else []
    events = item(value, early, *running, *grown(name, ['{"x":', "1}"], {field: '{"x":1}'}))
    return Scene(events, value, {**value, "status": "in_progress"})


def ran(
    type_: str, words: tuple[str, ...], cut: Json, early: Json, *, more: Events | None = None, **fields: Any
) -> Scene:
    """A call that the provider makes, whose results come with the whole item."""
    value: Json = {"id": "i", "type": type_, "status": "completed", **fields}
    begun: Json = {"id": "i", "type": type_, "status": "in_progress", **early}
    told = [*progress(type_, *words), *(more or [])]
    events = [place("output_item.added", item=begun), *told, place("output_item.done", item=value)]
    return Scene(events, value, {**begun, "status": words[-1], **cut})


NOTES: list[Json] = [{"type": "url_citation", "url": f"https://{name}.example", "title": name} for name in "ab"]
PROBS: list[Json] = [{"token": token, "logprob": -0.5, "top_logprobs": []} for token in ("He", "llo")]
TEXT: Json = {"type": "output_text", "text": "Hello", "annotations": NOTES, "logprobs": PROBS}
MESSAGE: Json = {"id": "i", "type": "message", "status": "completed", "role": "assistant", "phase": "final_answer"}
EMPTY: Json = {"type": "output_text", "text": "", "annotations": []}


def message() -> Scene:
    """Text with log-probs and annotations, each told when it is added and when it is done."""
    said = [
        place("output_text.delta", content_index=0, delta=text, logprobs=[probs])
        for text, probs in zip(("He", "llo"), PROBS, strict=True)
    ]
    noted = [
        place(f"output_text.annotation.{word}", content_index=0, annotation_index=number, annotation=note)
        for number, note in enumerate(NOTES)
        for word in ("added", "done")
    ]
    events = item(
        {**MESSAGE, "content": [TEXT]},
        {"status": "in_progress", "content": []},
        place("content_part.added", content_index=0, part=EMPTY),
        *said,
        *noted,
        place("output_text.done", content_index=0, text="Hello", logprobs=PROBS),
        place("content_part.done", content_index=0, part=TEXT),
    )
    return Scene(events, {**MESSAGE, "content": [TEXT]}, {**MESSAGE, "status": "in_progress", "content": [TEXT]})


def refusal() -> Scene:
    """A refusal is a part of its own."""
    part: Json = {"type": "refusal", "refusal": "I can't"}
    events = item(
        {**MESSAGE, "content": [part]},
        {"status": "in_progress", "content": []},
        place("content_part.added", content_index=0, part={"type": "refusal", "refusal": ""}),
        *grown("refusal", ["I ", "can't"], {"refusal": "I can't"}, content_index=0),
        place("content_part.done", content_index=0, part=part),
    )
    return Scene(events, {**MESSAGE, "content": [part]}, {**MESSAGE, "status": "in_progress", "content": [part]})


def blocks() -> Scene:
    """Parts that nothing but their own events bring: rendered content, a compaction, one that nobody knows."""
    parts: list[Json] = [
        {"type": "rendered_content", "rendered_content": "<p>"},
        {"type": "compaction", "encrypted_content": "E"},
        {"type": "something_new", "x": [1]},
    ]
    events = item(
        {**MESSAGE, "content": parts},
        {"status": "in_progress", "content": []},
        *(place("content_part.added", content_index=number, part=part) for number, part in enumerate(parts)),
        *(place("content_part.done", content_index=number, part=part) for number, part in enumerate(parts)),
    )
    return Scene(events, {**MESSAGE, "content": parts}, {**MESSAGE, "status": "in_progress", "content": parts})


def reasoning() -> Scene:
    """Summary parts, raw reasoning, and the encrypted form of it."""
    summary: list[Json] = [{"type": "summary_text", "text": text} for text in ("One", "Two")]
    content: list[Json] = [{"type": "reasoning_text", "text": "Hm."}]
    value: Json = {"id": "i", "type": "reasoning", "summary": summary, "content": content, "encrypted_content": "E"}
    events = item(
        value,
        {"summary": [], "content": [], "encrypted_content": "E0"},
        *(
            told
            for number, part in enumerate(summary)
            for told in (
                place("reasoning_summary_part.added", summary_index=number, part={"type": "summary_text", "text": ""}),
                *grown(
                    "reasoning_summary_text",
                    [part["text"][:1], part["text"][1:]],
                    {"text": part["text"]},
                    summary_index=number,
                ),
                place("reasoning_summary_part.done", summary_index=number, part=part),
            )
        ),
        *grown("reasoning_text", ["H", "m."], {"text": "Hm."}, content_index=0),
    )
    return Scene(events, value, {**value, "encrypted_content": "E0"})


def shell() -> Scene:
    """Commands grow in the item's action."""
    value: Json = {
        "id": "i",
        "type": "shell_call",
        "status": "completed",
        "call_id": "c",
        "environment": {"type": "local"},
    }
    action: Json = {"commands": ["ls -a", "pwd"], "timeout_ms": 5}
    told = [
        told
        for number, command in enumerate(action["commands"])
        for told in (
            place("shell_call_command.added", command_index=number, command=""),
            *grown("shell_call_command", [command[:1], command[1:]], {"command": command}, command_index=number),
        )
    ]
    events = item({**value, "action": action}, {"status": "in_progress", "action": {**action, "commands": []}}, *told)
    return Scene(events, {**value, "action": action}, {**value, "status": "in_progress", "action": action})


def shell_output() -> Scene:
    """Output grows command by command; how each ended comes with the whole."""
    outputs: list[Json] = [
        {"stdout": "a\nb", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}},
        {"stdout": "", "stderr": "no", "outcome": {"type": "timeout"}},
    ]
    value: Json = {"id": "i", "type": "shell_call_output", "status": "completed", "call_id": "c", "output": outputs}
    events = item(
        value,
        {"status": "in_progress", "output": []},
        place("shell_call_output_content.delta", command_index=0, delta={"stdout": "a"}),
        place("shell_call_output_content.delta", command_index=0, delta={"stdout": "\nb", "stderr": ""}),
        place("shell_call_output_content.done", command_index=0, output=outputs[:1]),
        place("shell_call_output_content.delta", command_index=1, delta={"stderr": "no"}),
        place("shell_call_output_content.done", command_index=1, output=outputs[1:]),
    )
    return Scene(events, value, {**value, "status": "in_progress", "output": [{"stdout": "a\nb"}, {"stderr": "no"}]})


def patch() -> Scene:
    """The diff grows in the item's operation."""
    operation: Json = {"type": "update_file", "path": "a.py", "diff": "@@\n-a\n+b"}
    value: Json = {"id": "i", "type": "apply_patch_call", "status": "completed", "call_id": "c", "operation": operation}
    events = item(
        value,
        {"status": "in_progress", "operation": {**operation, "diff": ""}},
        *grown("apply_patch_call_operation_diff", ["@@\n", "-a\n+b"], {"diff": operation["diff"]}),
    )
    return Scene(events, value, {**value, "status": "in_progress"})


def pictures() -> Scene:
    """Previews are shown until the picture comes; the highest one counts."""
    value: Json = {"result": "cGljdHVyZQ==", "revised_prompt": "a fox", "size": "1024x1024", "output_format": "png"}
    previews = [
        place("image_generation_call.partial_image", partial_image_index=number, partial_image_b64=data)
        for number, data in ((0, "MA=="), (2, "Mg=="), (1, "MQ=="))
    ]
    cut = {"result": None, "partial_image_index": 2, "partial_image_b64": "Mg=="}
    return ran("image_generation_call", ("in_progress", "generating"), cut, {"result": None}, more=previews, **value)


def simple(type_: str, **fields: Any) -> Scene:
    """An item that no event but its own tells about."""
    value: Json = {"id": "i", "type": type_, **fields}
    return Scene(item(value, {}), value, value)


FOUND: list[Json] = [{"file_id": "f1", "filename": "a.md", "score": 0.5, "text": "t", "attributes": {"k": 1}}]
ACTION: Json = {
    "type": "search",
    "query": "q",
    "queries": ["q"],
    "sources": [{"type": "url", "url": "https://a.example"}],
}
TOOLS: list[Json] = [{"name": "roll", "input_schema": {"type": "object"}, "annotations": {"read_only": True}}]
LOGS: list[Json] = [{"type": "logs", "logs": "42"}, {"type": "image", "url": "https://a.example/x.png"}]
CLICK: Json = {"type": "click", "button": "left", "x": 1, "y": 2}
CHECKS: list[Json] = [{"id": "sc", "code": "malicious_instructions", "message": "m"}]

SCENES: dict[str, Scene] = {
    "message": message(),
    "refusal": refusal(),
    "parts": blocks(),
    "reasoning": reasoning(),
    "function_call": call("function_call", "function_call_arguments", "arguments", call_id="c"),
    "custom_tool_call": call("custom_tool_call", "custom_tool_call_input", "input", call_id="c"),
    "mcp_call": call("mcp_call", "mcp_call_arguments", "arguments", server_label="s", output="7", error=None),
    "code_interpreter_call": Scene(
        item(
            {"id": "i", "type": "code_interpreter_call", "status": "completed", "code": "1+1", "container_id": "k"}
            | {"outputs": LOGS},
            {"status": "in_progress", "code": "", "outputs": None},
            *progress("code_interpreter_call", "in_progress"),
            *grown("code_interpreter_call_code", ["1+", "1"], {"code": "1+1"}),
            *progress("code_interpreter_call", "interpreting"),
        ),
        {"id": "i", "type": "code_interpreter_call", "status": "completed", "code": "1+1", "container_id": "k"}
        | {"outputs": LOGS},
        {"id": "i", "type": "code_interpreter_call", "status": "interpreting", "code": "1+1", "container_id": "k"}
        | {"outputs": None},
    ),
    "file_search_call": ran(
        "file_search_call",
        ("in_progress", "searching"),
        {},
        {"queries": ["q"], "results": None},
        queries=["q"],
        results=FOUND,
    ),
    "file_search_call, results apart": ran(
        "file_search_call",
        ("in_progress", "searching"),
        {"results": FOUND},
        {"queries": ["q"]},
        more=[
            place("file_search_call.results.added", search_results=FOUND),
            place("file_search_call.results.completed", search_results=FOUND),
        ],
        queries=["q"],
        results=FOUND,
    ),
    "web_search_call": ran(
        "web_search_call", ("in_progress", "searching"), {}, {"action": {"type": "search"}}, action=ACTION
    ),
    "web_search_call, results apart": ran(
        "web_search_call",
        ("in_progress", "searching"),
        {"results": FOUND},
        {},
        more=[
            place("web_search_call.results.added", search_results=FOUND),
            place("web_search_call.results.completed", search_results=FOUND),
        ],
        results=FOUND,
    ),
    "web_fetch_call": ran(
        "web_fetch_call", ("in_progress", "fetching"), {}, {}, url="https://a.example", content="<p>"
    ),
    "image_generation_call": pictures(),
    "mcp_list_tools": Scene(
        item(
            {"id": "i", "type": "mcp_list_tools", "server_label": "s", "tools": TOOLS},
            {"tools": []},
            *progress("mcp_list_tools", "in_progress"),
        ),
        {"id": "i", "type": "mcp_list_tools", "server_label": "s", "tools": TOOLS},
        {"id": "i", "type": "mcp_list_tools", "server_label": "s", "tools": [], "status": "in_progress"},
    ),
    "mcp_approval_request": simple("mcp_approval_request", name="roll", arguments="{}", server_label="s"),
    "computer_call": simple(
        "computer_call", call_id="c", status="completed", action=CLICK, pending_safety_checks=CHECKS
    ),
    "local_shell_call": simple(
        "local_shell_call", call_id="c", status="completed", action={"type": "exec", "command": ["ls"]}
    ),
    "shell_call": shell(),
    "shell_call_output": shell_output(),
    "apply_patch_call": patch(),
    "compaction": simple("compaction", encrypted_content="E"),
    "tool_search_call": simple("tool_search_call", call_id=None, execution="server", arguments={"paths": ["a"]}),
    "something_new": simple("something_new", nested={"deep": [{"x": 1}]}),
}

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
