"""Every item type of WIRE §10 with all the events that a provider sends for it, and the items they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.unit.core.streams.build import Json, event

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
