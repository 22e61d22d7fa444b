"""Bad input of every kind among good requests, on a real broker and over crashes (issue 3, CONTRACT §1, §3, §4, G4).

One run serves all tests. First half: each kind is sent in the name of an open request, mixed with the chunks of all
others; two workers die inside a checkpoint, a third takes it all and is killed. Second half: the same input again, now
for closed requests whose state is read back from the store, then the ends of the neighbours. What must come out is
known here from what was sent; the readers import nothing of the engine.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest

from pipeline.settings import Settings, client
from pipeline.testing.ledger import fresh_name, ledger_settings
from pipeline.testing.topic import append
from pipeline.topics.admin import create, definitions
from tests.integration.engine.harness import QUICK, Seen, Stream, committed, expectations, running, view

SECRET: Final = "zq7-for-nobodys-eyes"
"""Content of everything that is refused."""

LIMIT: Final = 64 << 10
"""max_chunk_bytes of this ledger."""

TOMORROW: Final = "2026-01-02T00:00:00Z"
"""Outside the span of every request here."""

HEADERS: Final[list[tuple[str, Any]]] = [
    ("origin", SECRET.encode()),
    ("origin", b"\x00\xff"),
    ("empty", b""),
    ("null", None),
    ("dl.reason", b"of an earlier life"),
]
"""Of everything that is refused: a name twice, bytes that are no text, no bytes, no value, one of our own names."""

ADDED: Final = ("dl.reason", "dl.detail", "dl.topic", "dl.partition", "dl.offset", "dl.timestamp")
OWN: Final = b"(that of the request)"
OPEN: Final = b"(that of the neighbour)"

Make = Callable[[Stream], bytes | None]


@dataclass(frozen=True)
class Kind:
    """One kind of bad input, sent in the name of a request of its own that is otherwise good.

    Attributes:
        name: in the test's id.
        reason: of its dead letters; one in the first half and one in the second for each of `makes`.
        says: part of their detail.
        makes: values.
        key: of the Kafka record; OWN and OPEN stand for request ids of the same partition.
        closed: sent in the first half, too, when the request is closed.
        again: whether it is refused once the request is closed.
    """

    name: str
    reason: str
    says: str
    makes: tuple[Make, ...]
    key: bytes | None = OWN
    closed: bool = False
    again: bool = True


def changed(index: int = 1, **fields: Any) -> Make:
    """A chunk with secret content and other fields; `...` leaves one out."""

    def make(stream: Stream) -> bytes:
        chunk = json.loads(stream.chunk(index))
        chunk["response"]["choices"][0]["delta"]["content"] = SECRET
        return json.dumps({name: leaf for name, leaf in (chunk | fields).items() if leaf is not ...}).encode()

    return make


def broken(breaks: Callable[[bytes], bytes]) -> Make:
    """A chunk with secret content whose bytes went wrong."""
    whole = changed()
    return lambda stream: breaks(whole(stream) or b"")


def same(value: bytes | None) -> Make:
    """These bytes, whatever the request."""
    return lambda _: value


def invalid(name: str, field: str, leaf: Any) -> Kind:
    """A wrong envelope field, which the detail names."""
    return Kind(name, "invalid", f"{field}: ", (changed(**{field: leaf}),))


KINDS: Final = (
    Kind("not-json", "not_json", "character 0", (same(f"{SECRET} is no JSON".encode()),)),
    Kind("cut-off", "not_json", "character", (broken(lambda whole: whole[:-9]),)),
    Kind("not-utf8", "not_json", "not UTF-8", (broken(lambda whole: whole.replace(b"m-1", b"\xff")),)),
    Kind("empty-value", "not_json", "character 0", (same(b""),)),
    Kind("tombstone", "not_json", "tombstone", (same(None),)),
    Kind("nan", "not_json", "NaN", (changed(cost=float("nan")),)),
    Kind("nan-in-payload", "not_json", "NaN", (changed(response={"created": float("nan"), "model": SECRET}),)),
    Kind("infinity", "not_json", "infinity", (changed(cost=float("-inf")),)),
    Kind("no-object", "invalid", "not a JSON object", (same(json.dumps([SECRET]).encode()),)),
    Kind("nested-too-deep", "invalid", "nested", (changed(raw_request=json.loads("[" * 400 + "]" * 400)),)),
    invalid("index-as-text", "chunk_index", SECRET),
    invalid("index-as-boolean", "chunk_index", leaf=True),
    invalid("index-fraction", "chunk_index", 1.5),
    invalid("index-above-2-to-the-53", "chunk_index", 1 << 53),
    invalid("index-missing", "chunk_index", ...),
    invalid("index-negative", "chunk_index", -1),
    invalid("attempt-negative", "attempt", -1),
    invalid("request-id-as-number", "request_id", 7),
    invalid("request-id-with-control-character", "request_id", f"{SECRET}\n"),
    invalid("final-as-text", "is_final", SECRET),
    invalid("response-as-list", "response", [SECRET]),
    invalid("error-as-text", "error", SECRET),
    invalid("labels-of-numbers", "labels", {SECRET: 7}),
    invalid("cost-as-text", "cost", SECRET),
    invalid("timestamp-as-number", "timestamp", 1_767_225_600),
    invalid("timestamp-naive", "timestamp", "2026-01-01T00:00:01"),
    invalid("timestamp-no-date", "timestamp", SECRET),
    invalid("version-as-text", "schema_version", SECRET),
    invalid("stream-type-unknown", "stream_type", SECRET),
    Kind("version-unsupported", "unsupported_version", "above 1", (changed(schema_version=2, stream_type=SECRET),)),
    Kind("key-of-another-open-request", "key_mismatch", "not the request_id", (changed(),), key=OPEN),
    Kind("request-id-of-another", "key_mismatch", "not the request_id", (changed(request_id="stranger"),)),
    Kind("key-not-utf8", "key_mismatch", "not the request_id", (changed(),), key=b"\xff\x00"),
    Kind("key-empty", "key_mismatch", "not the request_id", (changed(),), key=b""),
    Kind("key-missing", "key_mismatch", "no key", (changed(),), key=None),
    Kind("oversize", "oversize", "max_chunk_bytes", (broken(lambda whole: whole.ljust(LIMIT + 1)),)),
    Kind("type-change", "stream_type_conflict", "chat.completion", (changed(stream_type="text.completion"),)),
    Kind("type-change-to-speech", "stream_type_conflict", "chat.completion", (changed(stream_type="audio.speech"),)),
    Kind("conflict", "conflict", "identity", (changed(0),), again=False),
    Kind("late-index", "late", "closed by final", (changed(chunk_index=3),), closed=True),
    Kind("late-attempt", "late", "closed by final", (changed(attempt=1),), closed=True),
    Kind(
        "request-id-reused",
        "request_id_reused",
        "another time",
        (changed(0, timestamp=TOMORROW), changed(chunk_index=7, timestamp=TOMORROW)),
        closed=True,
    ),
)


@dataclass(frozen=True)
class Message:
    """A Kafka record to send; `kind` is None for a good chunk and for what is dropped silently."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, Any]]
    kind: Kind | None = None


