"""Records read for their columns alone: decoded by a type made of `sinks.row`, so that the decoder checks every field.

Owns that type, the order in which its fields are taken out, and the values of a row. What has no column, content above
all, is passed over unread: that halves the cost of a record. Imports msgspec and `sinks.row`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from pipeline.sinks.row import COST, MISSING, Amount, Column, Kind

NEEDED: Final = frozenset({"record_id", "request_id", "revision", "digest"})
"""Columns that are never null."""
NULL: Final = b"null"
_GAPS: Final[Any] = list[Annotated[list[int], msgspec.Meta(min_length=2)]]
_COUNT: Final[Any] = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_TYPES: Final[dict[Kind, Any]] = {
    Kind.TEXT: str,
    Kind.COUNT: _COUNT,
    Kind.FLAG: bool,
    Kind.INSTANT: str,
    Kind.USD: Amount,
    Kind.RATE: int | float,
    Kind.DOCUMENT: msgspec.Raw,
}
_ABSENT: Final = msgspec.Raw(NULL)


class Node(NamedTuple):
    """An object inside a record of which fields are columns.

    Attributes:
        parent: Number of the one that it lies in; the record itself is 0.
        name: Of the field there.
        take: The values of its own columns.
        nulls: The same where it is null.
        decode: Out of its bytes, where the whole is a column too; else None.
    """

    parent: int
    name: str
    take: Callable[[Any], tuple[Any, ...]]
    nulls: tuple[Any, ...]
    decode: Callable[[msgspec.Raw], Any] | None


class Shape:
    """How a record is read.

    Attributes:
        kinds: In the order of `read`: kind and columns of that kind.
        ordered: Puts what is in the order of `read` into that of COLUMNS.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        """Make the type and the plan."""
        places: dict[tuple[str, ...], list[Column]] = {(): []}
        for column in columns:
            for depth in range(len(column.path)):
                places.setdefault(column.path[:depth], [])
            places[column.path[:-1]].append(column)
        self._record = msgspec.json.Decoder(_type(places, ()))
        numbers = {path: number for number, path in enumerate(places)}
        taken = [column for path in places for column in places[path]]
        self._take = _taking([column.path[-1] for column in places[()]])
        self._nodes = [_node(places, path, numbers[path[:-1]]) for path in list(places)[1:]]
        sorted_ = [column for kind in Kind for column in columns if column.kind is kind]
        self._by_kind: Callable[[list[Any]], tuple[Any, ...]] = itemgetter(*(taken.index(each) for each in sorted_))
        self.kinds = [(kind, [column for column in sorted_ if column.kind is kind]) for kind in Kind]
        self.ordered: Callable[[Sequence[Any]], tuple[Any, ...]] = itemgetter(*map(sorted_.index, columns))
        self._cost, self._missing = sorted_.index(COST), sorted_.index(MISSING)

    def read(self, value: bytes) -> list[Any]:
        """Values of a record, kind by kind; documents as their JSON, amounts as they are stated.

        Raises:
            msgspec.DecodeError, UnicodeDecodeError, RecursionError: it is no JSON.
            msgspec.ValidationError: a field is missing or of another kind; the text says which, without its value.
        """
        record = self._record.decode(value)
        values = list(self._take(record))
        nodes = [record]
        for parent, name, take, nulls, decode in self._nodes:
            above = nodes[parent]
            node = None if above is None else getattr(above, name)
            if decode is not None and node is not None:
                node = _decoded(decode, node, name)
            nodes.append(node)
            values += nulls if node is None else take(node)
        row = list(self._by_kind(values))
        row[self._cost] = _stated(record.cost, row[self._cost])
        row[self._missing] = sum(gap[-1] - gap[-2] + 1 for gap in row[self._missing]) if row[self._missing] else 0
        return row


def _decoded(decode: Callable[[msgspec.Raw], Any], raw: msgspec.Raw, name: str) -> Any:
    """A field of the record that was kept as bytes; an error says where it stands in the record."""
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(str(error).replace("`$", f"`$.{name}")) from None


def _stated(cost: Amount | None, total: Amount | None) -> Amount | None:
    """Which of the two is the exact cost (`row.total_cost`)."""
    return None if cost is None else cost if total is None else total


def _type(places: dict[tuple[str, ...], list[Column]], path: tuple[str, ...]) -> Any:
    """The type of the object at a path: its columns' fields, and the objects inside."""
    fields: dict[str, tuple[Any, ...]] = {} if path else {"cost": (Amount | None,)}
    for column in places[path]:
        fields[column.path[-1]] = _leaf(column, required=not path)
    for inner in places:
        if inner and inner[:-1] == path and inner[-1] not in fields:
            fields[inner[-1]] = (_type(places, inner) | None, *(() if not path else (None,)))
    return msgspec.defstruct("Part" if path else "Row", [(name, *what) for name, what in fields.items()], gc=False)


def _leaf(column: Column, *, required: bool) -> tuple[Any, ...]:
    """Type of a field, and what it is where it may be left out."""
    if column is MISSING:
        return (_GAPS,)
    kind = _TYPES[column.kind]
    if column.kind is Kind.DOCUMENT:
        return (kind,) if required else (kind, _ABSENT)
    whole = kind if column.name in NEEDED else kind | None
    return (whole,) if required else (whole, None)


def _node(places: dict[tuple[str, ...], list[Column]], path: tuple[str, ...], parent: int) -> Node:
    whole = any(column.path == path for column in places[path[:-1]])
    names = [column.path[-1] for column in places[path]]
    nulls = tuple(_ABSENT if column.kind is Kind.DOCUMENT else None for column in places[path])
    decode = msgspec.json.Decoder(_type(places, path) | None).decode if whole else None
    return Node(parent, path[-1], _taking(names), nulls, decode)


def _taking(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Attributes of an object, also of none or one."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda node: tuple(getattr(node, name) for name in names)
