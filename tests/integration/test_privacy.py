"""No log line, error text or added header tells content, and without capture no state and no record does (G7).

One full run over two ledgers of one chunk topic, one with `capture=full`, one with `capture=metadata`: all kinds of bad
input, content planted in every place of every stream type, a conflict, a late chunk, a revision, a request that is
quarantined; each worker at log level debug, drained, killed inside of a checkpoint, and started again. What a search
for the planted texts finds in the ledger that captures shows that the search would find them. Workers have no metrics
endpoint yet; their figures are log lines.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from rocksdict import AccessType, Options, Rdict

from pipeline.settings import Settings, client
from pipeline.testing.chunk import Document
from pipeline.testing.ledger import fresh_name, ledger_settings
from pipeline.topics.admin import create, definitions
from tests.integration.canaries import KEPT, LATE, PLACES, QUARANTINED, REFUSED, STREAMS, UNSHOWN, found, places
from tests.integration.engine.harness import QUICK, Seen, committed, running
from tests.integration.test_bad_input import (
    ADDED,
    ENDS,
    LIMIT,
    NEIGHBOURS,
    SECRET,
    VICTIMS,
    Message,
    deliver,
    first_half,
    second_half,
)

LEDGERS: Final = ("full", "metadata")
BEFORE: Final = len(VICTIMS) + len(ENDS)
"""Records of the first half."""

CLOSED: Final = len(NEIGHBOURS) + len(STREAMS) - 1 + 1
"""Records of the second half: one request is never finished, one is revised."""


@dataclass
class Left:
    """What a ledger has left behind.

    Attributes:
        log: of all its workers.
        state: keys and values of both changelogs, and of the rows in its stores.
        files: bytes of the stores' files.
    """

    log: bytes = b""
    records: list[Seen] = field(default_factory=list)
    dead: list[Seen] = field(default_factory=list)
    state: list[bytes] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)

    @property
    def values(self) -> list[Document]:
        """The records."""
        return [json.loads(each.value or b"") for each in self.records]


@pytest.fixture(scope="module")
def left(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Left]:
    """The run of the module's docstring, by ledger."""
    name, folder = fresh_name(), tmp_path_factory.mktemp("privacy")
    ledgers = {capture: ledger(kafka, name, capture, folder) for capture in LEDGERS}
    for settings in ledgers.values():
        asyncio.run(create(client(settings), definitions(settings)))
    return asyncio.run(scenario(ledgers, folder))


def ledger(kafka: str, run: str, capture: Any, folder: Path) -> Settings:
    """Settings of one of the two; they share the chunk topic only."""
    own = {"finish_grace": 300, "max_chunk_bytes": LIMIT, "capture": capture}
    return ledger_settings(kafka, f"{run}-{capture}", folder / capture, chunks=run, **own)


async def scenario(ledgers: dict[str, Settings], folder: Path) -> dict[str, Left]:
    """Send in parts, with workers that come and go in between."""
    settings = ledgers["full"]
    begun = planted((name, chunks[:-1]) for name, chunks in STREAMS.items())
    ended = planted((name, chunks[-1:]) for name, chunks in STREAMS.items())
    seen = {name: Left() for name in ledgers}
    await deliver(settings, [[*first_half(0), *begun], first_half(1)])
    async with asyncio.TaskGroup() as group:
        for name, each in ledgers.items():
            group.create_task(drained(each, folder / f"{name}.log"))
    for name, each in ledgers.items():
        stored(each, seen[name])
    await deliver(settings, [[*ended, *second_half(0)], second_half(1)])
    gates = [asyncio.Barrier(len(ledgers) + 1) for _ in range(2)]
    async with asyncio.TaskGroup() as group:
        for name, each in ledgers.items():
            group.create_task(finished(each, folder / f"{name}.log", gates))
        await gates[0].wait()
        await deliver(settings, [planted((name, [chunk]) for name, chunk in LATE.items()), []])
        await gates[1].wait()
        await deliver(settings, [planted([("quarantined", QUARANTINED)]), []])
    for name, each in ledgers.items():
        await looked(each, seen[name], folder / f"{name}.log")
    return seen


def planted(streams: Iterable[tuple[str, Sequence[Document]]]) -> list[Message]:
    """Chunks under their request ids."""
    return [
        Message(name.encode(), json.dumps(chunk | {"request_id": name}).encode(), [])
        for name, chunks in streams
        for chunk in chunks
    ]


async def drained(settings: Settings, log: Path) -> None:
    """A worker that takes all there is and leaves."""
    with running(settings, log, timing=QUICK, instance="one", drain=True, third_party="info") as worker:
        assert await asyncio.to_thread(worker.wait) == 0
    assert len(await committed(settings, settings.record_topic)) == BEFORE


