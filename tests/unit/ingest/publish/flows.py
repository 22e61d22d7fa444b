"""Requests without a thread or a Kafka: their chunks as JSON objects, each held to the contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.errors import UsageError
from pipeline.ingest.publish.flow import ChunkFields, Flow
from pipeline.ingest.publish.item import Item
from pipeline.ingest.publish.opening import Opening, RequestArguments
from schemas.decode import decode

LIMIT = 8 << 20


class Wire:
    """A request, and what it put on the wire."""

    def __init__(self, limit: int = LIMIT, **arguments: Any) -> None:
        """Open it."""
        self.complaints: list[UsageError] = []
        opened: RequestArguments = {"request_id": "r1", **arguments}  # type: ignore[typeddict-item]
        self.flow = Flow(Opening(opened), limit, self.complaints.append)
        self.items: list[Item] = []

    def chunk(self, response: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """One chunk."""
        given: ChunkFields = fields  # type: ignore[assignment]
        return self.take(self.flow.chunk(response, given))

    def take(self, item: Item) -> dict[str, Any]:
        """The chunk of an item, which the contract's decoder accepts under its key."""
        assert decode(item.value).request_id == item.key.decode()
        self.items.append(item)
        found: dict[str, Any] = json.loads(item.value)
        return found


def says(content: str, finish: str | None = None) -> dict[str, Any]:
    """A payload of a chat."""
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]}
