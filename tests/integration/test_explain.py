"""Explaining requests on a real Kafka: by the range of their record, open ones, and all that may be wrong with them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka.partitioner import murmur2

from pipeline.errors import FoundProblem, UsageError
from pipeline.ops.explain import Search, explanation, of_topics, problem
from pipeline.ops.explain.comparison import Found, read
from pipeline.ops.explain.search import WINDOW
from pipeline.settings import Settings
from pipeline.testing.chunk import Document, chat, encoded, marker, usage
from pipeline.testing.topic import append
from pipeline.topics.bound import Bound
from tests.integration.engine.harness import committed, interleaved, running, send, streams
from tests.kafka import forget

pytestmark = pytest.mark.usefixtures("ledger_topics")

RECENT = Bound("-1h", time=0)
"""Everything: the tests' topics are younger than an hour, whatever the clocks say."""


@pytest.fixture
def brisk(settings: Settings) -> Settings:
    """Windows of a second or two."""
    return settings.model_copy(update={"finish_grace": 300, "session_window": 3_000, "clock_slack": 1_000})


def explained(settings: Settings, request_id: str, **search: Any) -> Document:
    """The explanation of a request."""
    told: list[Any] = []
    gathered = asyncio.run(of_topics(request_id, settings, Search(**{"recent": RECENT, **search}), told.append))
    return explanation(gathered, content=False)


def results(document: Document) -> list[str]:
    """The verdicts by revision."""
    return [verdict["result"] for verdict in document["comparison"] or ()]


def send_chunks(settings: Settings, *chunks: Mapping[str, Any], partition: int | None = None) -> None:
    """Chunks to the topic, one by one, keyed by their request."""
    put(settings, settings.chunk_topic, [(str(each["request_id"]), encoded(each)) for each in chunks], partition)


def put(settings: Settings, topic: str, values: Iterable[tuple[str, bytes]], partition: int | None = None) -> None:
    """Values to a topic."""
    asyncio.run(append(settings, topic, [(key.encode(), value, partition) for key, value in values]))


def rebuilt(settings: Settings, request_id: str) -> bytes:
    """The record that the chunks on the topic give, made by explaining them before there is one."""
    gathered = asyncio.run(of_topics(request_id, settings, Search(recent=RECENT), lambda _: None))
    if not gathered.watch.closings:
        gathered.watch.end()
    value = gathered.watch.closings[-1].value
    assert value is not None
    return value


