"""Traffic of the live symptoms: requests with all that users report, each with the time at which its chunks come.

Times are those of the producers' clock, ms after the first chunk, so that what must become of a request is known before
it is sent, however slow the machine.  The graces and windows are the defaults: 2 s, 60 s, 300 s, 1 h.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from pipeline.testing.chunk import HOUR, Document, cancelled, chat, encoded, marker, usage
from tests.symptoms.wire import counts


class Send(NamedTuple):
    """One message: when, under which key, what; `partition` where the key does not say."""

    at: int
    key: str | None
    value: bytes
    partition: int | None = None


WORDS: Final = 12
KILLED: Final = 10
RESTARTED: Final = 6
GARBAGE: Final = (b"[DONE]", b"data: [DONE]", b'{"choices":[', b"\xff\xfe")
UNPRICED: Final = "acme-1-preview"
UPSTREAM: Final = counts(9, 40)
"""Usage that the provider still sends after its caller has gone."""

OVERDUE: Final = 600_000
"""When everything that fell silent at the start is over."""


def whole(request_id: str, **envelope: Any) -> list[Document]:
    """A stream that ends as it should."""
    words = [chat(index, f"w{index} ", request_id=request_id, **envelope) for index in range(WORDS - 1)]
    end = chat(WORDS - 1, finish="stop", usage=counts(7, 11), is_final=True, request_id=request_id, **envelope)
    return [*words, end]


def shuffled(chunks: Sequence[Document]) -> list[Document]:
    """The last one first, then every other one backwards."""
    return [*chunks[::-2], *chunks[-2::-2]]


def sends(at: int, chunks: Sequence[Document]) -> Iterator[Send]:
    """Chunks at once."""
    return (Send(at, str(each["request_id"]), encoded(each)) for each in chunks)


def begin() -> Iterator[Send]:
    """What comes before any worker is there."""
    for number in range(KILLED):
        yield from sends(0, whole(f"killed-{number}"))
    for number in range(RESTARTED):
        yield from sends(0, whole(f"restarted-{number}")[: WORDS // 2])
    yield from sends(0, [each for each in whole("plugins") for _ in range(3)])
    yield from sends(0, shuffled(whole("disorder")))
    two = [chat(0, "Hi"), chat(1, finish="stop"), chat(2, finish="stop"), usage(3, counts(5, 1))]
    yield from sends(0, [each | {"request_id": "finishes"} for each in two])
    yield from sends(0, [each for each in whole("lossy") if each["chunk_index"] not in (3, 4, 8)])
    yield from sends(0, [chat(n, "part ", usage=counts(7, n + 1), request_id="vanished") for n in range(5)])
    yield from sends(0, [*whole("upstream")[:3], cancelled(3, request_id="upstream")])
    first, *others = sends(0, whole("garbage"))
    yield from (first, *(Send(0, "garbage", value) for value in GARBAGE), *others)
    yield Send(0, None, encoded(chat(0, "nobody's", request_id="keyless")), partition=0)
    for number in range(5):
        sold = {"provider": "openai", "model": UNPRICED, "labels": {"virtual_key": f"vk-{number % 2}"}}
        yield from sends(0, whole(f"unpriced-{number}", **sold))


def go_on() -> Iterator[Send]:
    """What comes half a minute later, to other workers than the first."""
    words = [chat(index, "late ", request_id="upstream") for index in (4, 5)]
    yield from sends(30_000, [*words, usage(6, UPSTREAM, request_id="upstream")])
    for number in range(RESTARTED):
        yield from sends(30_000, whole(f"restarted-{number}")[WORDS // 2 :])
    yield from ticks(OVERDUE)
    yield from sends(OVERDUE, [usage(7, counts(9, 55), request_id="upstream")])
    yield from sends(OVERDUE, whole("plugins"))
    yield from ticks(OVERDUE + 60_000)


ABANDONED: Final = 1_000
WAVES: Final = 4
BYTES: Final = 24_576
"""Of text in each of two chunks of an abandoned request."""


def abandoned(wave: int) -> Iterator[Send]:
    """Many requests that nobody ends, two hours after those before them, whose segments are given up then."""
    at = (2 * wave + 2) * HOUR
    yield from ticks(at)
    for number in range(ABANDONED):
        words = [chat(index, "x" * BYTES, request_id=f"abandoned-{wave}-{number}") for index in range(2)]
        yield from sends(at, words)
    yield from ticks(at + OVERDUE)


def over() -> Iterator[Send]:
    """Hours later."""
    yield from ticks((2 * WAVES + 2) * HOUR)
    yield from ticks((2 * WAVES + 2) * HOUR + OVERDUE)


def ticks(at: int, partitions: int = 2) -> Iterator[Send]:
    """A chunk in each partition that tells what time it is."""
    for partition in range(partitions):
        name = f"tick-{at}-{partition}"
        yield Send(at, name, encoded(marker(0, request_id=name)), partition)