@dataclass(frozen=True)
class Sent:
    """A message and where the broker put it."""

    message: Message
    partition: int
    offset: int
    timestamp: int


@dataclass(frozen=True)
class Outcome:
    """What was sent and what a consumer saw in the end.

    Attributes:
        settings: of the ledger.
        sent: messages, with their coordinates.
        letters: dead letters by (partition, offset) of what was refused.
        records: in the order of the topic.
        aborted: dead letters in the log after the first crash that no committed reader may see.
        log: of all workers.
    """

    settings: Settings
    sent: list[Sent]
    letters: dict[tuple[int, int], list[Seen]]
    records: list[dict[str, Any]]
    aborted: int
    log: str


def good(stream: Stream, index: int) -> Message:
    """A chunk of a stream; the first of a neighbour is exactly as large as allowed, with a header that has no value."""
    value = stream.chunk(index)
    if not stream.request_id.startswith("neighbour"):
        return Message(stream.request_id.encode(), value, [])
    return Message(stream.request_id.encode(), value.ljust(LIMIT) if index == 0 else value, [("traceparent", None)])


def bad(kind: Kind, number: int, *, refused: bool = True) -> list[Message]:
    """The messages of a kind for partition `number`."""
    stream = VICTIMS[kind.name]
    names = {OWN: stream.request_id.encode(), OPEN: NEIGHBOURS[number].request_id.encode()}
    key = None if kind.key is None else names.get(kind.key, kind.key)
    return [Message(key, make(stream), HEADERS, kind if refused else None) for make in kind.makes]


