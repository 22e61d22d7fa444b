"""Names of the fields that readers of chunks look at, taken from the schemas. Nothing else of them is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, get_args

from pydantic import BaseModel

from schemas.chunk import CHUNKS

Spec = Mapping[str, Any]
"""Field names; under each the names inside of it, nothing where anything may stand."""

_APART: Final = frozenset(("timestamp", "attempt", "schema_version"))
"""Envelope fields that a repeat need not have in common with the first (CONTRACT §1)."""


@cache
def known(stream_type: str | None) -> Spec:
    """Names of a payload's fields by stream type; without one, those of the envelope that make a repeat."""
    if stream_type is None:
        model = next(iter(CHUNKS.values()))
        return dict.fromkeys(name for name in model.model_fields if name not in _APART)
    return _inside(CHUNKS[stream_type].model_fields["response"].annotation)


def _inside(annotation: Any) -> Spec:
    for model in _models(annotation):
        return {name: _inside(field.annotation) for name, field in model.model_fields.items()}
    return {}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
