"""One request as the live views know it: its chunks as they came, and the record it became.

Owns what is taken of a chunk. Which indexes were seen and which are missing is the core's to say; a repeat is told by
its identity alone, for a view needs no comparison of payloads. Imports the core and this room.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.core.closing import missing
from pipeline.core.head import Head
from pipeline.core.identity import FLOATING, slot_of
from pipeline.core.signs import DATA, PLAIN, SIGNS
from pipeline.core.streams import CONTENT
from pipeline.ops.live.dots import Dots, told_of
from pipeline.ops.live.keep import BOUNDS, LABELS, SLOTS
from pipeline.ops.live.told import Key, Told, short
from pipeline.ops.live.view import Gap, Strip
from schemas.chunk import StreamType


class Request:
    """A request with a strip.

    Attributes:
        key: Its id and partition.
        cut: Its first chunks may lie before what was read: what seems missing at its beginning is not known to be.
        told: Its newest record; None while it is open.
        started_at, seen_at: Append times of its first and newest chunk, ms since the epoch; -1: none was seen.
    """

    __slots__ = (
        "_attempt", "_dots", "_drawn", "_duplicates", "_first_content", "_head", "_index", "_labels", "_last_model",
        "_last_provider", "_model", "_provider", "_seen", "cut", "first_offset", "key", "last_offset", "seen_at",
        "started_at", "told",
    )  # fmt: skip

    def __init__(self, key: Key, dots: int) -> None:
        """Nothing of it is known yet."""
        self.key, self.told, self.cut = key, None, False
        self.started_at = self.seen_at = self.first_offset = self.last_offset = -1
        self._head: Head | None = None
        self._dots = Dots(dots)
        self._labels: dict[str, str] = {}
        self._provider: str | None = None
        self._model: str | None = None
        self._last_provider: str | None = None
        self._last_model: str | None = None
        self._attempt = self._index = -1
        self._first_content = -1
        self._seen = self._duplicates = 0
        self._drawn: Strip | None = None

    told: Told | None

    # -- what is seen

    def take(self, chunk: Any, offset: int, at: int) -> None:
        """A chunk of it, by rising offsets; `at` is its append time."""
        self._drawn = None
        signs = SIGNS[chunk.stream_type](chunk)
        head = self._head
        if head is None:
            head = self._head = Head(chunk.request_id, chunk.stream_type, now=at, offset=offset)
            self.started_at, self.first_offset = at, offset
        attempt, index = chunk.attempt, chunk.chunk_index
        if at > self.seen_at:  # noqa: PLR1730  max() costs a call for each chunk
            self.seen_at = at
        self.last_offset = offset
        self._seen += 1
        if (
            signs is PLAIN
            and index == head.next_index
            and attempt <= 0 == head.attempt
            and not chunk.is_final
            and chunk.image_index is None
        ):  # nearly all chunks: the next index of the run is new by itself
            head.next_index += 1
            shown, told = 0, DATA
        else:
            if attempt > head.attempt:
                head.raise_attempt(attempt)
            slot = slot_of(attempt, signs.kind, chunk.image_index)
            repeat = not self._remember(head, slot, index)
            self._duplicates += repeat
            shown = head.attempt if slot.attempt == FLOATING else slot.attempt
            told = told_of(shown, signs.kind, repeat=repeat, final=chunk.is_final)
        self._dots.add(at, offset, index, told)
        if self._first_content < 0 and chunk.response is not None and chunk.error is None:
            self._look_for_content(chunk, at)
        if chunk.labels:
            for name, value in chunk.labels.items():
                if len(self._labels) < LABELS:
                    self._labels.setdefault(name, value)
        if chunk.provider == self._last_provider and chunk.model == self._last_model and shown == self._attempt:
            if index > self._index:  # noqa: PLR1730  as above
                self._index = index
        else:
            self._name(chunk, shown, index)

    def close(self, told: Told) -> bool:
        """A record of it; False for one that changes nothing."""
        if not told.supersedes(self.told):
            return False
        self.told, self._drawn = told, None
        return True

    def _remember(self, head: Head, slot: Any, index: int) -> bool:
        """Whether an index is new; memory is bounded by forgetting slots past SLOTS and the lowest gaps."""
        if slot not in head.seen and len(head.seen) >= SLOTS:
            return True
        new = head.remember(slot, index)
        if head.fresh:
            head.fresh.clear()  # of checkpoints, which a view has none of
            bounds = head.seen[slot]
            if len(bounds) > BOUNDS:
                del bounds[1:3]
        return new

    def _look_for_content(self, chunk: Any, at: int) -> None:
        if CONTENT[chunk.stream_type](chunk.response):
            self._first_content = at

    def _name(self, chunk: Any, attempt: int, index: int) -> None:
        """Provider and model of the highest chunk that has them; a model may stand in the payload alone (S-META)."""
        if (attempt, index) < (self._attempt, self._index):
            return
        provider, model = chunk.provider, chunk.model
        if provider or model:
            self._attempt, self._index = attempt, index
            self._last_provider, self._last_model = provider, model
        if provider:
            self._provider = short(provider)
        if model:
            self._model = short(model)
        elif self._model is None and chunk.response is not None:
            payload = chunk.response
            inner = payload.response if chunk.stream_type == StreamType.RESPONSES else None
            stated = inner.get("model") if isinstance(inner, dict) else getattr(payload, "model", None)
            self._model = short(stated) if isinstance(stated, str) and stated else None

    # -- what is shown: a record is the truth where there is one

    @property
    def stream_type(self) -> str:
        """Of its record, or its first chunk."""
        if self.told is not None:
            return self.told.stream_type
        return "" if self._head is None else str(self._head.stream_type)

    @property
    def provider(self) -> str | None:
        """The same."""
        return self._provider if self.told is None else self.told.provider

    @property
    def model(self) -> str | None:
        """The same."""
        return self._model if self.told is None else self.told.model

    @property
    def labels(self) -> Mapping[str, str]:
        """The same."""
        return self._labels if self.told is None else self.told.labels

    @property
    def state(self) -> str:
        """Status of its record, or open."""
        return "open" if self.told is None else self.told.box.status

    @property
    def begun(self) -> int:
        """When it began, by append time; of one whose chunks were not seen, by its record."""
        if self._head is not None or self.told is None:
            return self.started_at
        return self.told.at - self.told.box.latency_ms

    @property
    def strip(self) -> Strip:
        """The whole of it; made once for each change."""
        if self._drawn is None:
            self._drawn = self._draw()
        return self._drawn

    def forget_strip(self) -> None:
        """Give back the memory of what was shown."""
        self._drawn = None

    def _draw(self) -> Strip:
        told, begun = self.told, self.begun
        chunks, duplicates, box = self._seen, self._duplicates, None
        first, last, seen_at = self.first_offset, self.last_offset, self.seen_at
        if told is not None:
            box = told.box
            duplicates = max(duplicates, told.duplicates)
            chunks = max(chunks, told.chunks + told.duplicates)
            first = told.first_offset if told.first_offset >= 0 else first
            last = max(last, told.last_offset)
            seen_at = told.at if self._head is None else seen_at
        return Strip(
            request_id=self.key.request_id,
            stream_type=self.stream_type,
            provider=self.provider,
            model=self.model,
            labels=dict(self.labels),
            started_at=begun,
            seen_at=seen_at,
            chunks=chunks,
            duplicates=duplicates,
            dots=self._dots.all(begun),
            first_token_ms=max(self._first_content - begun, 0) if self._first_content >= 0 else None,
            gaps=self._gaps(),
            box=box,
            partition=self.key.partition,
            first_offset=first,
            last_offset=last,
        )

    def _gaps(self) -> tuple[Gap, ...]:
        """What is missing of each attempt; of one that was not seen from its beginning, by its record."""
        head, told = self._head, self.told
        if told is not None and (head is None or self.cut):
            return told.missing
        if head is None:
            return ()
        attempts = sorted({head.attempt if slot.attempt == FLOATING else slot.attempt for slot in head.seen} or {0})
        found = [
            Gap(attempt, gap[-2], gap[-1], gap[0] if len(gap) == 3 else None)
            for attempt in attempts
            for gap in missing(head, attempt)
        ]
        return tuple(gap for gap in found if not (self.cut and gap.first == 0))
