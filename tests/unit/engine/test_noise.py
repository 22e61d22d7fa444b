"""What is kept out of the log, and what is not."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import NotEnoughReplicasError, ProducerFenced, RequestTimedOutError

from pipeline.engine.noise import CHATTY, Once, on_loop_error, quiet


def record(message: str, *arguments: Any, name: str = "aiokafka.conn") -> logging.LogRecord:
    """A record of a library."""
    return logging.LogRecord(name, logging.WARNING, __file__, 1, message, arguments, None)


def test_a_message_is_said_once_whatever_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry says the same every tenth of a second; after a while it is said again."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    once = Once(30.0)

    assert once.filter(record("no node %s", 1))
    assert not once.filter(record("no node %s", 2))
    assert once.filter(record("another"))
    now[0] = 130.0
    assert once.filter(record("no node %s", 3))


def test_the_first_produce_of_a_transaction_is_no_warning() -> None:
    """Kafka 4 answers it with a retriable error; another error of the same place is shown."""
    message = "Got error produce response on topic-partition %s, retrying. Error: %s"

    assert not Once().filter(record(message, "t-0", NotEnoughReplicasError, name="aiokafka.producer.sender"))
    assert Once().filter(record(message, "t-0", RequestTimedOutError, name="aiokafka.producer.sender"))


def test_filters_are_set_once() -> None:
    """A second worker in the same process adds none."""
    quiet()
    quiet()

    assert all(sum(isinstance(each, Once) for each in logging.getLogger(name).filters) == 1 for name in CHATTY)


def test_a_forgotten_future_of_aiokafka_is_not_reported() -> None:
    """Every failed transaction leaves one; anything else is."""
    reported: list[dict[str, Any]] = []
    loop: Any = SimpleNamespace(default_exception_handler=reported.append)
    on_loop_error(loop, {"message": "m", "exception": ProducerFenced(), "future": object()})
    on_loop_error(loop, {"message": "m", "exception": ValueError(), "future": object()})
    on_loop_error(loop, {"message": "m"})

    assert [ValueError, type(None)] == [type(context.get("exception")) for context in reported]
