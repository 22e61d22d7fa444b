"""Tool calls of one choice, put together from fragments (S-TOOL-1 to S-TOOL-5).

Imports pipeline.core.output and the payload models only.
"""

from __future__ import annotations

from typing import Final

from pipeline.core.output import Json
from schemas.payload import ToolCallDelta

_PLACEHOLDERS: Final = frozenset({"", "null"})
"""Ids by which some providers say that they have none."""


def merged(held: Json | None, more: Json) -> Json:
    """What a provider adds beside a message or a call, fragment by fragment: one level deep, the later word wins."""
    result = dict(held or {})
    for name, value in more.items():
        before = result.get(name)
        result[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return result


class _Call:
    """One call: its parts and the index that it was sent with or, without one, given."""

    __slots__ = ("arguments", "extra_content", "id", "index", "name", "type")

    def __init__(self, index: int) -> None:
        self.index = index
        self.id: str | None = None
        self.type: str | None = None
        self.name: str | None = None
        self.arguments: list[str] = []
        self.extra_content: Json | None = None

    def take(self, fragment: ToolCallDelta, id_: str | None) -> bool:
        """Replace id, type and name by what the fragment has of them, append its arguments (S-TOOL-1, S-TOOL-5)."""
        function = fragment.function
        name = arguments = None
        if function is not None:
            name, arguments = function.name, function.arguments
        if id_ is not None:
            self.id = id_
        if fragment.type:
            self.type = fragment.type
        if name:
            self.name = name
        if arguments:
            self.arguments.append(arguments)
        if fragment.extra_content:
            self.extra_content = merged(self.extra_content, fragment.extra_content)
        return bool(id_ or name or arguments)


class ToolCalls:
    """The calls of one choice in the order in which they were opened."""

    def __init__(self) -> None:
        """Start with no call."""
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._next = 0

    def add(self, fragment: ToolCallDelta, *, first: bool = True) -> bool:
        """Add a fragment to the call it belongs to, which it may open; whether it carried anything.

        Args:
            fragment: of a delta.
            first: of its delta; nobody cuts a call within one, so that a name behind the first is that of another call.
        """
        id_ = None if fragment.id in _PLACEHOLDERS else fragment.id
        name = fragment.function.name if fragment.function is not None else None
        index = fragment.index
        if index is not None:
            call = self._indexed(index, id_, name)
        elif id_ is not None:
            call = self._by_id.get(id_) or self._unnamed(name)
        else:
            call = self._open_last(name) if first or not name else None
        if call is None:
            call = self._open(self._next if index is None else index)
        if id_ is not None:
            self._by_id[id_] = call
        return call.take(fragment, id_)

    def render(self) -> list[Json]:
        """The calls sorted by index, which stays as sent; only calls that shared one are moved up (S-TOOL-2)."""
        rendered: list[Json] = []
        free = None
        for call in sorted(self._calls, key=lambda call: call.index):
            index = call.index if free is None or call.index > free else free + 1
            free = index
            function = {"name": call.name, "arguments": "".join(call.arguments)}
            shown: Json = {"index": index, "type": call.type or "function", "id": call.id, "function": function}
            if call.extra_content:
                shown["extra_content"] = call.extra_content
            rendered.append(shown)
        return rendered

    def _open(self, index: int) -> _Call:
        call = _Call(index)
        self._calls.append(call)
        self._by_index[index] = call
        self._next = max(self._next, index + 1)
        return call

    def _indexed(self, index: int, id_: str | None, name: str | None) -> _Call | None:
        """The call at an index; another id that comes with its own name is another call (symptom 35)."""
        call = self._by_index.get(index)
        if call is None or id_ is None or call.id is None or id_ == call.id:
            return call
        known = self._by_id.get(id_)
        if known is not None and known.index == index:
            return known
        return None if name else call

    def _unnamed(self, name: str | None) -> _Call | None:
        """The last call, while it has no id and the name, if the fragment has one, would not be its second."""
        last = self._calls[-1] if self._calls else None
        return last if last is not None and last.id is None and not (name and last.name) else None

    def _open_last(self, name: str | None) -> _Call | None:
        """The last call, unless the fragment has a name other than that call's (S-TOOL-3)."""
        last = self._calls[-1] if self._calls else None
        return None if last is None or (name and last.name and name != last.name) else last
