"""`pipeline.ops.produce` without a Kafka: what a line must be, and what is said when Kafka refuses or is silent."""

from __future__ import annotations

import asyncio
import io
import json
import time
from io import BufferedIOBase
from typing import cast

import pytest
from aiokafka.errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
)

from pipeline.errors import AccessRefused, KafkaUnreachable, UsageError
from pipeline.ops import produce as module
from pipeline.ops.produce import Line, parse, produce
from pipeline.settings import Settings

SECONDS = 30.0
NOWHERE = Settings(bootstrap_servers="127.0.0.1:1")
"""Port 1 of this machine answers nobody."""


def lines(count: int) -> BufferedIOBase:
    """So many chunk lines."""
    made = b"".join(json.dumps({"request_id": "a", "chunk_index": index}).encode() + b"\n" for index in range(count))
    return cast("BufferedIOBase", io.BytesIO(made))


def test_a_line_keeps_its_bytes() -> None:
    """Blanks, the form of numbers and the order of keys are the sender's."""
    odd = b'{ "b":1.0e3,  "request_id" : "r\xc3\xa9" }'

    assert Line(1, "ré".encode(), odd) == parse(1, odd)


def test_only_the_offline_clock_is_taken_out() -> None:
    """CONTRACT §1: `_kafka` is never on the topic; a lone surrogate beside it survives."""
    line = parse(1, b'{"_kafka":{"offset":1},"request_id":"r","text":"\\ud83d"}')

    assert line.value == b'{"request_id":"r","text":"\\ud83d"}'


@pytest.mark.parametrize(
    "bad",
    [
        b"no json",
        b"[]",
        b'"r"',
        b"{}",
        b'{"request_id": 7}',
        b'{"request_id": ""}',
        b'{"request_id": "\\ud800"}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"request_id": null}',
    ],
)
def test_a_line_that_is_no_chunk_is_refused_by_its_number(bad: bytes) -> None:
    """Nothing of its content is in the error; the number counts empty lines, as editors do."""
    with pytest.raises(UsageError, match="line 12 is no JSON object with a request_id") as caught:
        parse(12, bad)

    assert "ud800" not in str(caught.value)


def test_a_kafka_that_is_not_there_is_said_within_the_deadline() -> None:
    """Port 1 of this machine answers nobody."""
    start = time.monotonic()
    with pytest.raises(KafkaUnreachable, match=r"no Kafka answers at 127\.0\.0\.1:1"):
        asyncio.run(produce(lines(1), NOWHERE, connect_seconds=0.5))

    assert time.monotonic() - start < SECONDS


@pytest.mark.parametrize(
    ("refusal", "kind", "words"),
    [
        (TopicAuthorizationFailedError(), AccessRefused, r"WRITE on topic .*: line 1 and what follows was not sent"),
        (NotLeaderForPartitionError(), KafkaUnreachable, "stopped answering at line 1"),
        (KafkaTimeoutError(), KafkaUnreachable, "stopped answering at line 1"),
        (MessageSizeTooLargeError(), UsageError, "line 1 is larger than topic llm.chunks takes"),
    ],
)
@pytest.mark.parametrize("later", [True, False])
def test_a_refusal_names_the_line_and_whose_fault_it_is(
    refusal: Exception,
    kind: type[Exception],
    words: str,
    later: bool,
) -> None:
    """Whether the client refuses the chunk or Kafka does afterwards: what trying again can mend is exit 3."""

    class RefusingProducer:
        """Every chunk fails, at once or when its delivery is awaited."""

        async def send(self, *_: object, **__: object) -> asyncio.Future[None]:
            if not later:
                raise refusal
            outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            outcome.set_exception(refusal)
            return outcome

    delivery = module._Delivery(RefusingProducer(), NOWHERE, 1.0, lambda _: None)
    with pytest.raises(kind, match=words):
        asyncio.run(delivery.send_all(lines(1)))


def test_a_delivery_that_never_comes_is_given_up() -> None:
    """A broker that has gone in the middle of the stream; the line that hangs is named."""

    class SilentProducer:
        """Takes chunks and never acknowledges one."""

        async def send(self, *_: object, **__: object) -> asyncio.Future[None]:
            return asyncio.get_running_loop().create_future()

    delivery = module._Delivery(SilentProducer(), NOWHERE, 0.1, lambda _: None)

    async def run() -> None:
        try:
            await delivery.send_all(lines(2))
        finally:
            delivery.forget()

    with pytest.raises(KafkaUnreachable, match="stopped answering at line 1"):
        asyncio.run(run())
