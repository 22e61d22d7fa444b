"""What each event of a Responses API stream does to the items: one handler per event type (S-RESP-1 to S-RESP-8).

Rules of the tables: a handler gets the state and the event and says whether content came that was not there before;
`*.delta` appends, `*.done` replaces; event types that are not listed are ignored (S-RESP-11).
Imports pipeline.core and the payload models only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pipeline.core.output import Json
from pipeline.core.streams.items import Block, Item, Items
from schemas.payload import ResponsesEvent


class State:
    """What the events said so far about one response."""

    def __init__(self) -> None:
        """Start with nothing said."""
        self.items = Items()
        self.final: list[Json] = []
        self.finish_reason: str | None = None
        self.terminal = False
        self.incomplete = False
        self.content = False
        self.beside: Json = {}
        self.odd = 0

    def text(self, value: object) -> str | None:
        """A delta as text; anything else but null is odd."""
        if isinstance(value, str):
            return value
        self.odd += value is not None
        return None


Handler = Callable[[State, ResponsesEvent], bool]

_TEXT: Final[Json] = {"type": "output_text", "text": ""}
_REFUSAL: Final[Json] = {"type": "refusal", "refusal": ""}
_REASONING: Final[Json] = {"type": "reasoning_text", "text": ""}
_SUMMARY: Final[Json] = {"type": "summary_text", "text": ""}

_CARRIERS: Final = ("call_id", "arguments", "input", "code", "result", "results", "output", "outputs")
_TERMINAL: Final = {"response.completed": False, "response.failed": False, "response.incomplete": True}
_ANNOTATION_DONE: Final = "response.output_text.annotation.done"
_TERMINAL_CANCELLED: Final = "response.cancelled"
_PROGRESS: Final = {
    "file_search_call": ("in_progress", "searching", "completed"),
    "web_search_call": ("in_progress", "searching", "completed"),
    "web_fetch_call": ("in_progress", "fetching", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
    "mcp_call": ("in_progress", "completed", "failed"),
    "mcp_list_tools": ("in_progress", "completed", "failed"),
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
}


def carries(item: Json) -> bool:
    """Whether an item carries content: text, refusal, reasoning, a call for the caller, or a result."""
    for group in ("content", "summary"):
        parts = item.get(group)
        if isinstance(parts, str) and parts:
            return True
        if isinstance(parts, list) and any(_says(part) for part in parts):
            return True
    return item.get("type") == "function_call" or any(item.get(name) for name in _CARRIERS)


def _says(part: Any) -> bool:
    return bool(part.get("text") or part.get("refusal")) if isinstance(part, dict) else bool(part)


def _grow(item: Item, block: Block, field: str, text: str | None) -> bool:
    if not text:
        return False
    block.append(field, text)
    return _count(item, block, fresh=True)


def _settle(item: Item, block: Block, field: str, value: object) -> bool:
    return _count(item, block, fresh=block.put(field, value))


def _count(item: Item, block: Block, *, fresh: bool) -> bool:
    """Note that content came, so that its repetition does not count again."""
    item.said |= fresh
    block.said |= fresh
    return fresh


def _part(state: State, event: ResponsesEvent, new: Json) -> tuple[Item, Block]:
    """The content part that an event speaks of; `new` when there is none."""
    item = state.items.get(event, "reasoning" if new.get("type") == _REASONING["type"] else "message")
    return item, item.block("content", event.content_index or 0, new)


def _summary(state: State, event: ResponsesEvent) -> tuple[Item, Block]:
    """The summary part that an event speaks of; with a content_index alone it speaks of a content part (S-RESP-6)."""
    if event.summary_index is None and event.content_index is not None:
        return _part(state, event, _REASONING)
    item = state.items.get(event, "reasoning")
    return item, item.block("summary", event.summary_index or 0, _SUMMARY)


def _text_delta(state: State, event: ResponsesEvent) -> bool:
    item, block = _part(state, event, _TEXT)
    if event.logprobs:
        block.extend("logprobs", event.logprobs)
    return _grow(item, block, "text", state.text(event.delta))


def _text_done(state: State, event: ResponsesEvent) -> bool:
    item, block = _part(state, event, _TEXT)
    block.put("logprobs", event.logprobs)
    return _settle(item, block, "text", event.text)


def _refusal_delta(state: State, event: ResponsesEvent) -> bool:
    """The fragment is in `delta`, in older gateways in `refusal` (S-RESP-7)."""
    text = state.text(event.delta) or event.refusal
    return _grow(*_part(state, event, _REFUSAL), "refusal", text)


def _refusal_done(state: State, event: ResponsesEvent) -> bool:
    return _settle(*_part(state, event, _REFUSAL), "refusal", event.refusal)


def _reasoning_delta(state: State, event: ResponsesEvent) -> bool:
    item, block = _part(state, event, _REASONING)
    if event.signature:
        block.append("signature", event.signature)
    return _grow(item, block, "text", state.text(event.delta))


def _reasoning_done(state: State, event: ResponsesEvent) -> bool:
    return _settle(*_part(state, event, _REASONING), "text", event.text)


def _summary_delta(state: State, event: ResponsesEvent) -> bool:
    """A signature without content_index is the item's encrypted_content (S-RESP-6)."""
    text = state.text(event.delta)
    if event.signature and event.content_index is None:
        state.items.get(event, "reasoning").append("encrypted_content", event.signature)
    elif event.signature:
        _summary(state, event)[1].append("signature", event.signature)
    return _grow(*_summary(state, event), "text", text) if text else False


