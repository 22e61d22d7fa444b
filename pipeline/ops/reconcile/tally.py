"""What the chunks of one request say together, counted and never folded.

Owns the state of a request while its chunks are read: which identities were there, which came twice, alike or not, what
the highest chunk that has it says of usage, cost and attribution.  Small, and stored as msgpack while others are read.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from pipeline.ops.reconcile import runs
from pipeline.ops.reconcile.chunk import ERROR, FILLS, FLOATING, LOUD, MARKER, NO_IMAGE, Chunk
from pipeline.ops.reconcile.usage import NO_USAGE, Uncheckable, Usage, added, is_partial, merged, usage_of
from schemas.chunk import StreamType

PRINTS: Final = 4_096
"""Identities of a request whose content is remembered; repeats of others are taken for exact ones."""

Order = tuple[int, int, int]
"""(chunk_index, image_index, kind): what lowest and highest mean within an attempt (CONTRACT §1)."""


class Stated(msgspec.Struct, array_like=True):
    """What one attempt says; each value beside the place of the chunk that says it."""

    provider: tuple[Order, str] | None = None
    model: tuple[Order, str] | None = None
    said_model: tuple[Order, str] | None = None
    tier: tuple[Order, str] | None = None
    finish: tuple[Order, str] | None = None
    cost: tuple[Order, str] | None = None
    usages: list[tuple[Order, str, Any]] = []
    """The highest whole usage and the partial ones above it, the highest first, with the type of their chunk."""
    cached: bool = False
    failed: bool = False
    others: bool = False


class Tally(msgspec.Struct, array_like=True):
    """One request.

    Attributes:
        request_id, stream_type: of its first chunk.
        first_ms, last_ms: append times of its first and its last new chunk.
        slots: runs of indexes by "attempt kind image".
        prints: what each identity said, by its slot and index.
        offsets: of new chunks, rising.
        loudness: of each of them.
        repeats: offsets of repeats; negative (-1 - offset) of those that say something else.
        refused: offset and reason of chunks that have a dead letter.
        attempts: what each says, by number; FLOATING for bare markers that name none.
        labels: by key and attempt the lowest chunk that has it, and the value.
        started: earliest start_timestamp; begun: earliest timestamp.
        final: is_final was seen.
    """

    request_id: str
    stream_type: str
    first_ms: int
    last_ms: int = 0
    slots: dict[str, list[int]] = {}
    prints: dict[str, int] = {}
    offsets: list[int] = []
    loudness: list[int] = []
    repeats: list[int] = []
    refused: list[tuple[int, str]] = []
    attempts: dict[int, Stated] = {}
    labels: dict[str, dict[int, tuple[Order, str]]] = {}
    started: int | None = None
    begun: int = 0
    final: bool = False

    @property
    def size(self) -> int:
        """About what it costs, in identities."""
        return 4 + len(self.prints) + len(self.offsets) // 4

    def take(self, chunk: Chunk, offset: int, appended: int) -> None:
        """Count a chunk that no dead letter tells of."""
        slot = f"{chunk.attempt} {chunk.kind} {chunk.image}"
        if not runs.put(self.slots.setdefault(slot, []), chunk.position):
            first = self.prints.get(f"{slot} {chunk.position}", chunk.print)
            self.repeats.append(offset if first == chunk.print else -1 - offset)
            return
        if len(self.prints) < PRINTS:
            self.prints[f"{slot} {chunk.position}"] = chunk.print
        self.last_ms = max(self.last_ms, appended)
        fills = chunk.loudness != LOUD and self._fills(slot, chunk.position)
        self.loudness.append(FILLS if fills else chunk.loudness)
        self.offsets.append(offset)
        self.begun = chunk.at if len(self.offsets) == 1 else min(self.begun, chunk.at)
        if chunk.started is not None:
            self.started = chunk.started if self.started is None else min(self.started, chunk.started)
        self.final = self.final or chunk.is_final
        place = chunk.position, chunk.image, chunk.kind
        for name, value in chunk.labels.items():
            known = self.labels.setdefault(name, {})
            if chunk.attempt not in known or place < known[chunk.attempt][0]:
                known[chunk.attempt] = place, value
        _hear(self.attempts.setdefault(chunk.attempt, Stated()), chunk, place)

    def _fills(self, slot: str, index: int) -> bool:
        """Whether the index was missing below others."""
        return 0 < index < self.slots[slot][-1] - 1

    @property
    def highest(self) -> int:
        """Number of the last attempt."""
        return max(0, *self.attempts)

    def stated(self) -> dict[int, Stated]:
        """What each attempt says, markers without one counted to the highest."""
        found = {number: stated for number, stated in self.attempts.items() if number != FLOATING}
        floating = self.attempts.get(FLOATING)
        if floating is not None:
            found[self.highest] = _over(found.get(self.highest, Stated()), floating)
        return dict(sorted(found.items()))

    def who_pays(self) -> dict[str, str]:
        """Labels: of each the value of the lowest attempt and chunk; a marker without one is in the highest attempt."""
        found = {}
        for name, known in self.labels.items():
            placed = [
                (self.highest if number == FLOATING else number, place, number, value)
                for number, (place, value) in known.items()
            ]
            found[name] = min(placed)[3]
        return found

    def missing(self) -> int | None:
        """How many indexes are missing; None where only the fold's rules for images, errors and attempts tell."""
        if self.stream_type == StreamType.IMAGE or self.highest or any(s.failed for s in self.attempts.values()):
            return None
        images = {slot.rpartition(" ")[2] for slot in self.slots}
        if images != {str(NO_IMAGE)}:
            return None
        return runs.holes(runs.joined(self.slots.values()))

    def usage(self) -> Usage | Uncheckable:
        """The sum over attempts."""
        found = [usage_in(stated) for stated in self.stated().values()]
        doubt = next((each for each in found if isinstance(each, Uncheckable)), None)
        return doubt or added(each for each in found if isinstance(each, Usage))


