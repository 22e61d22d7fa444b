"""Producers in Go, TypeScript and Java against a real Kafka: the same partitions and the same records as our own."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BufferedIOBase
from itertools import groupby
from pathlib import Path
from typing import Final, cast

import pytest
from confluent_kafka import Message, Producer

from pipeline.core.policy import Policy
from pipeline.ops.broker import Cluster
from pipeline.ops.fold import fold_lines
from pipeline.ops.produce import produce
from pipeline.settings import Settings, client
from pipeline.testing import chunk as make
from pipeline.testing.chunk import CHAT, RESPONSES, Document
from pipeline.testing.ledger import ledger_settings
from pipeline.topics.admin import create, definitions
from pipeline.topics.partitioner import partition_of
from tests.integration.engine.harness import Seen, committed
from tests.producers import COLD_SECONDS, PARTITIONS, Program, program

pytestmark = pytest.mark.timeout(COLD_SECONDS)

LANGUAGES: Final = ("go", "typescript", "java")
COUNT: Final = 12
"""Partitions: no power of two, so that a hash taken with its sign, or unsigned, shows."""
SECONDS: Final = 120
NOWHERE: Final = "127.0.0.1:1"
EXAMPLES: Final = Path(__file__).parents[2] / "schemas" / "examples"
OPENING: Final = ("stream_type", "provider", "model", "labels", "start_timestamp", "raw_request")
"""What a producer keeps from a request's first line."""
LABELS: Final[tuple[dict[str, str] | None, ...]] = (
    None,
    {},
    {"team": "search", "größe": "日本 <&>"},
    {f"{n:064}": "x" * 256 for n in range(32)},
)
TEXTS: Final = ("Hel", "lo <b>&\"'</b>", "\u2028\u2029\x85\t", "\ud83e", "\udd8a", "日本語 🦊", "")
"""Among them: what JSON writers escape, what line readers take for a line end, and halves of a character."""


@dataclass(frozen=True)
class Language:
    """A producer with a chunk topic of its own."""

    program: Program
    settings: Settings

    def start(self, **changes: str) -> subprocess.Popen[bytes]:
        """Run it, its streams piped."""
        return subprocess.Popen(
            self.program.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ
            | {
                "STREAMLEDGER_BOOTSTRAP_SERVERS": self.settings.bootstrap_servers,
                "STREAMLEDGER_CHUNK_TOPIC": self.settings.chunk_topic,
                **changes,
            },
        )

    def publish(self, lines: Sequence[bytes]) -> tuple[int, Document, str]:
        """Lines from begin to end; exit code, summary and stderr."""
        with self.start() as running:
            out, err = running.communicate(b"\n".join(lines) + b"\n", timeout=SECONDS)
        return running.returncode, json.loads(out or b"null"), err.decode()

    def arrived(self, at_least: int) -> list[Seen]:
        """What is on its topic."""
        return asyncio.run(committed(self.settings, self.settings.chunk_topic, at_least=at_least))


def own_settings(kafka: str, name: str, tmp_path: Path) -> Settings:
    """Settings with a chunk topic that nothing else has, which is created."""
    settings = ledger_settings(kafka, f"{name}{uuid.uuid4().hex[:10]}", tmp_path, partitions=COUNT)
    wanted = [topic for topic in definitions(settings) if topic.name == settings.chunk_topic]
    asyncio.run(create(client(settings), wanted))
    return settings


@pytest.fixture(scope="module", params=LANGUAGES)
def built(request: pytest.FixtureRequest) -> Program:
    """The producer of one language."""
    return program(request.param)


@pytest.fixture
def language(built: Program, kafka: str, tmp_path: Path) -> Language:
    """It, and a topic."""
    return Language(built, own_settings(kafka, built.name, tmp_path))


def identifiers() -> Iterator[str]:
    """Request ids: those of the vectors, and up to 300 more."""
    yield from (vector["key"] for vector in json.loads(PARTITIONS.read_text(encoding="utf-8"))["keys"])
    for number in range(200):
        yield f"q{'é日🦊-x'[number % 5] * (number % 113)}{number}"


