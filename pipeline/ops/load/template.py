"""Streams that are made and encoded once, to be sent many times under other ids and times.

Owns the pool of them. Imports msgspec and its siblings.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.ops.load.chat import REQUEST
from pipeline.ops.load.envelope import envelope, places
from pipeline.ops.load.fate import Fate, fated, losable
from pipeline.ops.load.manner import Kind, Manner, Model
from pipeline.ops.load.piece import Counts, Made, Piece
from pipeline.ops.load.profile import Profile

POOL: Final = 128
"""Different streams of a load; requests share their content, never their ids."""
RETRIES: Final = 16
POOL_BYTES: Final = 32 << 20
"""No more are made once these are encoded: pictures are large."""
FEWEST: Final = 8

STAMP: Final = "@stamp@"
START: Final = b"@start@"
_KEY: Final = REQUEST.encode()
_STAMP: Final = STAMP.encode()
_MILLISECONDS: Final = tuple(b".%03dZ" % number for number in range(1_000))

TEAMS: Final = ("search", "support", "mobile", "research")
TENANTS: Final = 50


class Step(NamedTuple):
    """A chunk, encoded but for id and time.

    Attributes:
        head: What stands before, between and after the request's id, up to the time.
        tail: What comes after the time.
        offset: Milliseconds after the request began.
        begins: Whether it says when the request began.
        place, attempt, image: Its chunk_index and whose it is.
    """

    head: tuple[bytes, ...]
    tail: bytes
    offset: int
    begins: bool
    place: int
    attempt: int | None
    image: int | None

    def value(self, key: bytes, begun: int) -> bytes:
        """The chunk of a request that began at a time, ms since the epoch."""
        head, tail, offset, begins, *_ = self  # unpacked: this is where a load spends its time
        moment = begun + offset
        made = b"".join((key.join(head), _second(moment // 1_000), _MILLISECONDS[moment % 1_000], tail))
        return made.replace(START, stamp(begun)) if begins else made


@dataclass(frozen=True)
class Template:
    """A stream to be sent.

    Attributes:
        kind, model, labels: As its chunks say.
        steps: Its chunks.
        counts, counted: Its usage, and the number of the step that states it.
        cost, priced: USD that the gateway states and where; null: it states none.
        losable: Steps without which it keeps beginning, usage and end.
        before_end: So many steps come at most of a stream that has no end.
        retried: Whether its first attempt failed.
    """

    kind: Kind
    model: Model
    labels: Mapping[str, str]
    steps: Sequence[Step]
    counts: Counts
    counted: int
    cost: float | None
    priced: int
    losable: Sequence[int]
    before_end: int
    retried: bool

    @property
    def duration(self) -> int:
        """Milliseconds."""
        return self.steps[-1].offset


class Pool(NamedTuple):
    """Streams of a profile: those that end at the first attempt, and those that need two."""

    plain: Sequence[Template]
    retried: Sequence[Template]


def pool(profile: Profile, seed: int, labels: Mapping[str, str], wanted: int = POOL) -> Pool:
    """The streams of a load.

    Args:
        profile: What they are mixed from.
        seed: Equal seeds make equal pools.
        labels: Of every request.
        wanted: Most of the plain ones.
    """
    return Pool(
        _some(profile, f"{seed}", labels, "ended", min(wanted, POOL)),
        _some(profile, f"{seed}-retry", labels, "fallback", min(wanted, RETRIES)),
    )


def _some(profile: Profile, seed: str, labels: Mapping[str, str], fate: Fate, wanted: int) -> list[Template]:
    made: list[Template] = []
    size = 0
    while len(made) < wanted and (size < POOL_BYTES or len(made) < FEWEST):
        part = profile.part(len(made))
        draw = random.Random(f"{seed}-{len(made)}")  # noqa: S311 (no cryptography)
        made.append(encoded(draw, part.make(draw, part.manner), part.manner, labels, fate))
        size += sum(len(step.value(_KEY, 0)) for step in made[-1].steps)
    return made


def encoded(
    draw: random.Random, made: Made, manner: Manner, labels: Mapping[str, str], fate: Fate = "ended"
) -> Template:
    """A stream as it is sent; the same draws give the same."""
    before_end = made.before_end
    pieces, _ = fated(draw, made, fate)
    own = {"tenant": f"t{draw.randrange(TENANTS)}", "team": draw.choice(TEAMS)} | dict(labels)
    cost = _cost(made) if draw.random() < manner.stated else None
    if cost is not None:
        pieces[-1].body = pieces[-1].body | {"cost": cost}
    extra: dict[str, Any] = {"start_timestamp": START.decode(), "labels": own}
    if made.request is not None:
        extra["raw_request"] = made.request
    offsets = _offsets(draw, made, pieces, manner)
    steps = list[Step]()
    for piece, place, offset in zip(pieces, places(pieces), offsets, strict=True):
        fields = envelope(REQUEST, made, piece, place, STAMP)
        steps.append(_step({**fields, **({} if steps else extra)}, piece, place, offset))
    return Template(
        kind=made.kind,
        model=made.model,
        labels=own,
        steps=steps,
        counts=made.counts,
        counted=next(number for number, piece in enumerate(pieces) if piece.last and piece.counts),
        cost=cost,
        priced=len(pieces) - 1,
        losable=losable(pieces),
        before_end=before_end + len(pieces) - len(made.pieces),
        retried=fate == "fallback",
    )


def _cost(made: Made) -> float:
    rates = zip((made.counts.prompt, made.counts.completion), made.model.rates, strict=True)
    return round(sum(count * rate for count, rate in rates) / 1e6, 9)


def _offsets(draw: random.Random, made: Made, pieces: Iterable[Piece], manner: Manner) -> list[int]:
    """When chunks come: each attempt takes its time to begin."""
    pace = manner.paces[made.kind]
    first = manner.paces["thinking"].first if made.model.thinks else pace.first
    at, attempt, found = 0.0, -1, []
    for piece in pieces:
        begins, attempt = (piece.attempt or 0) != attempt, piece.attempt or 0
        at += (first if begins else pace.between).sample(draw)
        found.append(round(at))
    return found


def _step(fields: Mapping[str, Any], piece: Piece, place: int, offset: int) -> Step:
    text = msgspec.json.encode(fields)
    head, _, tail = text.partition(_STAMP)
    # What follows the time is the request's own: beginning, labels, raw request. No id stands there.
    return Step(tuple(head.split(_KEY)), tail, offset, START in tail, place, piece.attempt, piece.image)


def stamp(moment: int) -> bytes:
    """A time in RFC 3339, from milliseconds since the epoch."""
    return _second(moment // 1_000) + _MILLISECONDS[moment % 1_000]


@lru_cache(maxsize=4_096)
def _second(moment: int) -> bytes:
    """The beginning of a time, from seconds since the epoch: all but milliseconds and zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)).encode()
