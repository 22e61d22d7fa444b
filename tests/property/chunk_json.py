"""Strategies for chunks as JSON text: valid ones, made from the models themselves, and mutations of them.

A model's new field is tried without a change here.  Owns the values that some field will not like.
"""

import json
import types
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel

from schemas.chunk import CHUNKS, Chunk
from schemas.decode import MAX_DEPTH
from schemas.leaves import MAX_INTEGER, MAX_NESTING


@dataclass(frozen=True)
class Raw:
    """JSON text that is written as it is."""

    text: str


@dataclass(frozen=True)
class Pairs:
    """An object that may hold a key twice."""

    pairs: list[tuple[str, Any]]


def written(node: Any, *, ascii_only: bool = True) -> str:
    """A node as JSON text."""
    if isinstance(node, Raw):
        return node.text
    if isinstance(node, dict | Pairs):
        pairs = node.items() if isinstance(node, dict) else node.pairs
        members = (
            f"{written(key, ascii_only=ascii_only)}:{written(child, ascii_only=ascii_only)}" for key, child in pairs
        )
        return "{" + ",".join(members) + "}"
    if isinstance(node, list):
        return "[" + ",".join(written(child, ascii_only=ascii_only) for child in node) + "]"
    return json.dumps(node, ensure_ascii=ascii_only)


NUMBERS: Final = [
    *("0", "-0", "1", "-1", "1.0", "-0.0", "0.1", "1e2", "1E+2", "1e-7", "1e400", "-1e400", "1e-400", "123456.789e3"),
    *(str(MAX_INTEGER + step) for step in (-1, 0, 1, 2)),
    *(str(-MAX_INTEGER - step) for step in (-1, 0, 1, 2)),
    *(str(2**63 - 1), str(2**63), str(-(2**63) - 1), str(2**64), "1" + "0" * 400, "9" * 5000, "1" + "0" * 30 + ".5"),
    *("01", "1.", ".5", "+1", "-", "1e", "0x10", "NaN", "Infinity", "-Infinity"),
]
STRINGS: Final = [
    *(r'"\ud83d"', r'"\ude00"', r'"\ud83d\ude00"', r'"\ude00\ud83d"', r'"x\ud83dy"', r'"\u0000"', r'"\u00e9"', r'"\/"'),
    *('"\x01"', r'"\x41"', r'"\u12"', '"\x7f"', '"\u2028"', '"unterminated', "'single'", '"' + "x" * 600 + '"', '""'),
]
TIMESTAMPS: Final = [
    *(f"2026-01-01T23:59:59{fraction}Z" for fraction in ("", ".", ".1", ".12", ".123456", ".1234567", ".999999999999")),
    *(f"2026-01-01T00:00:00{zone}" for zone in ("", "z", "+00:00", "-00:00", "+23:59", "+24:00", "+0100", "+01", " Z")),
    *(
        "2026-01-01t00:00:00z",
        "2026-01-01 00:00:00Z",
        "2026-01-01x00:00:00Z",
        "2026-01-01T00:00:00,5Z",
        "20260101T000000Z",
    ),
    *(
        "2026-W01-1T00:00:00Z",
        "2026-001T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T23:59:60Z",
        "2026-02-30T00:00:00Z",
    ),
    *(
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "0000-01-01T00:00:00Z",
        "2026-01-01T00:00Z",
        "2026-01-01",
    ),
    *(
        "2026-1-01T00:00:00Z",
        "2026-01-01T00:00:00+01:00:30",
        "\uff12\uff10\uff12\uff16-01-01T00:00:00Z",
        "2026-01-01T2:00:00.0Z",
        "",
        "Z",
    ),
]
BASE64: Final = [
    "",
    "YQ==",
    "YWI=",
    "YWJj",
    "YQ",
    "YQ=",
    "YR==",
    "=YQ=",
    "YQ==YQ==",
    "Y Q==",
    "YQ==\n",
    "_-_-",
    "é===",
    "A===",
]

