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


class RecordOrigin(Model):
    """What was asked of the provider, and under which id it answered."""

    call: str | None
    """request_type of the gateway (WIRE §1): a stored response that is read again is told by it."""
    response_id: str | None
    """The provider's own id, of the first chunk that has one."""


class RecordSource(Model):
    """Where to replay a record from; null where a stream was folded outside Kafka."""

    topic: str | None
    partition: Count | None
    first_offset: Count | None
    last_offset: Count | None