def written(number: int, request_id: str) -> list[Document]:
    """The chunks of a request as the contract has them whole: texts, usage beside a finish, an end marker."""
    about: Document = {
        "request_id": request_id,
        "stream_type": RESPONSES if number % 7 == 0 else CHAT,
        "provider": "openai",
        "model": "gpt-4o" if number % 3 else None,
        "start_timestamp": make.moment(-250.5),
    }
    labels = LABELS[number % len(LABELS)]
    about |= {} if labels is None else {"labels": labels}
    if number % 7 == 0:
        delta = {"item_id": "m", "output_index": 0, "content_index": 0, "delta": TEXTS[number % 3]}
        done = {"response": {"id": "r", "status": "completed", "output": [], "usage": {"input_tokens": 2**53 - 1}}}
        return [
            make.event(0, "response.output_text.delta", fields=delta, **about),
            make.event(1, "response.completed", fields=done, **about),
            make.marker(2, **about),
        ]
    texts = [make.chat(index, TEXTS[(number + index) % len(TEXTS)], **about) for index in range(3)]
    texts[0]["response"]["choices"][0]["logprobs"] = {"content": [{"token": "H", "logprob": -1.50e-7, "bytes": None}]}
    return [*texts, make.chat(3, finish="stop", usage=make.USAGE, **about), make.marker(4, cost=0.0000123, **about)]


def bare(chunks: Sequence[Document]) -> list[Document]:
    """A request's chunks as a gateway has them: what its first line said is not said again, and nothing is numbered."""
    first = {name: leaf for name, leaf in chunks[0].items() if name != "chunk_index"}
    rest = [{name: leaf for name, leaf in each.items() if name not in (*OPENING, "chunk_index")} for each in chunks[1:]]
    return [first, *rest]


def interleaved(requests: Sequence[Sequence[Document]]) -> list[bytes]:
    """Lines of many requests at once."""
    most = max(map(len, requests))
    return [make.encoded(each[place]) for place in range(most) for each in requests if place < len(each)]


def examples() -> list[list[Document]]:
    """Whole chunks of all six types, with attempts, images and errors, of streams that have an end."""
    paths = sorted(EXAMPLES.glob("*/*.chunk.json"))
    streams = groupby(paths, key=lambda path: (path.parent.name, re.sub(r"-\d+\.chunk", "", path.name)))
    found = [[json.loads(path.read_text(encoding="utf-8")) for path in group] for _, group in streams]
    return [chunks for chunks in found if any(chunk.get("is_final") for chunk in chunks)]


def records(seen: Sequence[Seen]) -> dict[str, Document]:
    """What the fold of one ledger makes of a topic; nothing is refused."""
    values = [each.value or b"" for each in sorted(seen, key=lambda each: (each.partition, each.offset))]
    results = list(fold_lines(values, Policy()))
    assert [result for result in results if not isinstance(result, bytes)] == []
    found = [json.loads(result) for result in results if isinstance(result, bytes)]
    by_request = {record["request_id"]: {**record, "source": None} for record in found}
    assert len(by_request) == len(found)
    return by_request


@pytest.fixture(scope="module")
def requests() -> list[list[Document]]:
    """A few hundred requests, whole."""
    return [written(number, request_id) for number, request_id in enumerate(identifiers())]