words = st.text(max_size=6)
free = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


def _deep(depth: int) -> Raw:
    return Raw('[{"a":' * depth + "1" + "}]" * depth)


odd = st.one_of(
    free,
    st.sampled_from([Raw(text) for text in (*NUMBERS, *STRINGS)]),
    st.sampled_from([*TIMESTAMPS, *BASE64, *CHUNKS]),
    st.sampled_from(
        [_deep(depth) for depth in (2, 4, MAX_NESTING // 2, MAX_NESTING, MAX_DEPTH // 2 - 3, MAX_DEPTH // 2, MAX_DEPTH)]
    ),
    st.builds(Pairs, st.lists(st.tuples(st.sampled_from(["a", "text", "index"]), free), max_size=3)),
)
"""Values that some field will not like."""


def _of(annotation: Any) -> SearchStrategy[Any]:
    """JSON that a field of this annotation accepts."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _of(arguments[0])
    if origin in (Union, types.UnionType):
        return st.one_of([_of(arm) for arm in arguments])
    if origin is list:
        return st.lists(_of(arguments[0]), max_size=2)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is dict:
        return st.dictionaries(words, free if arguments[1] is Any else words, max_size=2)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _payload(annotation)
    return SIMPLE[annotation]


SIMPLE: Final[dict[Any, SearchStrategy[Any]]] = {
    str: words,
    bool: st.booleans(),
    int: st.integers(0, 9) | st.integers(0, MAX_INTEGER),
    float: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
    bytes: st.binary(max_size=4).map(lambda data: b64encode(data).decode()),
    datetime: st.datetimes(min_value=datetime(1900, 1, 1)).map(lambda moment: moment.isoformat() + "Z"),  # noqa: DTZ001
    Any: free,
    types.NoneType: st.none(),
}


def _payload(model: type[BaseModel]) -> SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional={name: _of(info.annotation) for name, info in model.model_fields.items()})


def _chunk(model: type[Chunk]) -> SearchStrategy[dict[str, Any]]:
    fixed: dict[str, SearchStrategy[Any]] = {
        "request_id": st.sampled_from(["r-1", "é", "x" * 512]) | st.text(min_size=1, max_size=5),
        "stream_type": st.sampled_from(get_args(model.model_fields["stream_type"].annotation)),
        "schema_version": st.just(1),
    }
    fields = {name: _of(info.annotation) for name, info in model.model_fields.items()} | fixed
    required = {name: fields[name] for name, info in model.model_fields.items() if info.is_required()}
    return st.fixed_dictionaries(required, optional={name: fields[name] for name in fields if name not in required})


chunks = st.one_of([_chunk(model) for model in CHUNKS.values()])


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document, the members of objects and the items of arrays."""
    if not isinstance(node, dict | list):
        return []
    steps = list(node) if isinstance(node, dict) else list(range(len(node)))
    return [place for step in steps for place in ((*path, step), *_places(node[step], (*path, step)))]


def _parent(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        document = document[step]
    return document


@st.composite
def mutated(draw: Callable[[SearchStrategy[Any]], Any]) -> str:
    """A chunk with up to three fields replaced, removed, doubled or added."""
    document = draw(chunks)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(_places(document)))
        parent = _parent(document, path)
        match draw(st.sampled_from(["replace", "null", "remove", "unknown", "twice"])):
            case "replace":
                parent[path[-1]] = draw(odd)
            case "null":
                parent[path[-1]] = None
            case "remove":
                del parent[path[-1]]
            case "unknown":
                document[draw(words)] = draw(odd)
            case _:
                name = draw(st.sampled_from([*document, "stream_type"]))
                document[name] = Raw(f"{written(draw(odd))},{json.dumps(name)}:{written(document.get(name))}")
    return written(document, ascii_only=draw(st.booleans()))
