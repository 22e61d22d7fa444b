"""A publisher whose Kafka is not there: what callers see, and where their chunks are."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.ingest import AsyncPublisher, Policy, Publisher, Report
from pipeline.ingest.publish.backlog import SUFFIX
from pipeline.ingest.publish.estate import Estate
from pipeline.ops.broker.ports import HOST, free_ports
from pipeline.settings import Settings
from pipeline.testing.waiting import eventually
from tests.unit.ingest.publish.flows import says

SECONDS = 60.0


class Away:
    """Settings and policy of a publisher that reaches no Kafka, and what it leaves."""

    def __init__(self, folder: Path) -> None:
        """Nothing listens on its port."""
        self.folder = folder / "spool"
        self.reports: list[Report] = []
        self.settings = Settings(bootstrap_servers=f"{HOST}:{free_ports(1)[0]}", data_dir=folder)
        self.policy = Policy(spool=self.folder, patience=0.1, reconnect=0.1, on_report=self.reports.append)

    def publisher(self) -> Publisher:
        """One of them."""
        return Publisher(self.settings, policy=self.policy)

    def left(self) -> list[dict[str, Any]]:
        """The chunks on disk, once their publisher is gone."""
        estate = Estate(self.folder, self.settings.chunk_topic, lambda *_: None)
        estate.look()
        found = []
        while items := estate.read(1 << 30, 1 << 30):
            found += [json.loads(item.value) for item in items]
            estate.commit()
        return found


@pytest.fixture
def away(tmp_path: Path) -> Away:
    """Without a Kafka."""
    return Away(tmp_path)


def test_chunks_that_kafka_does_not_take_are_on_disk_when_the_publisher_is_closed(away: Away) -> None:
    """In order, whole, and reported: nothing waits in memory for a Kafka that may never come."""
    with away.publisher() as publisher:
        with publisher.request(request_id="r", labels={"team": "x"}) as request:
            request.chunk(says("a"))
        assert not publisher.flush(0.0)
        stats = publisher.stats()
        assert (stats.accepted, stats.spooled, stats.buffered, stats.connected) == (2, 2, 0, False)
        eventually(lambda: away.reports)
        assert not publisher.close(0.0)

    assert {report.kind for report in away.reports} == {"away"}
    assert [(chunk["chunk_index"], chunk.get("is_final", False)) for chunk in away.left()] == [(0, False), (1, True)]


def test_past_the_patience_chunks_go_to_disk_by_themselves(away: Away) -> None:
    """So that a process that is killed then loses what came in the last moments alone."""
    with away.publisher() as publisher:
        request = publisher.request()
        request.chunk(says("a"))
        eventually(lambda: publisher.stats().spooled == 1)
        assert publisher.stats().buffered == 0
        request.close()
        publisher.close(0.0)


@pytest.mark.parametrize("broken", [asyncio.CancelledError(), ValueError("no")], ids=["cancelled", "failed"])
def test_a_block_that_is_left_by_an_exception_publishes_the_reason(away: Away, broken: BaseException) -> None:
    """And the exception goes on to whoever called."""
    with away.publisher() as publisher:
        with pytest.raises(type(broken)):  # noqa: PT012, SIM117  what is tested is the block
            with publisher.request() as request:
                request.chunk(says("a"))
                raise broken
        publisher.close(0.0)
    end = away.left()[-1]
    assert end["is_final"]
    assert end["error"]["error"]["type"] == ("request_cancelled" if "C" in type(broken).__name__ else "ValueError")


def test_a_handle_that_is_forgotten_and_one_that_is_open_at_the_close_end_as_cancelled(away: Away) -> None:
    """A tail is never lost because somebody forgot to close."""
    with away.publisher() as publisher:
        forgotten, still_open = publisher.request(request_id="a"), publisher.request(request_id="b")
        forgotten.chunk(says("a"))
        still_open.chunk(says("b"))
        del forgotten
        gc.collect()
        assert publisher.stats().accepted == 3
        publisher.close(0.0)
        assert still_open.closed
    ends = {chunk["request_id"]: chunk["error"]["error"] for chunk in away.left() if "error" in chunk}
    assert ends["a"] == {"type": "request_cancelled", "message": "the request was never closed"}
    assert ends["b"] == {"type": "request_cancelled", "message": "the publisher was closed"}


def test_what_can_not_be_published_is_reported_and_breaks_nothing(away: Away) -> None:
    """No stream ends because of its bookkeeping."""
    with away.publisher() as publisher:
        with publisher.request(request_id="r") as request:
            request.chunk({"a": object()})
            request.chunk(says("a"))
            request.close(cost=float("nan"))
            request.close()
            request.chunk(says("too late"))
            request.error(ValueError("known already"))
            request.retry()
        publisher.close(0.0)
        assert publisher.stats().refused == 4
    assert [report.request_id for report in away.reports if report.kind == "refused"] == ["r"] * 4
    assert [chunk["chunk_index"] for chunk in away.left()] == [2, 4]


def test_a_label_that_breaks_the_contract_is_an_error_at_once(away: Away) -> None:
    """It is the caller's, before the stream runs; so is a request at a closed publisher."""
    publisher = away.publisher()
    with pytest.raises(UsageError, match="labels"):
        publisher.request(labels={"k" * 65: "v"})
    assert publisher.close()
    assert publisher.close()
    with pytest.raises(UsageError, match="closed"):
        publisher.request()


