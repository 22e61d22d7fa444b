"""Assertions on records that explain themselves: which fields, what was expected, what was found, what the record says.

Owns the short names (`tokens`, `text`, `tool_calls`, `audio`, `images`, `error`) and how values are held against each
other. Imports the errors and the names of a record's fields.
"""

from __future__ import annotations

import difflib
import json
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from typing import Any, Final

from pipeline.errors import UsageError
from pipeline.testing.chunk import AUDIO, IMAGE, RESPONSES, TRANSCRIPTION

LONGEST: Final = 160
"""Characters of a value in an explanation; of a longer one the part around the first difference is shown."""
AROUND: Final = 30

Record = Mapping[str, Any]


def _text(record: Record) -> str | None:
    """What the model said, whatever the kind of stream."""
    if record["stream_type"] == TRANSCRIPTION:
        return (record.get("transcription_output") or {}).get("text") or None
    if record["stream_type"] == RESPONSES:
        blocks = [block for item in record.get("output_messages") or () for block in item.get("content") or ()]
        return "".join(each.get("text") or "" for each in blocks if each.get("type") == "output_text") or None
    content = (record.get("output_message") or {}).get("content")
    return content or None


def _tokens(record: Record) -> tuple[Any, Any] | None:
    """Tokens in and out."""
    usage = record.get("token_usage")
    return None if usage is None else (usage["prompt_tokens"], usage["completion_tokens"])


def _calls(record: Record) -> list[tuple[str, str]]:
    """Names and arguments of the tool calls."""
    functions = [each.get("function") or {} for each in record.get("tool_calls") or ()]
    return [(each.get("name") or "", each.get("arguments") or "") for each in functions]


def _audio(record: Record) -> bytes | None:
    """Sound."""
    audio = (record.get("audio_output") or {}).get("audio") if record["stream_type"] == AUDIO else None
    return None if audio is None else b64decode(audio)


def _images(record: Record) -> list[bytes | None]:
    """Pictures by index."""
    data = (record.get("image_generation_output") or {}).get("data", ()) if record["stream_type"] == IMAGE else ()
    return [b64decode(each["b64_json"]) if each.get("b64_json") else None for each in data]


def _error(record: Record) -> str | None:
    """Message of the error."""
    details = record.get("error_details") or {}
    message: str | None = (details.get("error") or details).get("message")
    return message


SHORT: Final[Mapping[str, Callable[[Record], Any]]] = {
    "text": _text,
    "tokens": _tokens,
    "tool_calls": _calls,
    "audio": _audio,
    "images": _images,
    "error": _error,
}
"""Names beside those of the record's fields; `tool_calls` are (name, arguments)."""
NEEDS: Final[Mapping[str, Sequence[str]]] = {
    "text": ("output_message", "output_messages", "transcription_output"),
    "tokens": ("token_usage",),
    "audio": ("audio_output",),
    "images": ("image_generation_output",),
    "error": ("error_details",),
}
"""Fields that a short name reads: in a record without them it is not null but unknown."""