@pytest.fixture(scope="module")
def ours(kafka: str, requests: list[list[Document]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    """Their records, as `streamledger produce` and the fold make them."""
    settings = own_settings(kafka, "ours", tmp_path_factory.mktemp("ours"))
    lines = interleaved([*requests, *examples()])
    asyncio.run(produce(cast("BufferedIOBase", io.BytesIO(b"\n".join(lines))), settings))
    seen = asyncio.run(committed(settings, settings.chunk_topic, at_least=len(lines)))
    assert all(each.partition == partition_of(each.key or b"", COUNT) for each in seen)
    return records(seen)


def test_the_clients_partitioner_keeps_the_vectors(built: Program) -> None:
    """Each language's own test, which its users run too, for 1, 4, 12 and 50 partitions."""
    done = subprocess.run(
        built.check, env=os.environ | built.environment, capture_output=True, timeout=SECONDS, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_keys_and_records_are_those_of_our_own_producer(
    language: Language, requests: list[list[Document]], ours: dict[str, Document]
) -> None:
    """Whole chunks pass as they are, bare ones are filled in; bad lines and a stream without an end harm nobody."""
    cut = bare([*written(1, "cut")[:2]])
    lines = interleaved([*map(bare, requests), cut, *examples()])
    code, summary, complaints = language.publish([*lines, b'{"request_id": "no type"}', b"no JSON"])
    seen = language.arrived(len(lines) + 1)
    made = records(seen)
    last = made.pop("cut")

    assert (code, summary["delivered"], summary["failed"]) == (1, len(lines) + 1, 0), complaints
    assert (summary["requests"], summary["refused"], summary["cancelled"]) == (len(made) + 1, 2, 1)
    assert re.findall(r"line (\d+): (\w+)", complaints) == [
        (str(len(lines) + n), w) for n, w in ((1, "stream_type"), (2, "no"))
    ]
    assert [each for each in seen if each.partition != partition_of(each.key or b"", COUNT)] == []
    assert made == ours
    is_cancelled(last, "".join(TEXTS[1:3]), {})


def test_a_topic_is_not_made_up(language: Language) -> None:
    """One that a broker creates by itself has the wrong clock and too few partitions."""
    with language.start(STREAMLEDGER_CHUNK_TOPIC=f"{language.settings.chunk_topic}.missing") as running:
        _, complaint = running.communicate(b"", timeout=SECONDS)

    assert running.returncode == 2
    assert b"create it: streamledger topics" in complaint


@pytest.mark.long
def test_nothing_is_lost_while_kafka_is_away(
    requests: list[list[Document]], ours: dict[str, Document], tmp_path: Path
) -> None:
    """Without a broker a live pipe is read on, into memory; then all arrives, and on SIGTERM what is open gets its end.

    A producer that finds no broker from the beginning says so.
    """
    live = bare(written(6, "live")[:2])
    lines = [make.encoded(each) for each in live], interleaved([*map(bare, requests), *examples()])
    programs = [made for made in map(if_possible, LANGUAGES) if made is not None]
    with ThreadPoolExecutor() as pool, contextlib.ExitStack() as stack:  # programs end before what writes to them
        cluster = stack.enter_context(Cluster(tmp_path / "kafka"))
        languages = [Language(each, own_settings(cluster.bootstrap_servers, each.name, tmp_path)) for each in programs]
        nowhere = [stack.enter_context(ended(each.start(STREAMLEDGER_BOOTSTRAP_SERVERS=NOWHERE))) for each in languages]
        running = [stack.enter_context(ended(each.start())) for each in languages]
        for language, each in zip(languages, running, strict=True):
            say(each, lines[0])
            language.arrived(len(live))
        cluster.kill()
        for taken in [pool.submit(say, each, lines[1]) for each in running]:
            taken.result(timeout=SECONDS / 4)
        cluster.start()
        for language, each in zip(languages, running, strict=True):
            language.arrived(len(live) + len(lines[1]))
            each.send_signal(signal.SIGTERM)
            out, complaints = each.communicate(timeout=SECONDS)
            assert (each.returncode, json.loads(out)["cancelled"]) == (128 + signal.SIGTERM, 1), complaints
            made = records(language.arrived(len(live) + len(lines[1]) + 1))
            is_cancelled(made.pop("live"), TEXTS[6] + TEXTS[0], live[0]["labels"])
            assert made == ours, language.program.name
        for each in nowhere:
            _, complaints = each.communicate(timeout=SECONDS)
            assert (each.returncode, complaints[:8]) == (3, b"no Kafka")


def is_cancelled(record: Document, delivered: str, labels: dict[str, str]) -> None:
    """The record of a stream that was broken off has what was delivered, whose it was, and no gap."""
    assert (record["status"], record["closed_by"], record["complete"]) == ("incomplete", "error", True)
    assert record["error_details"]["error"]["type"] == "request_cancelled"
    assert record["output_message"]["content"] == delivered
    assert record["labels"] == labels


def if_possible(name: str) -> Program | None:
    """The producer of a language, None where it can't be built here."""
    try:
        return program(name)
    except pytest.skip.Exception:
        return None


def say(running: subprocess.Popen[bytes], lines: Sequence[bytes]) -> None:
    """Lines to a program that goes on."""
    assert running.stdin is not None
    running.stdin.write(b"\n".join(lines) + b"\n")
    running.stdin.flush()


@contextlib.contextmanager
def ended(running: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is gone after the block, whatever happens."""
    with running:
        try:
            yield running
        finally:
            running.kill()


def note(places: dict[bytes, int], _: object, message: Message) -> None:
    """A delivered message's partition."""
    key, partition = message.key(), message.partition()
    assert isinstance(key, bytes)
    assert partition is not None
    places[key] = partition


def test_librdkafka_needs_to_be_told(kafka: str, tmp_path: Path) -> None:
    """C, C++, .NET, PHP, Ruby, Rust and Confluent's clients: right with murmur2_random, wrong with their default."""
    settings = own_settings(kafka, "rd", tmp_path)
    keys = [request_id.encode() for request_id in identifiers()]
    wrong = {}
    for partitioner in ("murmur2_random", "consistent_random"):
        places: dict[bytes, int] = {}
        producer = Producer({"bootstrap.servers": kafka, "partitioner": partitioner, "acks": "all"})
        for key in keys:
            producer.produce(settings.chunk_topic, key=key, value=b"{}", on_delivery=partial(note, places))
        assert producer.flush(SECONDS) == 0
        wrong[partitioner] = sum(places[key] != partition_of(key, COUNT) for key in keys)

    assert wrong["murmur2_random"] == 0
    assert wrong["consistent_random"] > len(keys) / 2
