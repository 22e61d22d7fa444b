"""Where a record comes from and how its stream flowed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.leaves import Count, Model, Number


class InterChunkLatency(Model):
    """Times between content chunks in milliseconds."""

    p50: Count
    p95: Count
    max: Count
    tokens_per_second: Annotated[Number, Field(ge=0)] | None = None
    """Null where the usage is unknown."""


class RecordSource(Model):
    """Where to replay a record from; null where a stream was folded outside Kafka."""

    topic: str | None
    partition: Count | None
    first_offset: Count | None
    last_offset: Count | None