def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The whole program, with settings from its environment."""
    names = ("bootstrap_servers", "ledger", "chunk_topic", "record_topic", "finish_grace", "session_window")
    variables = {f"STREAMLEDGER_{name.upper()}": str(getattr(settings, name)) for name in names}
    for name in ("FINISH_GRACE", "SESSION_WINDOW"):
        variables[f"STREAMLEDGER_{name}"] += "ms"
    return subprocess.run(
        [sys.executable, "-m", "pipeline", "explain", *arguments],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def await_records(settings: Settings, count: int) -> Sequence[Any]:
    """Records on the topic, once there are so many."""
    return asyncio.run(committed(settings, settings.record_topic, at_least=count))


def test_what_the_worker_made_is_rebuilt_to_the_byte(brisk: Settings, tmp_path: Path) -> None:
    """Finished and silent streams, repeats, and a revision: each record equals the fold of its own range."""
    made = streams(20, seed=3)
    late = chat(0, "a", finish="stop", request_id="late")
    with running(brisk, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        asyncio.run(send(brisk, interleaved(made, together=5, seed=3)))
        send_chunks(brisk, late)
        await_records(brisk, len(made) + 1)
        send_chunks(brisk, usage(1, request_id="late", cost=0.5))
        await_records(brisk, len(made) + 2)
        for stream in made:
            assert results(explained(brisk, stream.request_id)) == ["identical"], stream.request_id
        revised = explained(brisk, "late")
        said = command(brisk, made[0].request_id)
        assert worker.terminate()[0] == 0

    assert results(revised) == ["identical", "identical"]
    assert revised["closings"][1]["delta"]["cost"] == 0.5
    assert {each["closed_by"] for each in revised["closings"]} == {"finish", "late"}
    assert (said.returncode, said.stderr) == (0, "")
    assert "rebuilt revision 0: identical digest" in said.stdout


def test_an_open_request_says_what_is_there_and_when_it_will_close(settings: Settings) -> None:
    """No record, no worker: its chunks are found by themselves; nothing closes before its time."""
    send_chunks(settings, chat(0, "a", request_id="open"), chat(1, "b", request_id="open", cost=0.5))
    document = explained(settings, "open")
    said = command(settings, "open", "--json")
    partition = murmur2(b"open") % settings.partitions

    assert (document["state"], document["comparison"], problem(document)) == ("open", None, False)
    assert document["outlook"]["closes_by"] == "expiry"
    assert 0 < document["outlook"]["remaining_ms"] <= settings.session_window
    assert document["notes"] == ["no record yet; its chunks were looked for from offset 0 on (-1h)"]
    assert [number["value"] for number in document["numbers"] if number["field"] == "cost"] == [0.5]
    assert document["evidence"]["again"] == f"streamledger explain open --partition {partition} --from 0"
    assert (said.returncode, json.loads(said.stdout)["state"]) == (0, "open")


def test_a_record_that_was_changed_on_the_topic_is_found(settings: Settings) -> None:
    """The field, both values, and exit status 1."""
    send_chunks(settings, chat(0, "a", finish="stop"), usage(1, cost=0.5), marker(2))
    record = json.loads(rebuilt(settings, "r-1"))
    put(settings, settings.record_topic, [("r-1", json.dumps(record | {"cost": 0.05}).encode())])
    document = explained(settings, "r-1")
    said = command(settings, "r-1")

    assert results(document) == ["different"]
    assert document["comparison"][0]["digest_holds"] is False
    assert said.returncode == 1
    assert "cost: record 0.05, rebuilt 0.5" in said.stdout


def test_a_closed_request_without_a_record_is_a_problem(settings: Settings) -> None:
    """A worker that is behind, or one that lost it: somebody has to look."""
    send_chunks(settings, chat(0, "a"), marker(1))
    document = explained(settings, "r-1")

    assert (document["state"], results(document), problem(document)) == ("closed", ["no record"], True)


def test_a_record_in_a_file_names_its_range(settings: Settings, tmp_path: Path) -> None:
    """Neither the record topic nor the time is looked at; a range that says something else differs."""
    send_chunks(settings, chat(0, "x", request_id="r-0"), chat(0, "a"), chat(1, "b"), marker(2))
    value = rebuilt(settings, "r-1")
    path = tmp_path / "record.jsonl"
    path.write_bytes(value)
    record = json.loads(value)
    short = {**record, "source": {**record["source"], "first_offset": record["source"]["first_offset"] + 1}}
    nothing = Bound("latest")

    assert results(explained(settings, "r-1", records=[read(value, "f")], recent=nothing)) == ["identical"]
    assert results(explained(settings, "r-1", records=[found(short)], recent=nothing)) == ["different"]
    assert command(settings, "r-1", "--record", str(path)).returncode == 0


def test_records_far_from_the_end_are_found_block_by_block(settings: Settings) -> None:
    """The search goes backwards until revision 0; a bound in time ends it sooner."""
    send_chunks(settings, chat(0, "a"), marker(1))
    record = rebuilt(settings, "r-1")
    partition = murmur2(b"r-1") % settings.partitions
    values = [("r-1", record), *((f"o-{number}", b"{}") for number in range(2 * WINDOW))]
    put(settings, settings.record_topic, values, partition)

    assert results(explained(settings, "r-1")) == ["identical"]
    assert results(explained(settings, "r-1", since=Bound("-1h", time=0))) == ["identical"]
    with pytest.raises(FoundProblem, match="neither a record"):
        explained(settings, "r-1", until=Bound("x", time=1))


def test_another_partitioner_is_found_by_looking_everywhere(settings: Settings) -> None:
    """Go clients hash otherwise; the id alone does not tell the partition then."""
    other = 1 - murmur2(b"r-1") % settings.partitions
    send_chunks(settings, chat(0, "a"), marker(1), partition=other)
    with pytest.raises(FoundProblem, match="neither a record in partition") as caught:
        explained(settings, "r-1")
    value = explained(settings, "r-1", partition=other)["timeline"]

    assert "--partition all" in str(caught.value.hint)
    assert len(value) == 2
    assert results(explained(settings, "r-1", everywhere=True)) == ["no record"]


def test_a_request_in_two_partitions_is_a_problem(settings: Settings) -> None:
    """Of its chunks as of its records; each partition alone can be explained."""
    for partition in range(2):
        send_chunks(settings, chat(0, "a"), marker(1), partition=partition)
    with pytest.raises(FoundProblem, match="has chunks in partitions 0 and 1"):
        explained(settings, "r-1", everywhere=True)
    for partition in range(2):
        document = explained(settings, "r-1", partition=partition)
        assert document["evidence"]["source"]["partition"] == partition
    record = rebuilt(settings, "r-1")
    for partition in range(2):
        put(settings, settings.record_topic, [("r-1", record)], partition)
    with pytest.raises(FoundProblem, match="has records in partitions 0 and 1"):
        explained(settings, "r-1", everywhere=True)


def test_a_chunk_under_the_key_of_another_is_shown_as_refused(settings: Settings) -> None:
    """It names the request inside, so it belongs to the story."""
    partition = murmur2(b"r-1") % settings.partitions
    strange = [("r-1", encoded(chat(0, "a"))), ("r-2", encoded(chat(1, "b"))), ("r-3", b'{"x": "r-1"}'), ("r-1", b"{")]
    put(settings, settings.chunk_topic, strange, partition)
    document = explained(settings, "r-1")

    assert [(each["offset"], each["reason"]) for each in document["dead_letters"]] == [
        (1, "key_mismatch"),
        (3, "not_json"),
    ]


def test_late_chunks_are_looked_for_as_long_as_asked(settings: Settings) -> None:
    """Those after the close are no part of the record, but may be what somebody is looking for."""
    send_chunks(settings, chat(0, "a"), marker(1))
    record = found(json.loads(rebuilt(settings, "r-1")))
    send_chunks(settings, chat(0, "a"), chat(0, "a", request_id="r-1"))
    short = explained(settings, "r-1", records=[record], late_ms=0)
    long = explained(settings, "r-1", records=[record], late_ms=60_000)

    assert (len(short["late"]), len(long["late"])) == (0, 2)
    assert results(short) == results(long) == ["identical"]


def test_chunks_past_retention_are_told(settings: Settings) -> None:
    """What is left can be looked at but gives no record; when nothing is left that is all there is to say."""
    send_chunks(settings, chat(0, "a"), chat(1, "b"), marker(2))
    record = found(json.loads(rebuilt(settings, "r-1")))
    partition = record.record["source"]["partition"]
    asyncio.run(forget(settings, settings.chunk_topic, partition, 1))
    partly = explained(settings, "r-1", records=[record])
    asyncio.run(forget(settings, settings.chunk_topic, partition, 3))

    assert partly["notes"] == ["offsets 0 to 0 are past retention"]
    assert (results(partly), problem(partly)) == (["different"], True)
    with pytest.raises(FoundProblem, match="its chunks are offsets 0 to 2, and the topic has") as caught:
        explained(settings, "r-1", records=[record])
    assert caught.value.hint == "they are past retention"


def test_a_record_that_is_not_of_this_topic_is_refused(settings: Settings) -> None:
    """Made from another topic, from none, or from a longer life of this one."""
    send_chunks(settings, chat(0, "a"), marker(1))
    record = json.loads(rebuilt(settings, "r-1"))
    cases: list[tuple[Document, str]] = [
        ({"topic": "other"}, "was made from topic other"),
        (dict.fromkeys(record["source"]), "was not made from Kafka"),
        ({"last_offset": 900}, "was the topic deleted and made again"),
    ]

    for change, said in cases:
        changed = found({**record, "source": {**record["source"], **change}})
        with pytest.raises(FoundProblem) as caught:
            explained(settings, "r-1", records=[changed])
        assert said in str(caught.value)


def test_a_record_topic_with_something_else_under_the_id_is_a_problem(settings: Settings) -> None:
    """Named by its place, never by its content."""
    send_chunks(settings, chat(0, "a"), marker(1))
    put(settings, settings.record_topic, [("r-1", b"planted")])
    with pytest.raises(FoundProblem, match="offset 0 is no record"):
        explained(settings, "r-1")


def test_bounds_by_offset_and_time_limit_what_is_read(settings: Settings) -> None:
    """`--from` and `--to`: exclusive at the end, clamped to what is there."""
    send_chunks(settings, *(chat(index, "a") for index in range(5)))
    tail = explained(settings, "r-1", since=Bound("2", offset=2), until=Bound("4", offset=4))
    beyond = explained(settings, "r-1", since=Bound("0", offset=0), until=Bound("99", offset=99))

    assert [each["offset"] for each in tail["timeline"]] == [2, 3]
    assert len(beyond["timeline"]) == 5
    with pytest.raises(FoundProblem, match="since latest"):
        explained(settings, "r-1", since=Bound("latest"))
    assert len(explained(settings, "r-1", since=Bound("earliest"))["timeline"]) == 5
    with pytest.raises(FoundProblem, match="since 2"):
        explained(settings, "r-1", since=Bound("2", offset=2), until=Bound("1", offset=1))
    with pytest.raises(FoundProblem, match="since future"):
        explained(settings, "r-1", since=Bound("future", time=1 << 42))


def test_topics_and_partitions_that_do_not_exist_are_bad_usage(settings: Settings) -> None:
    """And no topic is made up by asking for it."""
    with pytest.raises(UsageError, match="there is no 7"):
        explained(settings, "r-1", partition=7)
    for _ in range(2):
        with pytest.raises(UsageError, match="topic missing does not exist"):
            explained(settings.model_copy(update={"record_topic": "missing"}), "r-1")


def test_progress_tells_offsets_done_and_to_do(settings: Settings) -> None:
    """Of the records and of the chunks."""
    send_chunks(settings, *(chat(index, "a") for index in range(50)), marker(50))
    put(settings, settings.record_topic, [("r-1", rebuilt(settings, "r-1"))])
    told: list[Any] = []
    asyncio.run(of_topics("r-1", settings, Search(recent=RECENT, late_ms=60_000), told.append))

    assert {seen.what for seen in told} == {"records", "chunks"}
    assert all(0 < seen.done <= seen.total for seen in told)


def found(record: Mapping[str, Any]) -> Found:
    """A record as if it had been found."""
    return read(json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode(), "file")