VICTIMS: Final = {kind.name: Stream(kind.name, ("one ", "two ", "three")) for kind in KINDS}
"""The request in whose name each kind is sent."""

ENDS: Final = (Stream("end-0", ("end",)), Stream("end-1", ("end",)))
"""Sent last in the first half: when their records are there, all before them was taken."""

NEIGHBOURS: Final = tuple(Stream(f"neighbour-{number}", tuple(f"w{word} " for word in range(24))) for number in (0, 1))
"""Open all through the first half and the crashes; they end last of all."""


def first_half(number: int) -> list[Message]:
    """Partition `number`: every kind of its share between the chunks of its request, all requests at once."""
    scripts = [[good(NEIGHBOURS[number], index) for index in range(12)]]
    for kind in KINDS[number::2]:
        chunks = [good(VICTIMS[kind.name], index) for index in range(3)]
        cut = len(chunks) if kind.closed else 1
        scripts.append([*chunks[:cut], *bad(kind, number), *chunks[cut:]])
    return [*mixed(scripts, seed=number), good(ENDS[number], 0)]


def second_half(number: int) -> list[Message]:
    """The same input again, in the other order, among the other chunks of the neighbour."""
    neighbour = [good(NEIGHBOURS[number], index) for index in range(12, 24)]
    again = [bad(kind, number, refused=kind.again)[::-1] for kind in KINDS[number::2]]
    return [*mixed([neighbour[:-1], *again], seed=number), neighbour[-1]]


def mixed(scripts: Sequence[Sequence[Message]], *, seed: int) -> list[Message]:
    """All scripts in random order, each in its own."""
    turns = [number for number, script in enumerate(scripts) for _ in script]
    random.Random(seed).shuffle(turns)
    rest = [iter(script) for script in scripts]
    return [next(rest[number]) for number in turns]


async def deliver(settings: Settings, halves: Sequence[Sequence[Message]]) -> list[Sent]:
    """Produce one list of messages to each partition, as the broker's answers tell."""
    sent = [(each, number) for number, messages in enumerate(halves) for each in messages]
    messages = [(each.key, each.value, number, each.headers) for each, number in sent]
    places = await append(settings, settings.chunk_topic, messages)
    return [Sent(each, *place) for (each, _), place in zip(sent, places, strict=True)]