async def finished(settings: Settings, log: Path, gates: Sequence[asyncio.Barrier]) -> None:
    """A worker that is killed inside of a checkpoint; one that sees the end, and the fold that raises."""
    member: dict[str, Any] = {"timing": QUICK, "instance": "one", "third_party": "info"}
    with running(settings, log, **member, failpoints="checkpoint.before_commit") as worker:
        assert await asyncio.to_thread(worker.wait) == -signal.SIGKILL
    with running(settings, log, **member, failpoints=f"fold.before@{CLOSED + 1}:bug") as worker:
        await committed(settings, settings.record_topic, at_least=BEFORE + CLOSED - 1)
        await gates[0].wait()
        await committed(settings, settings.record_topic, at_least=BEFORE + CLOSED)
        await gates[1].wait()
        await committed(settings, settings.record_topic, at_least=BEFORE + CLOSED + 1)
        assert (await asyncio.to_thread(worker.terminate))[0] == 0


async def looked(settings: Settings, seen: Left, log: Path) -> None:
    """Gather what is left."""
    stored(settings, seen)
    seen.log = await asyncio.to_thread(log.read_bytes)
    seen.records = await committed(settings, settings.record_topic)
    seen.dead = await committed(settings, settings.dead_topic)
    for topic in definitions(settings):
        if topic.role in ("requests", "markers"):
            rows = await committed(settings, topic.name, at_least=1)
            seen.state += [part for row in rows for part in (row.key, row.value) if part is not None]


def stored(settings: Settings, seen: Left) -> None:
    """Gather the rows of the stores, which are compressed in their files, and the files."""
    for path in sorted(settings.data_dir.rglob("*.db")):
        rows = Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only())
        seen.state += [bytes(part) for row in rows.items() for part in row]  # type: ignore[arg-type]  # raw: bytes
        rows.close()
    seen.files += [path.read_bytes() for path in sorted(settings.data_dir.rglob("*")) if path.is_file()]


@pytest.mark.parametrize("name", LEDGERS)
def test_no_log_line_tells_content(left: dict[str, Left], name: str) -> None:
    """Nor labels, nor an error's message; at level debug, over crashes, refusals and a quarantine."""
    log = left[name].log
    assert log.count(b'"restored"') >= 4
    assert b'"folded"' in log
    assert b'"stopped"' in log
    assert found([log]) == set()
    assert SECRET.encode() not in log


@pytest.mark.parametrize("name", LEDGERS)
def test_no_header_that_is_added_tells_content(left: dict[str, Left], name: str) -> None:
    """Of dead letters and records."""
    added = [header for each in left[name].dead for header in each.headers[-len(ADDED) :]]
    added += [header for each in left[name].records for header in each.headers]
    reasons = {value for header, value in added if header == "dl.reason"}
    assert {b"late", b"internal", b"invalid", b"not_json", *([b"conflict"] if name == "full" else [])} <= reasons
    texts = [part for header, value in added for part in (header.encode(), value or b"")]
    assert found(texts) == set()
    assert not [text for text in texts if SECRET.encode() in text]


@pytest.mark.parametrize("part", ["state", "files"])
def test_without_capture_no_state_tells_content(left: dict[str, Left], part: str) -> None:
    """Rows of both changelogs and of the stores, and the stores' files as they are."""
    blobs = getattr(left["metadata"], part)
    assert blobs
    assert found(blobs) - KEPT == set()
    assert not [blob for blob in blobs if SECRET.encode() in blob]


def test_without_capture_no_record_tells_content(left: dict[str, Left]) -> None:
    """They say so, and keep who pays and what went wrong."""
    values = [each.value or b"" for each in left["metadata"].records]
    assert found(values) == KEPT
    whole = [record for record in left["metadata"].values if record["request_id"] != "quarantined"]
    assert {record["content_omitted"] for record in whole} == {"capture"}


def test_with_capture_the_same_search_finds_everything(left: dict[str, Left]) -> None:
    """Else it would prove nothing: planted texts are in state as soon as a checkpoint was, and in records."""
    begun = [chunk for chunks in STREAMS.values() for chunk in chunks[:-1]]
    assert places(*begun) - REFUSED <= found(left["full"].state)
    shown = found(each.value or b"" for each in left["full"].records)
    assert PLACES - shown == UNSHOWN


@pytest.mark.parametrize("name", LEDGERS)
def test_dead_letters_keep_their_values(left: dict[str, Left], name: str) -> None:
    """What is refused as it came is given back untouched, whatever is captured (CONTRACT §3)."""
    values = {each.value for each in left[name].dead}
    refused = [("text", [LATE["text"]])] + ([("conflicting", [STREAMS["conflicting"][1]])] if name == "full" else [])
    assert {message.value for message in planted(refused)} <= values


def test_without_capture_the_numbers_are_right(left: dict[str, Left]) -> None:
    """Tokens, cost, finish, indexes and times of each record are those of the ledger that captures (G7).

    Other content under the same identity is a repeat where no content is there to be compared.
    """
    names = (
        "status", "closed_by", "finish_reason", "token_usage", "cost", "missing_indexes", "complete", "chunk_count",
        "payload_anomalies", "latency", "time_to_first_token", "labels", "service_tier", "stream_type", "revision",
        "source",
    )  # fmt: skip
    repeated = [
        {record["request_id"]: record["conflict_count"] + record["duplicate_count"] for record in left[name].values}
        for name in LEDGERS
    ]
    assert repeated[0] == repeated[1]
    full, metadata = (
        {
            (record["request_id"], record["revision"]): {name: record[name] for name in names}
            for record in left[name].values
        }
        for name in LEDGERS
    )
    assert full == metadata