class RecordMatcher:
    """What a record must say; equal to every record that says it, also inside of lists and dicts.

    >>> from pipeline.testing import RecordMatcher, chat, fold
    >>> folded = fold(chat("a").text("Hello").usage(10, 5).finish(), chat("b").text("Hel"))
    >>> assert folded.records == [
    ...     RecordMatcher(request_id="a", status="success", tokens=(10, 5), text="Hello"),
    ...     RecordMatcher(request_id="b", status="incomplete", tokens=None),
    ... ]
    """

    __hash__ = None  # type: ignore[assignment]  # equal to many different records

    def __init__(self, **expected: Any) -> None:
        """Take what is expected, by name.

        Args:
            expected: Fields of the record, or short for them: `text` (of every stream type), `tokens` (in and out),
                `tool_calls` ((name, arguments) each), `audio` and `images` (bytes), `error` (its message). `cost` is
                compared as a decimal, so write it as a text. Of an object only the keys that are named are compared.

        Raises:
            UsageError: a record has no such field: a typing error must not pass as a check.
        """
        from schemas.record import RECORD_FIELDS  # noqa: PLC0415 (builders alone need no models)

        for name in expected:
            if name not in RECORD_FIELDS and name not in SHORT:
                near = difflib.get_close_matches(name, [*RECORD_FIELDS, *SHORT], 1)
                hint = f"did you mean {near[0]}?" if near else "see schemas/generated/accumulated.schema.json"
                raise UsageError(f"a record has no field {name}", hint=hint)
        self.expected = expected

    def explain(self, record: Record) -> list[str]:
        """Lines that say what is not as expected; none if the record matches."""
        missing = [name for name in ("request_id", "stream_type", "status") if name not in record]
        if missing:
            return [f"no record: it has no {', '.join(missing)}"]
        absent = [name for name in self.expected if any(each not in record for each in NEEDS.get(name, (name,)))]
        wrong = [
            line
            for name, value in self.expected.items()
            if name not in absent
            for line in _differences(name, value, SHORT.get(name, itemgetter(name))(record))
        ]
        wrong += [line for name in absent for line in (f"  {name}", "    found     no such field in this record")]
        if not wrong:
            return []
        return [_head(record), *wrong, _context(record)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and not self.explain(other)

    def __repr__(self) -> str:
        return f"RecordMatcher({', '.join(f'{name}={value!r}' for name, value in self.expected.items())})"


def assert_record(record: Record, **expected: Any) -> None:
    """Hold a record to what is expected of it.

    >>> from pipeline.testing import assert_record, chat, fold
    >>> stream = chat().text("Hel", "lo").usage(10, 5).finish("stop").cost(0.0123)
    >>> assert_record(fold(stream).record, status="success", tokens=(10, 5), cost="0.0123", text="Hello")
    >>> assert_record(fold(stream).record, **stream.expected)

    Args:
        record: As a JSON document.
        expected: As `RecordMatcher` takes it.

    Raises:
        AssertionError: with each field that differs, what was expected and what was found.
        UsageError: a record has no such field.
    """
    __tracebackhide__ = True
    if wrong := RecordMatcher(**expected).explain(record):
        raise AssertionError("\n".join(wrong))


def _head(record: Record) -> str:
    return f"record of {record['request_id']} ({record['stream_type']}, revision {record.get('revision')}) differs"


def _context(record: Record) -> str:
    """What the record says of itself; it mostly tells why a field is as it is."""
    told = [
        f"{record.get('status')}, closed by {record.get('closed_by')}",
        f"{record.get('chunk_count')} chunks",
        "complete" if record.get("complete") else f"not complete, missing indexes {record.get('missing_indexes')}",
    ]
    reason = (record.get("cost_details") or {}).get("reason")
    if reason:
        told.append(f"cost reason {reason}")
    if (message := _error(record)) is not None:
        told.append(f"error {_short(message)}")
    return "  the record: " + "; ".join(told)


def _differences(name: str, expected: Any, found: Any) -> list[str]:
    """Lines for a field that differs."""
    if name == "cost" or name.endswith(".cost"):
        expected, found = _amount(expected), _amount(found)
        equal = expected == found
    elif isinstance(expected, Mapping) and isinstance(found, Mapping):
        parts = [
            _differences(f"{name}.{key}", value, found[key])
            if key in found
            else [f"  {name}.{key}", f"    expected  {_short(value)}", "    found     no such key"]
            for key, value in expected.items()
        ]
        return [line for part in parts for line in part]
    else:
        equal = _same(expected, found)
    if equal:
        return []
    lines = [f"  {name}", f"    expected  {_short(expected, found)}", f"    found     {_short(found, expected)}"]
    if isinstance(expected, str | bytes) and type(expected) is type(found):
        unit = "character" if isinstance(expected, str) else "byte"
        lines.append(f"    differs   from {unit} {_common(expected, found)} on")
    return lines


def _same(expected: Any, found: Any) -> bool:
    """Equality in which tuples are lists, as JSON has them."""
    if isinstance(expected, Sequence) and isinstance(found, Sequence) and not isinstance(expected, str | bytes):
        return len(expected) == len(found) and all(map(_same, expected, found))
    return bool(expected == found)


def _amount(value: Any) -> Any:
    """A number of money as a decimal; a float by its shortest text, as JSON writes it."""
    if isinstance(value, bool | None):
        return value
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return value


def _common(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Length of what two texts begin with."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (mine, its) in enumerate(pairs) if mine != its), min(len(one), len(other)))


def _short(value: Any, other: Any = None) -> str:
    """A value as it is written; of a long text what is around the first difference to another."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    whole = repr(value) if isinstance(value, bytes | tuple) else _json(value)
    if len(whole) <= LONGEST:
        return whole
    if isinstance(value, str) and isinstance(other, str):
        place = max(0, _common(value, other) - AROUND)
        piece = value[place : place + LONGEST - AROUND]
        before, after = "…" * (place > 0), "…" * (place + len(piece) < len(value))
        return f"{before}{_json(piece)}{after} ({len(value):,} characters)"
    return f"{whole[:LONGEST]}… ({len(whole):,} characters)"


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)
