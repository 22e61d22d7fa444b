"""Single values of a provider's JSON, read without trust: the wanted type or None.

Owns the type of a payload and the rule for numbers that the contract refuses. Imports `schemas` for the limit.
"""

from __future__ import annotations

import json
import math
from typing import Any

from schemas.leaves import MAX_INTEGER

Payload = dict[str, Any]
"""A JSON object."""


def text(value: object) -> str | None:
    """The value if it is a string that holds something."""
    return value if isinstance(value, str) and value else None


def count(value: object) -> int | None:
    """The value if it is an integer from 0 on that the contract takes (true and false are none)."""
    return value if type(value) is int and 0 <= value <= MAX_INTEGER else None


def mapping(value: object) -> Payload:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[Payload]:
    """The objects of a list; nothing of anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def load(text: str) -> Any:
    """A JSON value; what only NaN or an infinity could stand for stays text, since CONTRACT §1 refuses them.

    Raises:
        ValueError: not JSON, or a number of absurd length.
        RecursionError: nested too deeply.
    """
    return json.loads(text, parse_float=_number, parse_constant=str)


def _number(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def contain(payload: Payload) -> Payload:
    """Replace, in place, every integer over 2^53-1 by its decimal text: CONTRACT §1 refuses a chunk that holds one.

    Providers send such numbers where nothing is counted (64-bit seeds); as text no digit is lost.
    """
    waiting: list[Payload | list[Any]] = [payload]
    while waiting:  # a loop, because a recursion would end at a depth that the JSON parser still reads
        node = waiting.pop()
        places: Any = node.items() if isinstance(node, dict) else enumerate(node)
        for place, value in places:
            if isinstance(value, dict | list):
                waiting.append(value)
            elif type(value) is int and not -MAX_INTEGER <= value <= MAX_INTEGER:
                node[place] = str(value)
    return payload
