"""What the worker refuses, and what it waits for, on a real Kafka."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from pipeline.settings import Settings, client
from pipeline.topics.admin import create, definitions
from tests.integration.engine.harness import QUICK, Stream, expectations, records, running, send

ONE = Stream("one", ("a ", "b ", "c "))


def chunks(*indexes: int) -> Iterator[tuple[str, bytes]]:
    """Chunks of the one stream."""
    return iter([(ONE.request_id, ONE.chunk(index)) for index in indexes])


def test_missing_topics_are_named_with_the_command_that_creates_them(settings: Settings, tmp_path: Path) -> None:
    """Exit 1 and one line; asking must not create them."""
    for attempt in ("first", "second"):
        with running(settings, tmp_path / attempt) as worker:
            assert worker.wait() == 1
            assert f"no topic {settings.chunk_topic}" in worker.text()
            assert "streamledger topics" in worker.text()


def test_a_topic_that_keeps_the_producers_time_is_refused(settings: Settings, tmp_path: Path) -> None:
    """clock=create has to be asked for; then it works, with a warning."""
    asyncio.run(create(client(settings), definitions(settings.model_copy(update={"clock": "create"}))))
    with running(settings, tmp_path / "refused") as worker:
        assert worker.wait() == 1
        assert "clock=create" in worker.text()
    with running(settings.model_copy(update={"clock": "create"}), tmp_path / "taken", drain=True) as worker:
        assert worker.wait() == 0
        assert worker.events("requests close by the producers' clock")


def test_a_changelog_that_was_deleted_is_not_started_over(brisk: Settings, tmp_path: Path) -> None:
    """The group has offsets and the changelog is empty: every record would be sent again, so it ends, store kept."""
    asyncio.run(create(client(brisk), definitions(brisk)))
    settings = brisk.model_copy(update={"session_window": 120_000})
    asyncio.run(send(settings, chunks(0, 1)))
    with running(settings, tmp_path / "first", drain=True) as worker:
        assert worker.wait() == 0

    async def recreate() -> None:
        admin = AIOKafkaAdminClient(**client(settings))
        await admin.start()
        await admin.delete_topics([f"{settings.ledger}-requests-changelog"])
        deadline = asyncio.get_running_loop().time() + 30
        while f"{settings.ledger}-requests-changelog" in await admin.list_topics():
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.1)
        await admin.close()
        await create(client(settings), definitions(settings))

    asyncio.run(recreate())
    stores = sorted(path.name for path in settings.data_dir.rglob("requests-*"))
    for attempt in ("second", "third"):
        with running(settings, tmp_path / attempt, timing=QUICK) as worker:
            assert worker.wait() == 70
            assert "the changelog is gone" in worker.text()
    assert stores == sorted(path.name for path in settings.data_dir.rglob("requests-*"))


def test_a_foreign_or_old_store_is_left_aside(brisk: Settings, tmp_path: Path) -> None:
    """A store of another ledger under our path is not used; the changelog decides."""
    asyncio.run(create(client(brisk), definitions(brisk)))
    settings = brisk.model_copy(update={"session_window": 120_000})
    asyncio.run(send(settings, chunks(0, 1)))
    with running(settings, tmp_path / "first", drain=True) as worker:
        assert worker.wait() == 0
    stores = {path.name: path for path in settings.data_dir.rglob("requests-*.db")}
    shutil.rmtree(stores["requests-0.db"])
    stores["requests-1.db"].rename(stores["requests-0.db"])
    asyncio.run(send(settings, chunks(2)))
    with running(settings, tmp_path / "second") as worker:
        assert expectations([ONE]) == records(settings, at_least=1)
        assert worker.events("local store not used, restoring from the changelog")


def test_it_waits_for_a_kafka_that_is_not_there(settings: Settings, tmp_path: Path) -> None:
    """One line, no exit; a signal ends the wait."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = settings.model_copy(update={"bootstrap_servers": f"127.0.0.1:{unused.getsockname()[1]}"})
        with running(nowhere, tmp_path / "log") as worker:
            worker.wait_for("waiting for Kafka")
            worker.process.send_signal(signal.SIGTERM)
            assert worker.wait() == 0
            assert len(worker.events("waiting for Kafka")) == 1


def test_it_comes_up_when_kafka_does(brisk: Settings, tmp_path: Path) -> None:
    """The address answers only after the worker has waited for it."""
    asyncio.run(create(client(brisk), definitions(brisk)))
    host, port = brisk.bootstrap_servers.split(",")[0].rsplit(":", 1)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        out_reader, out_writer = await asyncio.open_connection(host, int(port))

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(1 << 16):
                sink.write(data)
                await sink.drain()
            sink.close()

        await asyncio.gather(pump(reader, out_writer), pump(out_reader, writer), return_exceptions=True)

    async def scenario() -> None:
        with socket.socket() as later:
            later.bind(("127.0.0.1", 0))
            address = later.getsockname()
        settings = brisk.model_copy(update={"bootstrap_servers": f"{address[0]}:{address[1]}"})
        with running(settings, tmp_path / "log") as worker:
            await asyncio.to_thread(worker.wait_for, "waiting for Kafka")
            server = await asyncio.start_server(forward, *address)
            await asyncio.to_thread(worker.wait_for, "assigned")
            worker.kill()
            server.close()

    asyncio.run(scenario())
