"""Output items of the Responses API while they are put together, and the routing of events to them (S-RESP-4).

Texts are kept as lists of pieces, so that folding stays linear in the bytes; payloads are never changed.
Imports pipeline.core.output and the payload models only.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.core.output import Json
from schemas.payload import ResponsesEvent

_EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})
_BLOCK_TYPES: Final = {"content": "output_text", "summary": "summary_text"}
_COMMANDS: Final = "commands"
_OPERATION: Final = "operation"
_WHOLE: Final = {_COMMANDS: "action", _OPERATION: _OPERATION}
"""Groups of blocks that lie elsewhere than in a list of their own name."""


class Block:
    """A JSON object of which some fields grow; `said` is for its user: whether content came with it."""

    __slots__ = ("_lists", "_texts", "said", "value")

    def __init__(self, value: Json) -> None:
        """Start with a copy of an object."""
        self.value = dict(value)
        self.said = False
        self._texts: dict[str, list[str]] = {}
        self._lists: dict[str, list[Any]] = {}

    def append(self, field: str, text: str) -> None:
        """Append a piece of text to a field."""
        pieces = self._texts.get(field)
        if pieces is None:
            start = self.value.get(field)
            pieces = self._texts[field] = [start] if isinstance(start, str) else []
        pieces.append(text)

    def extend(self, field: str, entries: list[Json]) -> None:
        """Append entries to a list field."""
        held = self._lists.get(field)
        if held is None:
            start = self.value.get(field)
            held = self._lists[field] = list(start) if isinstance(start, list) else []
        held.extend(entries)

    def entries(self, field: str) -> list[Any]:
        """What a list field holds so far."""
        held = self._lists.get(field, self.value.get(field))
        return held if isinstance(held, list) else []

    def put(self, field: str, value: object) -> bool:
        """Put a whole value in the place of what a field held; an empty one replaces nothing (S-RESP-3).

        Returns:
            Whether the field was empty and is not any more.
        """
        if value in _EMPTY:
            return False
        fresh = not self._texts.pop(field, None) and not self._lists.pop(field, None) and not self.value.get(field)
        self.value[field] = value
        return fresh

    def replace(self, value: Json) -> None:
        """Put every field of an object in the place of the same field here."""
        for field, whole in value.items():
            if field in self.value or whole not in _EMPTY:
                self.put(field, whole)
            else:
                self.value[field] = whole

    def render(self) -> Json:
        """The object with its texts and lists joined."""
        texts = {field: "".join(pieces) for field, pieces in self._texts.items()}
        return {**self.value, **self._lists, **texts}


class Item(Block):
    """An output item: a block with groups of blocks in it, such as its content parts.

    Attributes:
        index: its output_index.
        groups: blocks by group and place.
        added, done: it was announced; it came whole.
        addressed: an event called it by its own id.
        progress, preview: status and picture that are shown until it comes whole.
    """

    __slots__ = ("added", "addressed", "done", "groups", "index", "preview", "progress")

    def __init__(self, value: Json, index: int | None) -> None:
        """Start with a copy of an item and the output_index that it came with."""
        super().__init__(value)
        self.index = index
        self.groups: dict[str, dict[int, Block]] = {}
        self.added = False
        self.addressed = False
        self.done = False
        self.progress: str | None = None
        self.preview: Json = {}

    def block(self, group: str, index: int, new: Json) -> Block:
        """A block of a group, made of `new` when there is none at this index."""
        blocks = self.groups.get(group)
        if blocks is None:
            blocks = self.groups[group] = dict(enumerate(self._given(group)))
        block = blocks.get(index)
        if block is None:
            block = blocks[index] = Block(new)
        return block

    def put(self, field: str, value: object) -> bool:
        """As Block.put; the groups of a field that is replaced go with it."""
        if value not in _EMPTY:
            for group in [name for name in self.groups if _WHOLE.get(name, name) == field]:
                del self.groups[group]
        return super().put(field, value)

    def render(self) -> Json:
        """The item with its groups in index order."""
        item = super().render()
        if not self.done:
            item |= self.preview if self.progress is None else {"status": self.progress, **self.preview}
        for name, blocks in self.groups.items():
            rendered = [blocks[index].render() for index in sorted(blocks)]
            if name == _OPERATION:
                item[name] = rendered[0]
            elif name == _COMMANDS:
                action = item.get("action")
                commands = [block.get("text", "") for block in rendered]
                item["action"] = {**(action if isinstance(action, dict) else {}), name: commands}
            else:
                item[name] = rendered
        return item

    def _given(self, group: str) -> list[Block]:
        """The blocks that the item itself came with; a bare text is a block of the group's plain type."""
        value: Any = self.value.get(_WHOLE.get(group, group))
        if group == _OPERATION:
            return [Block(value)] if isinstance(value, dict) else []
        if group == _COMMANDS:
            value = value.get(_COMMANDS) if isinstance(value, dict) else None
        if isinstance(value, str):
            value = [value] if value else []
        parts = value if isinstance(value, list) else []
        plain = {"type": _BLOCK_TYPES[group]} if group in _BLOCK_TYPES else {}
        return [Block(part if isinstance(part, dict) else {**plain, "text": part}) for part in parts]


