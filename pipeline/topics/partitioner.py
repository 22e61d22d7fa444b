"""The partition of a key as Kafka's own producers, aiokafka and Faust choose it: murmur2.  Imports aiokafka's hash."""

from __future__ import annotations

from typing import Final

from aiokafka.partitioner import murmur2

_POSITIVE: Final = 0x7FFF_FFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Where a key goes in a topic with so many partitions."""
    hashed: int = murmur2(key)
    return (hashed & _POSITIVE) % partitions