def usage_in(stated: Stated) -> Usage | Uncheckable:
    """The usage of an attempt: of the highest chunk that has one."""
    if not stated.usages:
        return NO_USAGE
    model = stated.model or stated.said_model
    origin = None if stated.provider is None else stated.provider[1], None if model is None else model[1]
    _, kind, _ = stated.usages[0]
    raw = merged([usage for _, _, usage in stated.usages])
    return usage_of(raw, kind, *origin)


def cost_in(stated: Stated) -> Decimal | None:
    """What the gateway says an attempt cost."""
    return None if stated.cost is None else Decimal(stated.cost[1])


def _hear(stated: Stated, chunk: Chunk, place: Order) -> None:
    for name in ("provider", "model", "said_model", "tier", "finish"):
        value = getattr(chunk, name)
        if value is not None:
            _raise_to(stated, name, (place, value))
    if chunk.cost is not None:
        _raise_to(stated, "cost", (place, repr(chunk.cost)))
    stated.cached = stated.cached or chunk.cached
    stated.others = stated.others or chunk.others
    stated.failed = stated.failed or chunk.kind == ERROR
    if chunk.usage is not None and chunk.kind != MARKER:
        _hear_usage(stated, chunk, place)


def _raise_to(stated: Stated, name: str, found: tuple[Order, str]) -> None:
    known = getattr(stated, name)
    if known is None or known[0] < found[0]:
        setattr(stated, name, found)


def _hear_usage(stated: Stated, chunk: Chunk, place: Order) -> None:
    """Keep the highest whole usage and the partial ones above it."""
    read = usage_of(chunk.usage, chunk.usage_type, None, None)
    if read == NO_USAGE and not is_partial(chunk.usage_type, chunk.usage):
        return
    kept = sorted([*stated.usages, (place, chunk.usage_type, chunk.usage)], key=lambda each: each[0], reverse=True)
    whole = next((at for at, (_, kind, raw) in enumerate(kept) if not is_partial(kind, raw)), len(kept))
    stated.usages = kept[: whole + 1]


def _over(under: Stated, above: Stated) -> Stated:
    """Two parts of one attempt; bare markers state a cost, provider and model at most."""
    whole = msgspec.structs.replace(under)
    for name in ("provider", "model", "cost"):
        found = getattr(above, name)
        if found is not None:
            _raise_to(whole, name, found)
    return whole


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Tally).decode
