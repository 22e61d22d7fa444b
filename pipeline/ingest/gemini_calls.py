"""functionCall parts of Gemini → tool calls of a chat delta (WIRE §5).

Owns the arguments: an object becomes its JSON text; where Vertex streams them, as values by JSON path, they are put
together and given out when the call is complete. A call has an id only if Gemini gave it one. Imports this room's
leaves only.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pipeline.ingest.leaf import Payload, mapping, objects, text

_STEP: Final = re.compile(r"""\.([^.\[\]]+)|\[(\d{1,6})\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")
"""One step of a path: a member by its bare or quoted name, or an item by its number."""

_ESCAPED: Final = re.compile(r"\\(.)")
_VALUES: Final = ("stringValue", "numberValue", "boolValue")


class Calls:
    """The calls of one candidate, numbered in the order in which they begin."""

    def __init__(self) -> None:
        """Begin without calls."""
        self.count = 0
        self._open: _Call | None = None

    def take(self, call: Payload, signature: str | None) -> list[Payload]:
        """Fragments of tool calls that a part gives: it may end one call and begin another."""
        ended: list[Payload] = []
        fragment: Payload = {}
        if self._begins(call):
            ended = self.close()
            self._open = _Call(self.count, call)
            self.count += 1
            fragment = self._open.opening()
        if self._open is None:
            return []
        self._open.arguments.update(call)
        if signature is not None:
            fragment["extra_content"] = {"google": {"thought_signature": signature}}
        if call.get("willContinue") is not True:
            function = {**fragment.get("function", {}), "arguments": self._open.arguments.render()}
            fragment, self._open = {**fragment, "index": self._open.index, "function": function}, None
        elif fragment:
            fragment = {"index": self._open.index, **fragment}
        return [*ended, fragment] if fragment else ended

    def close(self) -> list[Payload]:
        """The arguments of the open call, which is complete or will never be."""
        call, self._open = self._open, None
        return [] if call is None else [{"index": call.index, "function": {"arguments": call.arguments.render()}}]

    def _begins(self, call: Payload) -> bool:
        """Whether a part is of another call: it has a name, unless it repeats the open call's id."""
        id_ = text(call.get("id"))
        if self._open is not None and id_ is not None and id_ == self._open.id:
            return False
        return text(call.get("name")) is not None or (
            self._open is None and bool(call.keys() & {"args", "partialArgs"})
        )


class _Call:
    """A call that is not complete."""

    def __init__(self, index: int, call: Payload) -> None:
        self.index = index
        self.id = text(call.get("id"))
        self.name = text(call.get("name"))
        self.arguments = Arguments()

    def opening(self) -> Payload:
        opened: Payload = {"index": self.index, "type": "function"}
        function = {"name": self.name, "arguments": ""}
        return opened | ({} if self.id is None else {"id": self.id}) | {"function": function}


class Arguments:
    """The arguments of one call."""

    def __init__(self) -> None:
        """Begin with none, which is an empty object."""
        self._value: Payload = {}
        self._path: str | None = None
        self._pieces: list[str] = []

    def update(self, call: Payload) -> None:
        """Take over what a part says: `args` is an object, `partialArgs` values by their paths."""
        self._value.update(mapping(call.get("args")))
        for partial in objects(call.get("partialArgs")):
            self._take(partial)

    def render(self) -> str:
        """The arguments as JSON text."""
        self._settle()
        return json.dumps(self._value, ensure_ascii=False, separators=(",", ":"))

    def _take(self, partial: Payload) -> None:
        """One value; a string grows as long as it says that it continues."""
        path = text(partial.get("jsonPath"))
        if path is None:
            return
        if path != self._path:
            self._settle()
        said = partial.get("stringValue")
        if isinstance(said, str):
            self._path = path
            self._pieces.append(said)
            if partial.get("willContinue") is not True:
                self._settle()
        elif "nullValue" in partial or any(name in partial for name in _VALUES):
            self._put(path, next((partial[name] for name in _VALUES if name in partial), None))

    def _settle(self) -> None:
        """Put the string that grew into its place."""
        if self._path is not None:
            self._put(self._path, "".join(self._pieces))
        self._path, self._pieces = None, []

    def _put(self, path: str, value: object) -> None:
        """Set the value at a path; one that leads nowhere names a member of its own, so that nothing is lost."""
        steps = _steps(path)
        _set(self._value, steps if steps and _fits(self._value, steps) else [path], value)


def _steps(path: str) -> list[str | int]:
    """Steps from the root `$`; none if the path is of another form."""
    steps: list[str | int] = []
    place = 1 if path.startswith("$") else 0
    while place < len(path):
        found = _STEP.match(path, place)
        if found is None:
            return []
        bare, number, *quoted = found.groups()
        name = next((name for name in (bare, *quoted) if name is not None), None)
        steps.append(int(number) if name is None else _ESCAPED.sub(r"\1", name))
        place = found.end()
    return steps


def _fits(root: Payload, steps: list[str | int]) -> bool:
    """Whether there is a place at the end of a path: nothing else stands in the way, no item would leave a gap."""
    node: Any = root
    for step in steps:
        if isinstance(step, int):
            if not isinstance(node, list | None) or step > len(node or []):
                return False
            node = node[step] if node and step < len(node) else None
        else:
            if not isinstance(node, dict | None):
                return False
            node = (node or {}).get(step)
    return True


def _set(root: Payload, steps: list[str | int], value: object) -> None:
    """Walk down a path that fits, making what is missing."""
    node: Any = root
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(step, int) and step == len(node):
            node.append(None)
        if following is None:
            node[step] = value
        elif (node[step] if isinstance(step, int) else node.get(step)) is None:
            node[step] = [] if isinstance(following, int) else {}
        node = node[step]