def _summary_done(state: State, event: ResponsesEvent) -> bool:
    return _settle(*_summary(state, event), "text", event.text) if event.text else False


def _part_event(state: State, event: ResponsesEvent) -> bool:
    part = event.part
    if part is None:
        return False
    return _replace_part(*_part(state, event, {"type": part.get("type")}), part)


def _summary_part_event(state: State, event: ResponsesEvent) -> bool:
    return event.part is not None and _replace_part(*_summary(state, event), event.part)


def _replace_part(item: Item, block: Block, part: Json) -> bool:
    fresh = _says(part) and not block.said and not _says(block.value)
    block.replace(part)
    return _count(item, block, fresh=fresh)


def _annotation(state: State, event: ResponsesEvent) -> bool:
    """Annotations are appended to their part (S-RESP-8); the closing event repeats one or brings it alone."""
    if event.annotation is not None:
        block = _part(state, event, _TEXT)[1]
        if event.type == _ANNOTATION_DONE and event.annotation in block.entries("annotations"):
            return False
        block.extend("annotations", [event.annotation])
    return False


def _item_event(state: State, event: ResponsesEvent) -> bool:
    if event.item is None:
        return False
    done = event.type == "response.output_item.done"
    item = (state.items.finish if done else state.items.add)(event.item, event.output_index)
    return _count(item, item, fresh=not item.said and carries(event.item))


def _field_delta(type_: str, field: str) -> Handler:
    """Deltas of a text field of an item, such as a call's arguments (S-RESP-5)."""

    def handle(state: State, event: ResponsesEvent) -> bool:
        item = state.items.get(event, type_)
        return _grow(item, item, field, state.text(event.delta))

    return handle


def _field_done(type_: str, field: str) -> Handler:
    """The whole of a text field; the event has it under the field's own name, a name may come with it."""

    def handle(state: State, event: ResponsesEvent) -> bool:
        item = state.items.get(event, type_)
        if event.name and not item.value.get("name"):
            item.value["name"] = event.name
        return _settle(item, item, field, getattr(event, field))

    return handle


def _command(state: State, event: ResponsesEvent) -> bool:
    """Shell commands: announced and closed with the whole command, grown by deltas."""
    item = state.items.get(event, "shell_call")
    block = item.block("commands", event.command_index or 0, {"text": ""})
    if event.type == "response.shell_call_command.delta":
        return _grow(item, block, "text", state.text(event.delta))
    return _settle(item, block, "text", event.command)


def _command_output(state: State, event: ResponsesEvent) -> bool:
    """Output of shell commands: a delta holds pieces of stdout and stderr, the closing event the whole entries."""
    item = state.items.get(event, "shell_call_output")
    start, fresh = event.command_index or 0, False
    if isinstance(event.delta, dict):
        block = item.block("output", start, {})
        for field in ("stdout", "stderr"):
            fresh |= _grow(item, block, field, state.text(event.delta.get(field)))
    else:
        state.odd += event.delta is not None
    for offset, entry in enumerate(event.output or ()):
        block = item.block("output", start + offset, {})
        block.replace(entry)
        fresh |= _count(item, block, fresh=not block.said)
    return fresh


def _diff(state: State, event: ResponsesEvent) -> bool:
    """The diff of a patch, which lies in the item's operation."""
    item = state.items.get(event, "apply_patch_call")
    block = item.block("operation", 0, {})
    if event.type == "response.apply_patch_call_operation_diff.done":
        return _settle(item, block, "diff", event.diff)
    return _grow(item, block, "diff", state.text(event.delta))


