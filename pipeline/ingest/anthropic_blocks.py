"""Content blocks of Anthropic messages → deltas of a chat choice (WIRE §5).

Owns which blocks are the caller's: text, thinking and the tools the caller has to run. All others (server tools, their
results, compactions, kinds that come later) are items of the provider, given out whole when they are complete. Imports
this room's leaves only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from pipeline.ingest.leaf import Payload, load, objects, text

_RUN_BY_PROVIDER: Final = ("srvtoolu_", "mcptoolu_")
"""Ids of calls that the provider runs itself, whatever the block's type says."""


@dataclass(slots=True)
class _Call:
    """A tool call whose block is open."""

    index: int
    whole: object
    """The input as it came with the block; it counts only if no fragment follows."""
    streamed: bool = False


class _Item:
    """A block of the provider's own that is open: its texts grow, whatever they are called."""

    def __init__(self, block: Payload) -> None:
        self._block = block
        self._pieces: dict[str, list[str]] = {}

    def change(self, delta: Payload) -> None:
        for name, value in delta.items():
            if isinstance(value, str) and name != "type":
                self._pieces.setdefault("input" if name == "partial_json" else name, []).append(value)
            elif name != "type":
                self._block[name] = value

    def render(self) -> Payload:
        texts = {name: "".join(pieces) for name, pieces in self._pieces.items()}
        for name, said in texts.items():
            before = self._block.get(name)
            if name == "input":
                self._block[name] = _value(said) if said else before
            else:
                self._block[name] = (before if isinstance(before, str) else "") + said
        return self._block


class Blocks:
    """The blocks of one message, by their index in it."""

    def __init__(self) -> None:
        """Begin without blocks."""
        self._items: dict[int, _Item] = {}
        self._calls: dict[int, _Call] = {}
        self._call_count = 0
        self._thoughts: dict[int, int] = {}
        self._thought_count = 0

    def start(self, place: int, block: Payload) -> Payload | None:
        """The delta of content_block_start, if it brings any; a block that another takes the place of is complete."""
        self._calls.pop(place, None)
        left = self._items.pop(place, None)
        begun = self._begin(place, block)
        return begun if left is None else {**(begun or {}), "provider_items": [left.render()]}

    def _begin(self, place: int, block: Payload) -> Payload | None:
        match block.get("type"):
            case "text":
                notes = [_annotation(citation) for citation in objects(block.get("citations"))]
                return _filled(content=text(block.get("text")), annotations=notes)
            case "thinking":
                self._open_thought(place)
                return self._thought(place, block.get("thinking"), block.get("signature"))
            case "redacted_thinking":
                self._open_thought(place)
                data = text(block.get("data"))
                detail = {"index": self._thoughts[place], "type": "reasoning.encrypted", "data": data}
                return _filled(reasoning_details=[detail] if data else None)
            case "tool_use" if not str(block.get("id")).startswith(_RUN_BY_PROVIDER):
                return self._open_call(place, block)
            case str():
                self._items[place] = _Item(block)
        return None

    def change(self, place: int, delta: Payload) -> Payload | None:
        """The delta of content_block_delta, if it brings any."""
        if place in self._items:
            self._items[place].change(delta)
            return None
        match delta.get("type"):
            case "text_delta":
                return _filled(content=text(delta.get("text")))
            case "thinking_delta":
                return self._thought(place, delta.get("thinking"), None)
            case "signature_delta":
                return self._thought(place, None, delta.get("signature"))
            case "input_json_delta":
                return self._fragment(place, text(delta.get("partial_json")))
            case "citations_delta":
                return _filled(annotations=[_annotation(citation) for citation in objects([delta.get("citation")])])
            case _:
                return None

    def stop(self, place: int) -> Payload | None:
        """An item, or the arguments of a call without fragments: then the block's own input is all of them."""
        item = self._items.pop(place, None)
        if item is not None:
            return {"provider_items": [item.render()]}
        call = self._calls.pop(place, None)
        if call is None or call.streamed:
            return None
        return _arguments(call)

    def rest(self) -> list[Payload]:
        """What came in blocks never closed: items as far as they came, and arguments that came whole.

        An empty input may have been a mere beginning.
        """
        calls = [_arguments(call) for call in self._calls.values() if call.whole and not call.streamed]
        items = [item.render() for item in self._items.values()]
        return [*calls, {"provider_items": items}] if items else calls

    def _open_thought(self, place: int) -> None:
        self._thoughts[place] = self._thought_count
        self._thought_count += 1

    def _thought(self, place: int, thinking: object, signature: object) -> Payload | None:
        if place not in self._thoughts:
            self._open_thought(place)
        said = _filled(text=text(thinking), signature=text(signature))
        if said is None:
            return None
        detail = {"index": self._thoughts[place], "type": "reasoning.text", **said}
        return _filled(reasoning=text(thinking), reasoning_details=[detail])

    def _open_call(self, place: int, block: Payload) -> Payload:
        call = self._calls[place] = _Call(self._call_count, block.get("input"))
        self._call_count += 1
        function = {"name": text(block.get("name")), "arguments": ""}
        opened = {"index": call.index, "id": text(block.get("id")), "type": "function", "function": function}
        return {"tool_calls": [opened]}

    def _fragment(self, place: int, arguments: str | None) -> Payload | None:
        call = self._calls.get(place)
        if call is None or arguments is None:
            return None
        call.streamed = True
        return {"tool_calls": [{"index": call.index, "function": {"arguments": arguments}}]}


def _value(said: str) -> object:
    """The input of a server tool; text, where it is cut off."""
    try:
        return load(said)
    except (ValueError, RecursionError):
        return said


def _arguments(call: _Call) -> Payload:
    arguments = json.dumps(call.whole or {}, ensure_ascii=False, separators=(",", ":"))
    return {"tool_calls": [{"index": call.index, "function": {"arguments": arguments}}]}


def _annotation(citation: Payload) -> Payload:
    """A citation with the names of WIRE §5 beside its own.

    Its positions are left under their own names: they count in the source, those of WIRE in the answer.
    """
    names = {
        "title": text(citation.get("title")) or text(citation.get("document_title")),
        "url": text(citation.get("url")) or text(citation.get("source")),
        "text": text(citation.get("cited_text")),
    }
    return {"type": "url_citation", "url_citation": {**citation, **{key: name for key, name in names.items() if name}}}


def _filled(**fields: object) -> Payload | None:
    return {key: value for key, value in fields.items() if value} or None
