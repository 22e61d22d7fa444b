"""A record's columns: as the values of a row, or as the line of CSV that a database loads in bulk.

Owns how a value becomes text and what is said of a record that has no row. Most cells of records say the same again
and again (models, prices, versions, small numbers), so their text is remembered. Imports msgspec, `sinks.row` and
`sinks.shape`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from pipeline.sinks.row import COLUMNS, Kind
from pipeline.sinks.shape import NULL, Shape
from schemas.leaves import parse_timestamp

REMEMBERED: Final = 10_000
"""Cells of a kind; then begun anew, because names of requests come only once."""
LONGEST: Final = 1_000
"""Characters of a cell that is remembered."""
_CENTS: Final = Decimal(10) ** 20
"""38 digits, 18 of them behind the point."""
_UTC: Final = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z")
"""What the worker writes, save for the last days of months: nothing to be read and written again."""

_shape: Final = Shape(COLUMNS)
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder(order="sorted").encode


class Unfit(Exception):
    """A record that can't be a row; the text says why, without content."""


def row_of(value: bytes) -> tuple[Any, ...]:
    """The values of a record in the order of COLUMNS; amounts as Decimal, documents as text.

    Raises:
        Unfit: it is no record.
    """
    found, values = iter(_read(value)), []
    for kind, columns in _shape.kinds:
        convert = _VALUES.get(kind, _kept)
        values += [convert(next(found)) for _ in columns]
    return _shape.ordered(values)


def line_of(value: bytes) -> str:
    """The columns of a record as CSV, without an end of line.

    Raises:
        Unfit: it is no record: a field is missing, or its value is not of the column's kind.
    """
    values = _read(value)
    cells: list[str] = []
    try:
        for begin, end, write in _CELLS:
            cells += map(write, values[begin:end])
    except _ODD:
        raise Unfit(_odd(values)) from None
    return ",".join(_shape.ordered(cells))


def quoted(text: str) -> str:
    """A text as a cell."""
    return '"' + text.replace('"', '""') + '"'


def _read(value: bytes) -> list[Any]:
    try:
        return _shape.read(value)
    except msgspec.ValidationError as error:
        raise Unfit(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unfit("it is no JSON") from None


def _odd(values: Iterable[Any]) -> str:
    """Which value no cell can hold."""
    found = iter(values)
    for kind, columns in _shape.kinds:
        for column in columns:
            try:
                _WRITERS[kind](next(found))
            except _ODD:
                return f"{column.name} is no {kind}"
    return "a value has no text"  # pragma: no cover (one of them did not fit a moment ago)


# ---- values ---------------------------------------------------------------------------------------------------------


def _kept(value: Any) -> Any:
    return value


def _amount(value: Any) -> Decimal | None:
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        raise Unfit("an amount is no usd") from None


def _document(value: msgspec.Raw) -> str | None:
    text = bytes(value)
    return None if text == NULL else _encode(_decode(text)).decode()


_VALUES: Final[Mapping[Kind, Callable[[Any], Any]]] = {Kind.USD: _amount, Kind.DOCUMENT: _document}


# ---- cells ----------------------------------------------------------------------------------------------------------


class _Remembered(dict[Any, str]):
    """Cells by value; null is the empty cell."""

    def __init__(self, write: Callable[[Any], str]) -> None:
        super().__init__({None: ""})
        self._write = write

    def __missing__(self, value: Any) -> str:
        if len(self) > REMEMBERED:
            self.clear()
            self[None] = ""
        cell = self._write(value)
        if len(cell) <= LONGEST:
            self[value] = cell
        return cell


def _flag(value: bool | None) -> str:  # noqa: FBT001 (a value like others)
    return "" if value is None else "true" if value else "false"


def _instant(value: str | None) -> str:
    if value is None or _UTC.fullmatch(value):
        return value or ""
    return f"{parse_timestamp(value).replace(tzinfo=None).isoformat()}Z"


def _usd(value: Any) -> str:
    amount = Decimal(str(value))
    if not amount.is_finite() or abs(amount) >= _CENTS:
        raise InvalidOperation
    return format(amount, "f")


def _rate(value: float | None) -> str:
    return "" if value is None else repr(value)


def _json(text: bytes) -> str:
    return "" if text == NULL else quoted(_encode(_decode(text)).decode())


_documents: Final = _Remembered(_json)

_WRITERS: Final[Mapping[Kind, Callable[[Any], str]]] = {
    Kind.TEXT: _Remembered(quoted).__getitem__,
    Kind.COUNT: _Remembered(str).__getitem__,
    Kind.FLAG: _flag,
    Kind.INSTANT: _instant,
    Kind.USD: _Remembered(_usd).__getitem__,
    Kind.RATE: _rate,
    Kind.DOCUMENT: lambda raw: _documents[bytes(raw)],
}
_ODD: Final = (ArithmeticError, AttributeError, TypeError, ValueError)


def _cells() -> list[tuple[int, int, Callable[[Any], str]]]:
    """Where the values of each kind begin and end, and how they are written."""
    plan, begin = [], 0
    for kind, columns in _shape.kinds:
        plan.append((begin, begin + len(columns), _WRITERS[kind]))
        begin += len(columns)
    return plan


_CELLS: Final = _cells()
