"""A worker's metrics and health over HTTP, on a real Kafka: counters agree with the topics, exactly."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.metrics import PREFIX
from pipeline.settings import Settings
from pipeline.testing.chunk import AUDIO, chat, error, marker, speech, usage
from pipeline.testing.topic import append, committed
from pipeline.testing.waiting import eventually
from tests.integration.engine.harness import Worker, running

pytestmark = pytest.mark.usefixtures("ledger_topics")

Values = dict[tuple[str, ...], float]


class Seen:
    """What a scrape says: values by name and labels."""

    def __init__(self, text: str) -> None:
        self._values: dict[str, Values] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = tuple(sample.labels.values())
                self._values.setdefault(sample.name.removeprefix(PREFIX), {})[labels] = sample.value

    def __getitem__(self, name: str) -> float:
        """The only value of a metric without labels, or the sum of its series."""
        return sum(self._values.get(name, {}).values())

    def by(self, name: str) -> Values:
        """Values other than 0 by labels."""
        return {labels: value for labels, value in self._values.get(name, {}).items() if value}


def asked(url: str) -> tuple[int, str]:
    """Status and text of an answer."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 (our own worker)
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


@contextmanager
def worker_of(settings: Settings, log: Path, **options: Any) -> Iterator[tuple[Worker, str]]:
    """A worker, and the address of its port."""
    shown = settings.model_copy(update={"metrics_address": ":0"})
    with running(shown, log, **options) as worker:
        url = worker.wait_for("metrics")["url"].removesuffix("/metrics")
        yield worker, url


def scraped(url: str) -> Seen:
    """Its metrics, now."""
    status, text = asked(f"{url}/metrics")
    assert status == 200
    return Seen(text)


def ready(url: str) -> list[str]:
    """What speaks against its being ready."""
    status, text = asked(f"{url}/health/ready")
    document = json.loads(text)
    assert (status == 200) == document["ready"] == (document["reasons"] == [])
    reasons: list[str] = document["reasons"]
    return reasons


def until(url: str, holds: Callable[[Seen], bool]) -> Seen:
    """The first scrape of which something holds."""

    def look() -> Seen | None:
        seen = scraped(url)
        return seen if holds(seen) else None

    found = eventually(look)
    assert found is not None
    return found


MONEY = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}


def traffic() -> list[tuple[str, bytes]]:
    """Two requests that end well, one of them with a repeat and a gap; one that fails, one that never ends; refuse."""
    priced = {"provider": "openai", "model": "gpt-4o"}
    chunks = [
        *(chat(index, "a", request_id="well", **priced) for index in range(3)),
        chat(1, "a", request_id="well", **priced),  # a repeat
        chat(3, finish="stop", usage=MONEY, is_final=True, request_id="well", **priced),
        chat(0, "a", request_id="gap"),
        chat(1, "b", request_id="gap"),
        chat(4, "e", finish="stop", usage=MONEY, is_final=True, request_id="gap"),  # no model: no price
        chat(0, "a", request_id="fails"),
        error(1, is_final=True, request_id="fails"),
        speech(0, b"abc", request_id="cut"),
        chat(0, "other", request_id="well-known"),
        chat(0, "different", request_id="well-known"),  # a conflict
        marker(1, request_id="well-known"),
    ]
    return [(chunk["request_id"].encode(), json.dumps(chunk).encode()) for chunk in chunks]


def put(settings: Settings, messages: list[tuple[Any, ...]]) -> None:
    """Chunks to the topic, on partition 0 for one order of all."""
    asyncio.run(append(settings, settings.chunk_topic, [(*message[:2], 0) for message in messages]))


def test_a_scrape_agrees_with_the_topics(brisk: Settings, tmp_path: Path) -> None:
    """Every counter of a traffic with all that can go wrong has the very number that was made to happen."""
    with worker_of(brisk, tmp_path / "log") as (worker, url):
        put(brisk, [*traffic(), (b"x", b"{"), (b"x", b"{"), (b"wrong", traffic()[0][1])])
        first = until(url, lambda seen: seen["records_total"] == 5)
        late = [chat(2, "c", request_id="gap"), usage(1, request_id="fails"), chat(1, "a", request_id="well")]
        put(brisk, [(chunk["request_id"].encode(), json.dumps(chunk).encode()) for chunk in late])
        import time

        time.sleep(6)
        seen = scraped(url)
        print(asked(f"{url}/metrics")[1])
        print(first._values, seen._values)
        assert ready(url) == []