def _preview(state: State, event: ResponsesEvent) -> bool:
    """A preview of an image is content to look at, never a result: the last one is shown until the item comes whole."""
    item = state.items.get(event, "image_generation_call")
    place = event.partial_image_index or 0
    if event.partial_image_b64 and place >= (item.preview.get("partial_image_index") or 0):
        item.preview = {"partial_image_index": place, "partial_image_b64": event.partial_image_b64}
    return True


def _results(type_: str) -> Handler:
    """Results of a search that a gateway tells apart from its item: `added` appends, `completed` replaces."""

    def handle(state: State, event: ResponsesEvent) -> bool:
        if not event.search_results:
            return False
        item = state.items.get(event, type_)
        if event.type is not None and event.type.endswith(".completed"):
            return _settle(item, item, "results", event.search_results)
        item.extend("results", event.search_results)
        return _count(item, item, fresh=True)

    return handle


def _progress(type_: str, status: str) -> Handler:
    """Progress of a call that the provider makes: its item's status, until the item comes whole."""

    def handle(state: State, event: ResponsesEvent) -> bool:
        item = state.items.find(event, type_)
        if item is not None:
            item.progress = status
        return False

    return handle


def _end(state: State, event: ResponsesEvent) -> bool:
    """The terminal event: its output, when there is any, is authoritative; its word on the end is kept (S-RESP-9)."""
    response = event.response or {}
    status = response.get("status")
    cancelled = event.type == _TERMINAL_CANCELLED or status == "cancelled"
    cut = _TERMINAL.get(event.type or "", False) or status == "incomplete"
    details = response.get("incomplete_details")
    reasons = (details.get("reason") if cut and isinstance(details, dict) else None, response.get("stop_reason"))
    state.finish_reason = next((reason for reason in reasons if isinstance(reason, str) and reason), None)
    state.terminal = True
    state.incomplete = cut or cancelled
    output = response.get("output")
    items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
    state.odd += len(output) - len(items) if isinstance(output, list) else output is not None
    state.final = items or state.final
    return not state.content and any(map(carries, items))


HANDLERS: Final[dict[str | None, Handler]] = {
    "response.output_text.delta": _text_delta,
    "response.output_text.done": _text_done,
    "response.refusal.delta": _refusal_delta,
    "response.refusal.done": _refusal_done,
    "response.reasoning_text.delta": _reasoning_delta,
    "response.reasoning_text.done": _reasoning_done,
    "response.reasoning_summary_text.delta": _summary_delta,
    "response.reasoning_summary_text.done": _summary_done,
    "response.reasoning_summary_part.added": _summary_part_event,
    "response.reasoning_summary_part.done": _summary_part_event,
    "response.content_part.added": _part_event,
    "response.content_part.done": _part_event,
    "response.output_text.annotation.added": _annotation,
    _ANNOTATION_DONE: _annotation,
    "response.output_item.added": _item_event,
    "response.output_item.done": _item_event,
    "response.function_call_arguments.delta": _field_delta("function_call", "arguments"),
    "response.function_call_arguments.done": _field_done("function_call", "arguments"),
    "response.mcp_call_arguments.delta": _field_delta("mcp_call", "arguments"),
    "response.mcp_call_arguments.done": _field_done("mcp_call", "arguments"),
    "response.custom_tool_call_input.delta": _field_delta("custom_tool_call", "input"),
    "response.custom_tool_call_input.done": _field_done("custom_tool_call", "input"),
    "response.code_interpreter_call_code.delta": _field_delta("code_interpreter_call", "code"),
    "response.code_interpreter_call_code.done": _field_done("code_interpreter_call", "code"),
    "response.shell_call_command.added": _command,
    "response.shell_call_command.delta": _command,
    "response.shell_call_command.done": _command,
    "response.shell_call_output_content.delta": _command_output,
    "response.shell_call_output_content.done": _command_output,
    "response.apply_patch_call_operation_diff.delta": _diff,
    "response.apply_patch_call_operation_diff.done": _diff,
    "response.image_generation_call.partial_image": _preview,
    **{
        f"response.{type_}.{status}": _progress(type_, status)
        for type_, statuses in _PROGRESS.items()
        for status in statuses
    },
    **{
        f"response.{type_}.results.{word}": _results(type_)
        for type_ in ("file_search_call", "web_search_call")
        for word in ("added", "completed")
    },
    **dict.fromkeys((*_TERMINAL, _TERMINAL_CANCELLED), _end),
}
