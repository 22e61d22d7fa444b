"""What the builders of all stream types share: chunks in order, the end, attempts, and how they are delivered.

A builder is a value: every method gives a new one, so a stream may be begun once and ended in several ways. Imports
this room's chunks and the errors.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Self

from pipeline.errors import UsageError
from pipeline.testing.chunk import Document, chunk, encoded, moment

STEP_MS: Final = 100
"""Payload time between two chunks; the first comes so long after the request was sent."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One chunk of a stream and what it adds to the record.

    Attributes:
        index: Its `chunk_index`.
        attempt: Its attempt.
        fields: Of the envelope, with `response` or `error`.
        content: Whether its payload is content of the output, or a finish reason.
        text: Piece of the text of choice 0.
        call: Number of the tool call that `name` and `arguments` belong to.
        tokens: Prompt and completion tokens of the usage it carries.
        end: `status` of the record if its attempt ends here.
        finish: `finish_reason` of the record if its attempt ends here.
    """

    index: int
    attempt: int
    fields: Document
    content: bool = False
    text: str = ""
    call: int | None = None
    name: str = ""
    arguments: str = ""
    tokens: tuple[int, int] | None = None
    end: str | None = None
    finish: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class Stream:
    """The chunks of one request, and what the record of them must say.

    Made by `chat`, `completion`, `responses`, `speech`, `transcription` and `images`. The last chunk of a stream that
    came to its end has `is_final`, as a gateway that knows the end sends it; `unmarked` leaves that out.
    """

    stream_type: ClassVar[str]
    end_is_enough: ClassVar[bool] = False
    """Whether `is_final` alone makes a success: of streams that have no finish reason."""

    request_id: str
    envelope: Document = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    number: int = 0
    """Of the attempt that is being built."""
    says_final: bool = True
    price: float | None = None
    order: tuple[int, ...] | None = None
    """Places in `steps` in the order of delivery; None: as built."""

    # -- the end and what is around it

    def error(self, message: str = "cut", *, type: str | None = None, status: int = 503) -> Self:  # noqa: A002 (wire)
        """The gateway's error; type `request_cancelled` is a caller who gave up."""
        body = {"message": message} | ({} if type is None else {"type": type})
        fields = {"error": {"is_bifrost_error": False, "status_code": status, "error": body}}
        end = "incomplete" if type == "request_cancelled" else "error"
        return self._add(fields, end=end, finish="error")

    def payload(self, response: Mapping[str, Any]) -> Self:
        """A chunk with any payload; of what it adds to the record `expected` knows nothing."""
        return self._add({"response": dict(response)}, content=True)

    def attempt(self, **envelope: Any) -> Self:
        """From here on a fallback or retry, with its own `provider` and `model` if they are given."""
        return replace(self, number=self.number + 1, envelope={**self.envelope, **envelope})

    def cost(self, usd: float) -> Self:
        """The gateway's price, on the last chunk."""
        return replace(self, price=usd)

    def marker(self) -> Self:
        """A bare end marker as the last chunk: neither response nor error."""
        return self._add({"is_final": True})

    def unmarked(self) -> Self:
        """No chunk says that it is the last: the request closes when its grace is over."""
        return replace(self, says_final=False)

    # -- delivery

    def cut(self, count: int) -> Self:
        """Only the first chunks are delivered: the gateway or its network died."""
        return self._deliver(lambda order: order[:count])

    def lost(self, *places: int) -> Self:
        """Chunks, counted from 0 as they were built, are never delivered.

        A record knows of a gap only where something lies on both sides of it, or the end was not seen; without the very
        first chunk the stream seems to count from 1.
        """
        return self._deliver(lambda order: [place for place in order if place not in places])

    def duplicated(self, share: float = 1.0, *, seed: int = 0) -> Self:
        """A share of the chunks, each with this chance, is delivered a second time right behind the first."""
        draw = _seeded(seed)
        return self._deliver(lambda order: [each for each in order for _ in range(2 if draw.random() < share else 1)])

    def shuffled(self, seed: int = 0) -> Self:
        """Any order within each attempt, the same for the same seed; attempts follow each other, as fallbacks do.

        Were the last chunk of a fallback there before those of the first try, the request would be closed when they
        come.
        """

        def mixed(order: Sequence[int]) -> list[int]:
            return sorted(_seeded(seed).sample(order, len(order)), key=lambda place: self.steps[place].attempt)

        return self._deliver(mixed)

    # -- the result

    @property
    def chunks(self) -> list[Document]:
        """Documents of CONTRACT §1 in the order of delivery; changing one changes nothing of the stream."""
        return [self._chunk(place) for place in self._order()]

    def lines(self) -> bytes:
        """JSON lines, as `streamledger fold` and `streamledger produce` read them."""
        return b"".join(encoded(each) + b"\n" for each in self.chunks)

    @property
    def expected(self) -> dict[str, Any]:
        """What the record must say, as keywords of `assert_record`; without what nobody can know from the chunks."""
        seen = [self.steps[place] for place in sorted(set(self._order()))]
        if not seen:
            return {}
        attempts = {number: [each for each in seen if each.attempt == number] for number in {s.attempt for s in seen}}
        telling = [number for number, steps in attempts.items() if any(each.content for each in steps)]
        steps = attempts[max(telling or attempts)]
        usages = [used[-1] for part in attempts.values() if (used := [s.tokens for s in part if s.tokens is not None])]
        marked = any(self._is_final(place) for place in self._order())
        status, finish = self._outcome(steps, marked=marked)
        priced = self.price and len(attempts) == 1 and len(self.steps) - 1 in self._order()
        return {
            "request_id": self.request_id,
            "stream_type": self.stream_type,
            "status": status,
            "finish_reason": finish,
            "tokens": (sum(each[0] for each in usages), sum(each[1] for each in usages)) if usages else None,
            "text": "".join(each.text for each in steps) or None,
            "tool_calls": _calls(steps),
            "chunk_count": len(seen),
            **({"cost": self.price} if priced else {}),
        }

    # -- inside

    def __repr__(self) -> str:
        return f"<{self.stream_type} {self.request_id}: {len(self._order())} chunks delivered of {len(self.steps)}>"

    def _add(self, fields: Document, **said: Any) -> Self:
        """One more chunk of this attempt."""
        step = Step(index=self._next(fields), attempt=self.number, fields={**self.envelope, **fields}, **said)
        order = None if self.order is None else (*self.order, len(self.steps))
        return replace(self, steps=(*self.steps, step), order=order)

    def _next(self, _: Mapping[str, Any]) -> int:
        """Index of the next chunk of this attempt."""
        return sum(each.attempt == self.number for each in self.steps)

    def _outcome(self, steps: Sequence[Step], *, marked: bool) -> tuple[str, str | None]:
        """Status and finish reason of an attempt with these chunks; `marked`: one of all said that it is the last."""
        ends = [each for each in steps if each.end is not None]
        if not ends:
            return "success" if marked and self.end_is_enough else "incomplete", None
        return str(ends[-1].end), ends[-1].finish

    def _is_final(self, place: int) -> bool:
        """Whether a chunk says that nothing more follows: markers do, and the last one of a stream that ended."""
        if not self.says_final or "is_final" in self.steps[place].fields:
            return self.says_final
        ended = any(each.end is not None for each in self.steps if each.attempt == self.steps[-1].attempt)
        return ended and place == len(self.steps) - 1

    def _order(self) -> Sequence[int]:
        return range(len(self.steps)) if self.order is None else self.order

    def _deliver(self, change: Callable[[Sequence[int]], Iterable[int]]) -> Self:
        if not self.steps:
            raise UsageError("a stream without chunks can't be delivered in another way", hint="build it first")
        return replace(self, order=tuple(change(self._order())))

    def _chunk(self, place: int) -> Document:
        """A chunk as it is sent; the first tells when the request was sent, the last one ends it."""
        step = self.steps[place]
        extra: Document = {}
        if place == 0:
            extra["start_timestamp"] = moment(0)
        if step.attempt:
            extra["attempt"] = step.attempt
        if self._is_final(place):
            extra["is_final"] = True
        if place == len(self.steps) - 1:
            extra |= {} if self.price is None else {"cost": self.price}
        named = {"request_id": self.request_id, "stream_type": self.stream_type}
        fields = {name: _copied(value) for name, value in step.fields.items() if place == 0 or name != "raw_request"}
        return chunk(step.index, sent=STEP_MS * (place + 1), **{**named, **fields, **extra})


