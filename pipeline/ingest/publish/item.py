"""A chunk on its way: bytes that never change again, so that sending them twice is sending the same.

Imports the standard library only.
"""

from __future__ import annotations

from typing import Final, NamedTuple

OVERHEAD: Final = 200
"""Bytes of memory that a waiting chunk takes beside its key and value, about."""


class Item(NamedTuple):
    """One chunk.

    Attributes:
        key: Kafka key, the request id.
        value: JSON of the contract.
        trace: Header `traceparent`, of a request's first chunk.
        accepted: When it was taken, in microseconds since the epoch.
    """

    key: bytes
    value: bytes
    trace: bytes
    accepted: int


def size(item: Item) -> int:
    """Bytes it takes in a buffer."""
    return len(item[0]) + len(item[1]) + len(item[2]) + OVERHEAD


class Outcome(NamedTuple):
    """What became of chunks that were handed to Kafka; it has all others.

    Attributes:
        left: Those of which it is not known that Kafka has them, in order.
        never: Those that Kafka does not take, ever.
        error: Why there are any left, or never taken.
    """

    left: list[Item]
    never: list[Item]
    error: Exception | None
