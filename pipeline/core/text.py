"""Text as UTF-8 can carry it: surrogate halves that a chunk border cut are re-joined, lone ones replaced (S-CHAT-9).

Imports the standard library only.
"""

from __future__ import annotations

from typing import Any


def mend(text: str) -> str:
    """Join surrogate halves that stand beside each other and put U+FFFD in the place of lone ones.

    Every other code point stays as it is: no normalisation, NUL and controls kept (S-CHAT-8).
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def mend_json(value: Any) -> Any:
    """A copy of a JSON value in which every string and every key is mended; of keys that become equal the first wins.

    Works without recursion, because a payload may be nested as deeply as its decoder could bear.
    """
    result: list[Any] = [None]
    todo: list[tuple[Any, Any, Any]] = [(value, result, 0)]
    while todo:
        source, target, place = todo.pop()
        if isinstance(source, str):
            target[place] = mend(source)
        elif isinstance(source, dict):
            fields: dict[str, Any] = {mend(key): None for key in source}
            target[place] = fields
            todo.extend((child, fields, mend(key)) for key, child in source.items())
        elif isinstance(source, list):
            items: list[Any] = [None] * len(source)
            target[place] = items
            todo.extend((child, items, position) for position, child in enumerate(source))
        else:
            target[place] = source
    return result[0]
