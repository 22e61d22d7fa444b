"""The public face for people who embed the fold without Kafka: the seed's Accumulator.

No time passes by itself: what closes at once closes with its chunk, the rest when `flush` says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from threading import Lock
from typing import Any

from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.rows import MemoryRows, SourceRecord
from pipeline.core.timing import rfc3339
from pipeline.core.valuation import UNVALUED, Valuation
from pipeline.errors import ProducerFault
from schemas.chunk import StreamType
from schemas.record import AccumulatedData, ProcessedStreamResponse


class _Stream:
    """One request: its working set, its start, and how many users it has."""

    def __init__(self, policy: Policy, valuation: Valuation) -> None:
        self.partition = Partition(policy, MemoryRows(), "", 0, valuation=valuation)
        self.users = 0
        self.offset = 0
        self.start: datetime | None = None
        self.latest: dict[str, Any] = {}
        self.data: AccumulatedData | None = None


class Accumulator:
    """Accumulates streams by request id; safe to use from several threads (S-LIFE-1)."""

    def __init__(self, policy: Policy | None = None, valuation: Valuation = UNVALUED) -> None:
        """Start with no stream; the default policy is that of the contract, and no prices but those of the chunks."""
        self._policy, self._valuation = policy or Policy(), valuation
        self._streams: dict[str, _Stream] = {}
        self._lock = Lock()

    def create(self, request_id: str, start: datetime | None = None) -> None:
        """Announce a user of a stream.

        Args:
            request_id: of the stream.
            start: when its request was sent; the last caller wins, chunks that bring a start of their own keep it.

        Raises:
            ValueError: `start` has no zone.
        """
        if start is not None and start.tzinfo is None:
            raise ValueError("start has no zone")
        with self._lock:
            stream = self._streams.get(request_id)
            if stream is None:
                stream = self._streams[request_id] = _Stream(self._policy, self._valuation)
            stream.users += 1
            stream.start = start or stream.start

    def process(self, chunk: bytes | Mapping[str, Any]) -> ProcessedStreamResponse:
        """Take a chunk (CONTRACT §1) as JSON or as a mapping.

        Returns:
            The response with `data` null until the stream has closed; a repeat after that returns the same data.

        Raises:
            ProducerFault: the chunk was refused; `reason` and `detail` are those of its dead letter. A conflict
                is found when the stream closes: it is counted in the data, and the closing chunk is not refused.
        """
        with self._lock:
            document = _document(chunk)
            request_id = document.get("request_id")
            key = request_id if isinstance(request_id, str) else ""
            stream = self._streams.get(key) or _Stream(self._policy, self._valuation)
            if stream.start is not None and document.get("start_timestamp") is None:
                document["start_timestamp"] = rfc3339(stream.start)
            self._apply(key, stream, _encoded(document))
            self._streams[key] = stream  # a refused chunk leaves none behind
            stream.latest = document
            return self._response(key, stream)

    def _apply(self, request_id: str, stream: _Stream, value: bytes) -> None:
        stream.offset += 1
        record = SourceRecord(request_id.encode(errors="replace"), value, stream.offset, 0)
        stream.partition.apply([record], stream.offset + 1)
        self._drain(stream)

    def _drain(self, stream: _Stream) -> None:
        for request_id in list(stream.partition.closing):
            stream.partition.finalize(request_id)
        records, dead = stream.partition.take_output()
        for record in records:
            stream.data = AccumulatedData.model_validate_json(record.value or b"")
        if dead and not records:
            raise ProducerFault(dead[0].reason, dead[0].detail)

    def flush(self, request_id: str) -> ProcessedStreamResponse:
        """Close a stream without waiting: its graces fire, an unfinished one is incomplete.

        Raises:
            KeyError: no chunk of the request was taken.
        """
        with self._lock:
            stream = self._streams[request_id]
            if not stream.latest:
                raise KeyError(request_id)
            stream.partition.close_now()
            self._drain(stream)
            return self._response(request_id, stream)

    def cleanup(self, request_id: str) -> None:
        """Drop a user of a stream; with the last one its state goes.  Harmless when it has gone already."""
        with self._lock:
            stream = self._streams.get(request_id)
            if stream is None:
                return
            stream.users -= 1
            if stream.users <= 0:
                del self._streams[request_id]

    def _response(self, request_id: str, stream: _Stream) -> ProcessedStreamResponse:
        data, latest = stream.data, stream.latest
        return ProcessedStreamResponse(
            request_id=request_id,
            stream_type=StreamType(latest["stream_type"]) if data is None else data.stream_type,
            provider=latest.get("provider") if data is None else data.provider,
            model=latest.get("model") if data is None else data.model,
            data=data,
            raw_request=None if data is None else data.raw_request,
        )


def _document(chunk: bytes | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(chunk, Mapping):
        return dict(chunk)
    try:
        document = json.loads(chunk)
    except (ValueError, RecursionError):
        raise ProducerFault("not_json", "the chunk cannot be read") from None
    if not isinstance(document, dict):
        raise ProducerFault("invalid", "not a JSON object")
    return document


def _encoded(document: dict[str, Any]) -> bytes:
    try:
        return json.dumps(document).encode()
    except (TypeError, ValueError, RecursionError):
        raise ProducerFault("invalid", "a value that JSON does not have") from None
