"""A snapshot as JSON: the names of the view's shapes, money as decimal text, nulls written.

Imports the view's shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any

from pipeline.ops.live.view import Snapshot


def document(snapshot: Snapshot) -> dict[str, Any]:
    """The document of /api/snapshot."""
    made: dict[str, Any] = _plain(snapshot)
    for strip, shape in zip(made["strips"], snapshot.strips, strict=True):
        strip["state"] = shape.state
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value