@pytest.fixture(scope="module")
def outcome(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The run of the module's docstring."""
    name, folder = fresh_name(), tmp_path_factory.mktemp("bad_input")
    settings = ledger_settings(kafka, name, folder / "data", max_chunk_bytes=LIMIT)
    asyncio.run(create(client(settings), definitions(settings)))
    sent = asyncio.run(deliver(settings, [first_half(0), first_half(1)]))
    log, member = folder / "log", {"timing": QUICK, "instance": "one"}
    with running(settings, log, **member, failpoints="checkpoint.before_commit") as worker:
        assert worker.wait() == -signal.SIGKILL
    aborted = len(asyncio.run(committed(settings, settings.dead_topic, isolation="read_uncommitted")))
    with running(settings, log, **member, failpoints="checkpoint.after_commit") as worker:
        assert worker.wait() == -signal.SIGKILL
    with running(settings, log, **member) as worker:
        asyncio.run(committed(settings, settings.record_topic, at_least=len(VICTIMS) + len(ENDS)))
        worker.kill()
    sent += asyncio.run(deliver(settings, [second_half(0), second_half(1)]))
    with running(settings, log, **member):
        count = len(VICTIMS) + len(ENDS) + len(NEIGHBOURS)
        records = asyncio.run(committed(settings, settings.record_topic, at_least=count))
        dead = asyncio.run(committed(settings, settings.dead_topic))
    letters: dict[tuple[int, int], list[Seen]] = {}
    for letter in dead:
        added = dict(letter.headers)
        letters.setdefault((int(added["dl.partition"]), int(added["dl.offset"])), []).append(letter)
    values = [json.loads(record.value or b"") for record in records]
    return Outcome(settings, sent, letters, values, aborted, log.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_bad_input_becomes_a_dead_letter_with_its_reason_and_coordinates(outcome: Outcome, kind: Kind) -> None:
    """One for each message, in the first half and again in the second; key, value and headers byte for byte."""
    refused = [each for each in outcome.sent if each.message.kind is kind]
    assert len(kind.makes) * (2 if kind.again else 1) == len(refused)
    for each in refused:
        (letter,) = outcome.letters[each.partition, each.offset]
        message, added = each.message, dict(letter.headers[-len(ADDED) :])
        assert (message.key, message.value, tuple(message.headers)) == (
            letter.key,
            letter.value,
            letter.headers[: -len(ADDED)],
        )
        assert kind.says in added.pop("dl.detail").decode()
        assert added == {
            "dl.reason": kind.reason.encode(),
            "dl.topic": outcome.settings.chunk_topic.encode(),
            "dl.partition": str(each.partition).encode(),
            "dl.offset": str(each.offset).encode(),
            "dl.timestamp": str(each.timestamp).encode(),
        }


def test_nothing_else_becomes_a_dead_letter_and_nothing_twice(outcome: Outcome) -> None:
    """Over two crashes inside a checkpoint, one of which left its dead letters aborted in the log, and a kill."""
    refused = {(each.partition, each.offset): 1 for each in outcome.sent if each.message.kind is not None}
    assert refused == {place: len(letters) for place, letters in outcome.letters.items()}
    assert outcome.aborted > 0


def test_the_rest_of_the_partition_is_unharmed(outcome: Outcome) -> None:
    """Each request in whose name bad input came, and each neighbour, has one record, equal to its good chunks."""
    expected = expectations([*VICTIMS.values(), *ENDS, *NEIGHBOURS])
    assert expected == sorted(map(view, outcome.records), key=lambda record: str(record["request_id"]))


def test_records_count_conflicts_and_nothing_else_of_what_was_refused(outcome: Outcome) -> None:
    """A conflict leaves its count in the record of its request; neither refusals nor crashes leave anything else."""
    names = ("conflict_count", "duplicate_count", "payload_anomalies", "truncated", "attempts")
    counted = {record["request_id"]: tuple(record[name] for name in names) for record in outcome.records}
    clean = (0, 0, 0, False, None)
    assert {name: counts for name, counts in counted.items() if counts != clean} == {"conflict": (1, *clean[1:])}


def test_records_name_the_offsets_of_their_good_chunks(outcome: Outcome) -> None:
    """The source of a record begins and ends with what was admitted, not with what was refused."""
    places: dict[str, list[Sent]] = {}
    for each in outcome.sent:
        if each.message.headers is not HEADERS:
            places.setdefault((each.message.key or b"").decode(), []).append(each)
    expected = {
        name: {
            "topic": outcome.settings.chunk_topic,
            "partition": found[0].partition,
            "first_offset": found[0].offset,
            "last_offset": found[-1].offset,
        }
        for name, found in places.items()
    }
    assert expected == {record["request_id"]: record["source"] for record in outcome.records}


def test_content_is_in_no_detail_and_in_no_log(outcome: Outcome) -> None:
    """Four workers at log level debug, and the headers we add, say nothing of what was refused (G7)."""
    assert "restored" in outcome.log
    assert SECRET not in outcome.log
    added = [each.headers[-len(ADDED) :] for letters in outcome.letters.values() for each in letters]
    assert added
    assert [headers for headers in added if SECRET in str(headers)] == []