def test_an_asynchronous_publisher_is_the_same(away: Away) -> None:
    """Requests, attempts, errors and the end."""

    async def main() -> None:
        async with AsyncPublisher(away.settings, policy=away.policy) as publisher:
            async with publisher.request(request_id="r", provider="a") as request:
                await request.chunk(says("a"))
                await request.error(TimeoutError(), final=False)
                await request.retry("b")
                await request.chunk(says("b"))
            with pytest.raises(ValueError, match="no"):
                async with publisher.request(request_id="s"):
                    raise ValueError("no")
            assert not await publisher.flush(0.0)
            assert publisher.stats().spooled == 5
            await publisher.close(0.0)

    asyncio.run(main())
    chunks = away.left()
    assert [(chunk["request_id"], chunk.get("attempt", 0), chunk["chunk_index"]) for chunk in chunks] == [
        *(("r", 0, 0), ("r", 0, 1), ("r", 1, 0), ("r", 1, 1)),
        ("s", 0, 0),
    ]


def test_many_threads_share_a_publisher(away: Away) -> None:
    """Each request keeps its order, and none is lost."""
    with away.publisher() as publisher:

        def work(number: int) -> None:
            with publisher.request(request_id=f"r{number}") as request:
                for index in range(50):
                    request.chunk(says(str(index)))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        publisher.close(0.0)
        assert publisher.stats().accepted == 8 * 51
    chunks = away.left()
    for number in range(8):
        own = [chunk["chunk_index"] for chunk in chunks if chunk["request_id"] == f"r{number}"]
        assert own == list(range(51))


def test_a_callback_that_fails_harms_nobody(away: Away, caplog: pytest.LogCaptureFixture) -> None:
    """It is the caller's code; the log says that it failed."""

    def fail(_: Report) -> None:
        raise ValueError

    with Publisher(away.settings, policy=Policy(spool=away.folder, on_report=fail)) as publisher:
        with publisher.request() as request:
            request.chunk({"a": object()})
        publisher.close(0.0)
    assert "publisher.on_report_failed" in caplog.text


def test_without_a_callback_reports_are_logged_and_a_flood_is_counted(
    away: Away, caplog: pytest.LogCaptureFixture
) -> None:
    """Once a second and kind, with nothing of what was said."""
    with Publisher(away.settings, policy=Policy(spool=away.folder)) as publisher:
        with publisher.request() as request:
            for _ in range(50):
                request.chunk({"secret": object()})
        publisher.close(0.0)
        assert publisher.stats().refused == 50
    assert 1 <= caplog.text.count("publisher.refused") < 10
    assert "secret" not in caplog.text


def test_a_forked_child_publishes_by_itself_and_ends_nothing_of_its_parents(away: Away, tmp_path: Path) -> None:
    """The parent's request goes on; the child's own are on a thread and a spool of its own."""
    script = """
import os, sys
from pathlib import Path
from pipeline.ingest import Policy, Publisher
from pipeline.ingest.publish import engine
from pipeline.settings import Settings
engine.EXIT_SECONDS = 0.0
publisher = Publisher(
    Settings(bootstrap_servers=sys.argv[1], data_dir=Path(sys.argv[2])),
    policy=Policy(spool=Path(sys.argv[2]) / "spool", patience=0.1),
)
mine = publisher.request(request_id="parent")
mine.chunk({"n": 1})
publisher.flush(0.0)
child = os.fork()
if child == 0:
    mine.chunk({"n": 2})
    with publisher.request(request_id="child") as request:
        request.chunk({"n": 3})
    del mine
    publisher.close(0.0)
    os._exit(0 if publisher.stats().refused == 1 else 1)
assert os.waitpid(child, 0)[1] == 0
mine.chunk({"n": 4})
mine.close()
"""
    arguments = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script]
    done = subprocess.run(
        [*arguments, away.settings.bootstrap_servers, str(tmp_path)], check=False, timeout=SECONDS, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    found = sorted((chunk["request_id"], chunk["chunk_index"], "error" in chunk) for chunk in away.left())
    assert found == [
        *(("child", 0, False), ("child", 1, False)),
        *(("parent", 0, False), ("parent", 1, False), ("parent", 2, False)),
    ]


def test_a_process_that_ends_without_a_word_leaves_its_chunks_on_disk(away: Away, tmp_path: Path) -> None:
    """The end of the interpreter closes the publisher, and open requests with it."""
    script = """
import sys
from pathlib import Path
from pipeline.ingest import Policy, Publisher
from pipeline.ingest.publish import engine
from pipeline.settings import Settings
engine.EXIT_SECONDS = 0.0
spool = Path(sys.argv[2]) / "spool"
settings = Settings(bootstrap_servers=sys.argv[1], data_dir=Path(sys.argv[2]))
publisher = Publisher(settings, policy=Policy(spool=spool))
request = publisher.request(request_id="r")
request.chunk({"n": 1})
"""
    done = subprocess.run(
        [sys.executable, "-c", script, away.settings.bootstrap_servers, str(tmp_path)],
        check=False,
        timeout=SECONDS,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    first, end = away.left()
    assert (first["response"], end["error"]["type"]) == ({"n": 1}, "request_cancelled")
    assert list(away.folder.glob(f"*{SUFFIX}")) == []


def test_the_room_is_imported_without_kafka_and_pydantic() -> None:
    """Commands that translate recordings wait for no publisher."""
    code = "import sys, pipeline.ingest; sys.exit(any(name in sys.modules for name in ('aiokafka', 'pydantic')))"
    assert subprocess.run([sys.executable, "-c", code], check=False, env=os.environ).returncode == 0


def test_bounds_with_which_nothing_could_be_sent_are_an_error() -> None:
    """With what to do."""
    for wrong in ({"buffer_bytes": 0}, {"budget": -1.0}, {"patience": 0.0}):
        with pytest.raises(UsageError):
            Policy(**wrong)
