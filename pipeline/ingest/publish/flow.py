"""One request from its first chunk to its end: numbering, times and bytes of its chunks. No I/O, no Kafka.

Owns which chunk carries what: provider and model each; labels, raw request and start the first and, so that a lost
first chunk does not lose who pays, the labels also the last. Imports this package and the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, TypedDict

from pipeline.errors import UsageError
from pipeline.ingest.publish import clock
from pipeline.ingest.publish.encoding import encode
from pipeline.ingest.publish.failure import Failure, bifrost_error, cancelled
from pipeline.ingest.publish.item import Item
from pipeline.ingest.publish.opening import Opening, count, name, raw_json
from schemas.chunk import SCHEMA_VERSION, StreamType
from schemas.leaves import MAX_INTEGER


class ChunkFields(TypedDict, total=False):
    """Fields of a chunk beside its payload; all may be left out.

    Attributes:
        image_index: Which image of the request, images only; it stays until another is named. Each is numbered anew.
        cost: USD, as the gateway priced it.
        is_final: Nothing more follows; closes the request.
        model: Another model from here on.
        provider: Another provider from here on.
        raw_request: What was sent upstream, where `request(…)` did not have it.
        chunk_index: Its position, where the gateway has its own numbering; counting goes on behind it.
        timestamp: When the gateway saw it; default now.
    """

    image_index: int | None
    cost: float | None
    is_final: bool
    model: str | None
    provider: str | None
    raw_request: Any
    chunk_index: int | None
    timestamp: datetime | str | None


RAW: Final = b',"raw_request":'

GAP: Final = 2
"""Index behind a first chunk that is missing: with an absent 0 and a present 1 it would pass for a stream that counts
from 1, and no gap (CONTRACT §4)."""

UNSAID: Final = {"is_bifrost_error": False, "error": {"message": "an error that can't be written as JSON"}}


class Draft(NamedTuple):
    """A chunk before it is put together.

    Attributes:
        number: Its chunk_index.
        extra: JSON members of its own, each with a comma before it.
        raw: JSON of its raw request, which is left out where it makes the chunk too large.
        timestamp: When it was seen, where the caller says so.
        last: Nothing follows.
    """

    number: int
    extra: bytes
    raw: bytes = b""
    timestamp: datetime | str | None = None
    last: bool = False


class Flow:
    """The state of one request. Not for two threads at once.

    Attributes:
        opening: What was given when it was opened.
        closed: Its end was said; nothing more comes out.
        seen: When what comes next was seen, in microseconds since the epoch; 0 is now.
    """

    def __init__(self, opening: Opening, limit: int, complain: Callable[[UsageError], None]) -> None:
        """Begin before the first chunk.

        Args:
            opening: What is the same for all of them.
            limit: Bytes of a chunk beyond which it is refused.
            complain: Told of what was left out of a chunk that went on without it.
        """
        self.opening = opening
        self.closed = False
        self.seen = 0
        self._limit, self._complain = limit, complain
        self._provider, self._model = opening.provider, opening.model
        self._attempt = opening.attempt
        self._image: int | None = 0 if opening.stream_type == StreamType.IMAGE else None
        self._next: dict[int | None, int] = {}
        self._next_error: dict[int | None, int] = {}
        self._timestamps = clock.Timestamps()
        self._last = 0
        self._first = True
        self._prefix = self._common()

    def chunk(self, response: Mapping[str, Any] | None, fields: ChunkFields) -> Item:
        """The next chunk.

        Raises:
            UsageError: it breaks the contract or is too large; its index is used up, so that the record shows a gap.
        """
        index = self._number(fields) if fields else self._next.get(self._image, 0)
        self._next[self._image] = index + 1 if index else GAP
        extra, raw = self._extra(fields) if fields else (b"", b"")
        if response is not None:
            if type(response) is not dict and not isinstance(response, Mapping):  # the first is a quarter of the second
                raise UsageError("the payload is no mapping", hint="give the payload as a dict, as WIRE §5-§10 have it")
            extra += b',"response":' + encode(response, "the payload")
        draft = Draft(index, extra)
        if fields:
            draft = Draft(index, extra, raw, fields.get("timestamp"), bool(fields.get("is_final")))
        item = self._item(draft)
        self._next[self._image] = index + 1
        return item

    def error(self, failure: Failure, *, final: bool) -> Item:
        """An error chunk; it fills no place in the numbering (CONTRACT §4), so a later attempt or chunk goes on.

        An error that can't be written is told in other words: a request's end is never lost for its reason.
        """
        index = max(self._next.get(self._image, 0), self._next_error.get(self._image, 0))
        self._next_error[self._image] = index + 1
        error = bifrost_error(failure)
        if self._provider is not None and "extra_fields" not in error:
            error["extra_fields"] = {"provider": self._provider}
        try:
            return self._item(Draft(index, b',"error":' + encode(error, "the error"), last=final))
        except UsageError as unsaid:
            self._complain(unsaid)
            return self._item(Draft(index, b',"error":' + encode(UNSAID, "the error"), last=final))

    def retry(self, provider: str | None, model: str | None) -> None:
        """Begin the next attempt; its chunks are counted from 0.

        Raises:
            UsageError: provider or model is no text.
        """
        self._provider = name(provider, "provider") or self._provider
        self._model = name(model, "model") or self._model
        self._attempt += 1
        self._next, self._next_error = {}, {}
        self._image = None if self._image is None else 0
        self._prefix = self._common()

    def lost(self, _: int = 0) -> None:
        """The last chunk got nowhere: if it was the first, the next one says what a first one says."""
        self._first = self._first or self._next.get(self._image) == 1
        if self._next.get(self._image) == 1:
            self._next[self._image] = GAP

    def skip(self, count: int) -> None:
        """Leave so many indexes empty: what they were for got nowhere."""
        self._next[self._image] = max(self._next.get(self._image, 0) + count, GAP)

    def cut(self, why: str, seen: int) -> Item:
        """The end of a request that nobody ends any more."""
        self.seen = seen
        return self.error(cancelled(why), final=True)

    def end(self, cost: float | None) -> Item:
        """The bare final marker.

        Raises:
            UsageError: the cost is none.
        """
        return self.chunk(None, {"is_final": True, "cost": cost})

    def _common(self) -> bytes:
        """The beginning of every chunk's JSON, up to its index."""
        opening = self.opening
        known: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "request_id": opening.request_id,
            "stream_type": opening.stream_type,
        }
        attempt = {"attempt": self._attempt} if self._attempt else {}
        provider = {} if self._provider is None else {"provider": self._provider}
        model = {} if self._model is None else {"model": self._model}
        return encode({**known, **attempt, **provider, **model}, "provider or model")[:-1] + b',"chunk_index":'

    def _number(self, fields: ChunkFields) -> int:
        """The index of a chunk that says more than its payload, maybe its own."""
        if (image := fields.get("image_index")) is not None:
            if self._image is None:
                raise UsageError("image_index is for images only", hint="open the request as image.generation")
            self._image = count(image, "image_index")
        index = fields.get("chunk_index")
        return self._next.get(self._image, 0) if index is None else count(index, "chunk_index")

    def _extra(self, fields: ChunkFields) -> tuple[bytes, bytes]:
        """What a chunk carries beside its payload; the raw request apart."""
        if unknown := fields.keys() - ChunkFields.__annotations__.keys():
            raise TypeError(f"chunk() got an unexpected argument {min(unknown)!r}")
        given = dict(fields).get
        provider, model = name(given("provider"), "provider"), name(given("model"), "model")
        if (provider or self._provider, model or self._model) != (self._provider, self._model):
            self._provider, self._model = provider or self._provider, model or self._model
            self._prefix = self._common()
        extra = b""
        if (cost := fields.get("cost")) is not None:
            if type(cost) not in {int, float} or not abs(cost) <= MAX_INTEGER:
                raise UsageError("the cost is no amount of USD", hint="give a number, or leave it out when unknown")
            extra = b',"cost":' + encode(cost, "cost")
        return extra, raw_json(given("raw_request"))

    def _item(self, draft: Draft) -> Item:
        """The chunk, with what only a first or a last one has."""
        self._last = now = max(self._last, self.seen or clock.now())
        stamp = self._timestamps.text(now if draft.timestamp is None else clock.micros(draft.timestamp))
        image = b"" if self._image is None else b',"image_index":%d' % self._image
        rest = draft.extra
        if draft.last:
            rest += b',"is_final":true'
        opening = self.opening
        if opening.labels and (self._first or draft.last):
            rest += b',"labels":' + opening.labels
        raw, trace = draft.raw, b""
        if self._first:
            rest += b',"start_timestamp":"%b"' % self._timestamps.text(opening.started)
            raw, trace = raw or opening.raw_request, opening.trace
        value = b'%b%d%b,"timestamp":"%b"%b' % (self._prefix, draft.number, image, stamp, rest)
        value = self._bounded(value, raw) if raw or len(value) >= self._limit else value + b"}"
        self._first = False
        self.closed = draft.last
        return Item(opening.key, value, trace, now)

    def _bounded(self, value: bytes, raw: bytes) -> bytes:
        """The whole chunk if there is room for it, else without the raw request: the stream counts more."""
        size = len(value) + len(b"}")
        if raw:
            whole = size + len(RAW) + len(raw)
            if whole <= self._limit:
                return b"%b%b%b}" % (value, RAW, raw)
            self._complain(_oversize("the chunk with its raw_request, which was left out,", whole, self._limit))
        if size > self._limit:
            raise _oversize("the chunk", size, self._limit)
        return value + b"}"


def _oversize(what: str, size: int, limit: int) -> UsageError:
    text = f"{what} has {size:,} bytes, more than max_chunk_bytes {limit:,}"
    return UsageError(text, hint="publish less of it, or raise max_chunk_bytes here and at the worker")
