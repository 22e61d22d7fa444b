"""Odd leaves: values of a shape that a model refuses, dropped so that the rest can be read.

Lenient payloads (CONTRACT §1) are this, and nothing else: no value is coerced or guessed.  Imports pydantic only.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError


def drop(document: dict[str, Any], error: ValidationError) -> int:
    """Remove from a document, in place, the leaves that an error names.

    Returns:
        How many leaves were removed; at least one.
    """
    paths = {_existing(document, found["loc"]) for found in error.errors(include_url=False, include_context=False)}
    for path in sorted(paths, key=_from_behind, reverse=True):
        node: Any = document
        for step in path[:-1]:
            node = node[step]
        del node[path[-1]]
    return len(paths)


def _existing(document: Any, place: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The part of an error's place that exists in the document (pydantic appends the arm of a union)."""
    node, path = document, []
    for step in place:
        if not _holds(node, step):
            break
        node = node[step]
        path.append(step)
    return tuple(path)


def _holds(node: Any, step: int | str) -> bool:
    if isinstance(node, list):
        return isinstance(step, int) and step < len(node)
    return isinstance(node, dict) and step in node


def _from_behind(path: tuple[int | str, ...]) -> tuple[tuple[bool, int, str], ...]:
    """Sorts list items by their index, so that removing from the end leaves the others in place."""
    return tuple((isinstance(step, int), step if isinstance(step, int) else 0, str(step)) for step in path)