class Items:
    """The items of one response; events find theirs by output_index, then by item_id, then as the latest of its type.

    item_id is no safe key: some gateways send another one with every event.
    """

    def __init__(self) -> None:
        """Start with no item."""
        self._items: list[Item] = []
        self._by_index: dict[int, Item] = {}
        self._by_id: dict[str, Item] = {}
        self._by_type: dict[str, Item] = {}

    def find(self, event: ResponsesEvent, type_: str) -> Item | None:
        """The item that an event speaks of, if there is one."""
        return self._find(event.output_index, event.item_id, type_)

    def get(self, event: ResponsesEvent, type_: str) -> Item:
        """The item that an event speaks of; it is made when nothing has announced it."""
        item = self.find(event, type_)
        if item is not None:
            return item
        value: Json = {"type": type_}
        if event.item_id:
            value["id"] = event.item_id
        if type_ == "message":
            value["role"] = "assistant"
        return self._open(value, event.output_index)

    def add(self, value: Json, index: int | None) -> Item:
        """An item that is announced; at an index that is taken only the one already announced makes it another."""
        held = self._held(value, index) if index is not None or value.get("id") else None
        if held is None or (held.added and held.value.get("id") != value.get("id")):
            held = self._open(value, index)
        else:
            held.replace(value)
            self._register(held)
        held.added = True
        return held

    def finish(self, value: Json, index: int | None) -> Item:
        """An item in its final form."""
        held = self._held(value, index)
        if held is None or (held.done and index is None and not value.get("id")):
            held = self._open(value, index)
        else:
            held.replace(value)
        held.done = True
        return held

    def render(self) -> list[Json]:
        """The items by output_index; one without stays behind the one it came after."""
        keys: list[int] = []
        for item in self._items:
            keys.append(item.index if item.index is not None else keys[-1] if keys else -1)
        order = sorted(range(len(keys)), key=keys.__getitem__)
        return [self._items[position].render() for position in order]

    def _held(self, value: Json, index: int | None) -> Item | None:
        id_, type_ = value.get("id"), value.get("type")
        return self._find(index, id_ if isinstance(id_, str) else None, type_ if isinstance(type_, str) else "")

    def _find(self, index: int | None, id_: str | None, type_: str) -> Item | None:
        named = self._by_id.get(id_) if id_ else None
        if index is not None:
            held = self._by_index.get(index)
            if named is None or (named.index != index and (held is not None or named.index is not None)):
                return held
            named.index = index
            self._by_index.setdefault(index, named)
            return named
        if not id_:
            return self._by_type.get(type_)
        if named is None:
            return self._renamed(id_, type_)
        named.addressed |= named.value.get("id") == id_
        return named

    def _renamed(self, id_: str, type_: str) -> Item | None:
        """The latest item of this type, while it is open and no event has called it by its own id: its id rotates."""
        latest = self._by_type.get(type_)
        if latest is None or latest.done or latest.addressed or not latest.added:
            return None
        self._by_id[id_] = latest
        return latest

    def _open(self, value: Json, index: int | None) -> Item:
        item = Item(value, index)
        self._items.append(item)
        if index is not None:
            self._by_index[index] = item
        self._register(item)
        return item

    def _register(self, item: Item) -> None:
        id_, type_ = item.value.get("id"), item.value.get("type")
        if isinstance(id_, str) and id_:
            self._by_id[id_] = item
        if isinstance(type_, str):
            self._by_type[type_] = item
