"""msgspec structs built from the pydantic models: one contract, compiled for the hot path.

Owns the translation of annotations; declares no field of its own.  A struct has the attributes of its model, so code
annotated with the model reads either.  The compiled decoder is allowed to be stricter than the model, never laxer:
whatever it refuses is read again by schemas.decode.decode_strict, which decides.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import AfterValidator, BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from schemas.leaves import MAX_INTEGER, check_json

_BOUNDS: Final = {Ge: "ge", Le: "le", MinLen: "min_length", MaxLen: "max_length"}
_FREE_DEPTH: Final = 6
"""Nesting of free JSON that is checked in compiled code; the type tree doubles with each level, deeper values take the
strict decoder."""

NOTHING: Final[Mapping[str, Any]] = types.MappingProxyType({})
"""Empty labels, which all chunks share: a dict for each of them would cost time, and memory while they are held."""

_ODD_FIELDS: Final = [("anomalies", int, 0), ("original", bytes | None, None)]
_STORED_FIELDS: Final = [("said", int | None, None)]


def _free_json(depth: int) -> Any:
    """JSON of limited depth whose integers are at most 2^53-1; msgspec refuses infinities by itself."""
    integer = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
    tree: Any = bool | integer | float | str | None
    for _ in range(depth):
        tree = bool | integer | float | str | list[tree] | dict[str, tree] | None
    return tree


_NUMBER: Final = Annotated[float, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
"""A float cannot tell whether the text was an integer, so large ones take the strict decoder."""

_FREE: Final = _free_json(_FREE_DEPTH)
_FREE_OBJECT: Final = dict[str, _free_json(_FREE_DEPTH - 1)]  # type: ignore[misc]


class Compiler:
    """Builds one family of structs.

    Args:
        stored: build structs for reading state back: datetimes as datetimes, and what only state knows of a chunk.
            Otherwise timestamps stay text, because msgspec rounds fractions that the contract truncates; the decoder
            parses them.
    """

    def __init__(self, *, stored: bool) -> None:
        """Start with no struct built."""
        self._stored = stored
        self._built: dict[type[BaseModel], type[msgspec.Struct]] = {}

    def struct(self, model: type[BaseModel], *, tag: str | None = None) -> type[msgspec.Struct]:
        """The struct of a model; `tag` is the name of the field that tells the members of a union apart."""
        if model not in self._built:
            value = get_args(model.model_fields[tag].annotation)[0] if tag else None
            fields = [self._field(name, info) for name, info in model.model_fields.items() if name != tag]
            namespace: dict[str, Any] = {"anomalies": 0, "original": None}
            if tag:
                namespace[tag] = value
                namespace |= {} if self._stored else {"said": None}
            self._built[model] = msgspec.defstruct(
                model.__name__,
                [*fields, *(_STORED_FIELDS if tag and self._stored else ())],
                namespace=namespace,
                tag=value,
                tag_field=tag,
                kw_only=True,
                omit_defaults=True,
                gc=False,
                module=__name__,
            )
        return self._built[model]

    def odd(self, model: type[BaseModel]) -> type[msgspec.Struct]:
        """The struct of a chunk that needed the strict decoder; it knows its anomalies and its original bytes."""
        base = self._built[model]
        return msgspec.defstruct(
            f"Odd{model.__name__}", _ODD_FIELDS, bases=(base,), kw_only=True, gc=False, module=__name__
        )

    def _field(self, name: str, info: FieldInfo) -> tuple[str, Any] | tuple[str, Any, Any]:
        annotation = _FREE if self._checks(info.metadata) else self._type(info.annotation)
        bounds = _bounds(info.metadata)
        if datetime in _arms(info.annotation) and _parsed(info.metadata, info.annotation) and not self._stored:
            annotation = str if info.is_required() else str | None
        elif bounds:
            annotation = Annotated[annotation, msgspec.Meta(**bounds)]
        if info.is_required():
            return (name, annotation)
        if info.default_factory is dict:
            return (name, annotation, NOTHING)
        return (name, annotation, info.default)

    def _type(self, annotation: Any) -> Any:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self.struct(annotation)
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            if self._checks(arguments[1:]):
                return _FREE_OBJECT if get_origin(arguments[0]) is dict else _FREE
            inner = self._type(arguments[0])
            bounds = _bounds(arguments[1:])
            for extra in arguments[1:]:
                if hasattr(extra, "metadata"):
                    bounds |= _bounds(extra.metadata)
            return Annotated[inner, msgspec.Meta(**bounds)] if bounds else inner
        if origin in (Union, types.UnionType):
            return Union[tuple(self._type(arm) for arm in arguments)]  # noqa: UP007  built at run time
        if origin is list:
            return list[self._type(arguments[0])]  # type: ignore[misc]
        return _NUMBER if annotation is float and not self._stored else annotation

    def _checks(self, metadata: Any) -> bool:
        """Whether the marks say free JSON that has to be checked; what comes back from state was checked before."""
        return not self._stored and any(isinstance(m, AfterValidator) and m.func is check_json for m in metadata)


def _bounds(metadata: Any) -> dict[str, Any]:
    return {
        name: getattr(mark, name)
        for mark in metadata
        for kind, name in _BOUNDS.items()
        if isinstance(mark, kind) and getattr(mark, name) is not None
    }


def _arms(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(inner for arm in get_args(annotation) for inner in _arms(arm))
    return _arms(get_args(annotation)[0]) if get_origin(annotation) is Annotated else (annotation,)


def _parsed(metadata: Any, annotation: Any) -> bool:
    marks = [*metadata, *(mark for arm in get_args(annotation) for mark in getattr(arm, "__metadata__", ()))]
    return any(isinstance(mark, BeforeValidator) for mark in marks)
