"""An exception in the core belongs to its request: that one is quarantined, the others are whole, the worker lives."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import Settings
from tests.integration.engine.harness import Seen, Stream, committed, interleaved, running, send, streams, view

pytestmark = pytest.mark.usefixtures("ledger_topics")


def chat_streams(prefix: str, count: int) -> list[Stream]:
    """Streams that all end."""
    made = streams(count, seed=17, prefix=prefix, shortest=4, longest=8)
    return [Stream(stream.request_id, stream.words) for stream in made]


@pytest.mark.parametrize(
    ("point", "detail"),
    [
        pytest.param("fold.before@3", "rebuilt", id="fold"),
        pytest.param("admit.before@7", "Bug", id="admission"),
        pytest.param("decode.before@7", "Bug", id="decoding"),
    ],
)
def test_an_exception_in_one_request_is_that_requests_own(
    brisk: Settings, tmp_path: Path, point: str, detail: str
) -> None:
    """One record with status error, its chunks among the dead letters; neighbours equal; what comes after is folded."""
    made, after = chat_streams("r", 8), chat_streams("s", 2)
    settings = brisk.model_copy(update={"session_window": 120_000})
    with running(settings, tmp_path / "log", failpoints=f"{point}:bug") as worker:
        asyncio.run(send(settings, interleaved(made, together=4, seed=17)))
        asyncio.run(committed(settings, settings.record_topic, at_least=len(made)))
        asyncio.run(send(settings, interleaved(after, together=2, seed=18)))
        seen = asyncio.run(committed(settings, settings.record_topic, at_least=len(made) + len(after)))
        assert worker.terminate()[0] == 0
    by_status: dict[str, list[dict[str, Any]]] = {"success": [], "error": []}
    for record in seen:
        document = json.loads(record.value or b"")
        by_status[document["status"]].append(document)
    (error,) = by_status["error"]
    assert error["error_details"]["error"]["type"] == "internal"
    assert error["revision"] == 0
    others = {each.request_id: each.expected for each in [*made, *after] if each.request_id != error["request_id"]}
    assert others == {document["request_id"]: view(document) for document in by_status["success"]}
    dead = asyncio.run(committed(settings, settings.dead_topic, at_least=1))
    hit = next(each for each in made if each.request_id == error["request_id"])
    assert detail in {told["dl.detail"] for told in map(headers, dead) if told["dl.reason"] == "internal"}
    assert {each.key for each in dead} == {hit.request_id.encode()}
    assert sorted(indexes(dead)) == list(range(len(hit.words)))


def headers(letter: Seen) -> dict[str, str]:
    """The headers that a dead letter has got."""
    return {name: value.decode() for name, value in letter.headers if name.startswith("dl.")}


def indexes(dead: list[Seen]) -> set[int]:
    """chunk_index of all dead letters; repeats are there as often as they were sent."""
    return {json.loads(letter.value or b"")["chunk_index"] for letter in dead}