def interleave(*streams: Stream, seed: int = 0) -> list[Document]:
    """Chunks of several streams in a random order that keeps each stream's own; the same for the same seed."""
    queues = [list(reversed(stream.chunks)) for stream in streams]
    turns = [number for number, queue in enumerate(queues) for _ in queue]
    _seeded(seed).shuffle(turns)
    return [queues[number].pop() for number in turns]


def delivered(things: Iterable[Stream | Mapping[str, Any] | bytes]) -> Iterator[Mapping[str, Any] | bytes]:
    """Streams, chunks and raw values, one after the other, as chunks and raw values."""
    for thing in things:
        if isinstance(thing, Stream):
            yield from thing.chunks
        else:
            yield thing


def _calls(steps: Iterable[Step]) -> list[tuple[str, str]]:
    """Name and arguments of the tool calls, each put together from its pieces."""
    found: dict[int, tuple[str, str]] = {}
    for step in steps:
        if step.call is not None:
            name, arguments = found.get(step.call, ("", ""))
            found[step.call] = name + step.name, arguments + step.arguments
    return list(found.values())


def _seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 (no cryptography)


def _copied(value: Any) -> Any:
    """JSON without a shared part, so that a test may spoil a chunk."""
    if isinstance(value, Mapping):
        return {name: _copied(child) for name, child in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(child) for child in value]
    return value
