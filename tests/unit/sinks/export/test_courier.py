"""Events on their way to a real receiver that is not always well."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any, Final, cast

import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

from pipeline.errors import FoundProblem, UsageError
from pipeline.sinks.export.cloudevent import Metering
from pipeline.sinks.export.courier import Courier, Delivered
from pipeline.sinks.export.format import Format
from pipeline.sinks.export.letters import Letters
from pipeline.sinks.export.otlp import LogEvents
from pipeline.sinks.export.positions import Positions
from pipeline.sinks.export.post import Receiver, connected, receiver_url
from pipeline.sinks.export.retry import Patience
from pipeline.sinks.export.source import Batch
from tests.receiver import HANG, LOST, RESET, Reply, receiving
from tests.receiver import Receiver as Server
from tests.unit.sinks.export.records import TENANT, entry, example

METERING: Final = Metering("streamledger/main/records", TENANT)
SINGLE: Final = Metering("streamledger/main/records", TENANT, batched=False)
LOGS: Final = LogEvents("1.0.0")
LOGS_JSON: Final = LogEvents("1.0.0", json=True)
FORMATS: Final[dict[str, Format]] = {"batched": METERING, "structured": SINGLE, "protobuf": LOGS, "json": LOGS_JSON}
QUICK: Final = Patience(chance=lambda: 0.0, first=0.02, longest=0.1, total=20.0)
BELONGS: Final = {"export": "test"}

Bring = Callable[..., Delivered]


@pytest.fixture(scope="module")
def _server() -> Iterator[Server]:
    with receiving() as server:
        yield server


@pytest.fixture
def server(_server: Server) -> Server:
    """A receiver that has nothing yet and takes all."""
    _server.taken.clear()
    _server.events.clear()
    _server.requests.clear()
    _server.script.clear()
    _server.refuses.clear()
    return _server


def ids(count: int) -> list[str]:
    """Names of requests."""
    return [f"r{number}" for number in range(count)]


def bring(
    url: str,
    form: Format,
    count: int = 6,
    *,
    size: int = 3,
    letters: Path | None = None,
    positions: Path | None = None,
    patience: Patience = QUICK,
    timeout: float = 20.0,
    stop: Callable[[Any], object] | None = None,
) -> Delivered:
    """Bring so many entries in batches to an address; `stop` gets the task that does it."""
    delivered = Delivered()

    async def batches() -> AsyncGenerator[Batch, None]:
        names = ids(count)
        for begin in range(0, count, size):
            part = names[begin : begin + size]
            yield Batch([entry(example("tool-call", request_id=name)) for name in part], {0: begin + len(part)})

    async def run() -> None:
        if stop is not None:
            stop(asyncio.current_task())
        receiver = Receiver(url, patience, {"X-Test": "yes"}, timeout=timeout)
        with nullcontext() if letters is None else closing(Letters(letters)) as kept:
            async with connected(receiver) as post:
                courier = Courier(post, form, delivered, kept)
                await courier.bring(batches(), None if positions is None else Positions(positions, BELONGS))

    with nullcontext() if stop is None else suppress(asyncio.CancelledError):
        asyncio.run(run())
    return delivered


def lines(path: Path) -> list[dict[str, Any]]:
    """Dead letters."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", FORMATS)
def test_everything_arrives_once_when_all_is_well(server: Server, tmp_path: Path, name: str) -> None:
    """In each format and encoding; the position is that of the end."""
    delivered = bring(server.url + "/events", FORMATS[name], positions=tmp_path / "positions")
    assert server.taken == ids(6)
    assert (delivered.sent, delivered.refused) == (6, 0)
    assert Positions(tmp_path / "positions", BELONGS).offsets == {0: 6}
    assert {(method, path) for method, path, _, _ in server.requests} == {("POST", "/events")}
    assert {headers["X-Test"] for _, _, headers, _ in server.requests} == {"yes"}
    assert len(server.requests) == (6 if name == "structured" else 2)


def test_who_is_told_to_stop_ends_its_batch_first(server: Server, tmp_path: Path) -> None:
    """What is under way is taken, counted and its position kept; the next batch is not begun."""
    server.script.append(Reply(503))

    def stop(task: asyncio.Task[None]) -> None:
        async def cancel() -> None:
            deadline = asyncio.get_running_loop().time() + 20.0
            while not server.requests:
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0)
            task.cancel()

        stopping.append(asyncio.ensure_future(cancel()))

    stopping: list[asyncio.Future[None]] = []
    delivered = bring(server.url, METERING, positions=tmp_path / "positions", stop=stop)
    assert server.taken == ids(3)
    assert (delivered.sent, Positions(tmp_path / "positions", BELONGS).offsets) == (3, {0: 3})


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_a_receiver_that_is_not_well_is_tried_again(
    server: Server, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Until it takes what it is sent; nothing is lost or skipped, and it is said: silence would look like a hang."""
    server.script.extend([Reply(status), Reply(status), Reply(status)])
    with caplog.at_level(logging.INFO):
        assert bring(server.url, METERING).sent == 6
    assert server.taken == ids(6)
    assert len(server.requests) == 5
    said = [cast("dict[str, str]", record.msg) for record in caplog.records if record.name.endswith("export.post")]
    assert [each["event"] for each in said] == ["waiting", "going on"]
    assert said[0]["reason"] == f"status {status}"


def test_connections_that_break_and_answers_that_never_come(server: Server) -> None:
    """A reset and a timeout are tried again."""
    server.script.extend([RESET, HANG, RESET])
    assert bring(server.url, LOGS, timeout=1.0).sent == 6
    assert sorted(server.events) == ids(6)


def test_a_lost_answer_makes_repeats_and_no_more(server: Server) -> None:
    """The receiver has taken it, nobody knows: the same ids come again."""
    server.script.append(LOST)
    assert bring(server.url, METERING).sent == 6
    assert server.taken == ["r0", "r1", "r2", *ids(6)]
    assert sorted(server.events) == ids(6)


def test_retry_after_is_honoured(server: Server) -> None:
    """Not before the time that the receiver asks for."""
    server.script.append(Reply(429, {"Retry-After": "1"}))
    loop_times: list[float] = []

    class Slow(Patience):
        def pause(self, failures: int, waited: float, asked: float | None) -> float | None:
            loop_times.append(asked or 0.0)
            return super().pause(failures, waited, asked)

    assert bring(server.url, METERING, patience=Slow(chance=lambda: 0.0, first=0.01, total=20.0)).sent == 6
    assert loop_times == [1.0]


def test_patience_that_ends_leaves_the_position_where_it_was(server: Server, tmp_path: Path) -> None:
    """What was taken before is behind it, the rest is sent by the next run."""
    server.script.extend([Reply(204), *[Reply(503)] * 1_000])
    with pytest.raises(FoundProblem, match=r"took nothing for 0.3 s: status 503"):
        bring(
            server.url,
            METERING,
            positions=tmp_path / "positions",
            letters=tmp_path / "dead",
            patience=Patience(chance=lambda: 0.0, first=0.02, longest=0.05, total=0.3),
        )
    assert Positions(tmp_path / "positions", BELONGS).offsets == {0: 3}
    assert server.taken == ids(3)
    assert lines(tmp_path / "dead") == []


def test_nobody_at_the_address_is_told_without_what_is_secret_in_it() -> None:
    """A password or a token in the address stays out of errors."""
    patience = Patience(chance=lambda: 0.0, first=0.01, total=0.05)
    with pytest.raises(FoundProblem, match=r"http://127.0.0.1:9/events took nothing") as refused:
        bring("http://user:secret@127.0.0.1:9/events?token=secret", METERING, patience=patience)
    assert "secret" not in str(refused.value)


def test_one_bad_event_becomes_a_dead_letter_and_the_others_arrive(server: Server, tmp_path: Path) -> None:
    """A batch that is refused is halved until the one to blame is alone."""
    server.refuses.update({"r4", "r9"})
    path, positions = tmp_path / "dead", tmp_path / "positions"
    delivered = bring(server.url, METERING, 16, size=8, letters=path, positions=positions)
    assert (delivered.sent, delivered.refused) == (14, 2)
    assert sorted(server.events) == sorted(set(ids(16)) - {"r4", "r9"})
    assert len(server.taken) == 14
    assert [(letter["id"], letter["status"], letter["reason"]) for letter in lines(path)] == [
        ("r4", 400, "an event that is not wanted"),
        ("r9", 400, "an event that is not wanted"),
    ]
    assert lines(path)[0]["event"]["data"]["request_id"] == "r4"
    assert Positions(positions, BELONGS).offsets == {0: 16}


def test_without_a_file_for_them_the_first_refusal_is_the_end(server: Server, tmp_path: Path) -> None:
    """Nothing is dropped: the position stays before it."""
    server.refuses.add("r4")
    with pytest.raises(FoundProblem, match=r"refuses an event: status 400 .*r4"):
        bring(server.url, METERING, positions=tmp_path / "positions")
    assert Positions(tmp_path / "positions", BELONGS).offsets == {0: 3}


def test_what_is_there_already_counts_as_taken(server: Server, tmp_path: Path) -> None:
    """A receiver that answers a repeat with 409 has it."""
    server.script.extend([Reply(409)] * 5)
    delivered = bring(server.url, METERING, 3, letters=tmp_path / "dead")
    assert (delivered.sent, delivered.refused, lines(tmp_path / "dead")) == (3, 0, [])


def test_a_request_that_is_too_large_is_halved(server: Server) -> None:
    """413 is about the batch, not about an event."""
    server.script.append(Reply(413))
    assert bring(server.url, LOGS, 6, size=6).sent == 6
    assert server.taken == ids(6)
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 415])
def test_a_wrong_address_ends_at_once(server: Server, tmp_path: Path, status: int) -> None:
    """No event is to blame for it: none becomes a dead letter, and a redirect gets no credentials."""
    server.script.extend([Reply(status, {"Location": server.url + "/elsewhere"})] * 9)
    with pytest.raises(FoundProblem, match=f"answers {status}"):
        bring(server.url, METERING, letters=tmp_path / "dead")
    assert lines(tmp_path / "dead") == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("form", [LOGS, LOGS_JSON], ids=["protobuf", "json"])
def test_a_partial_success_keeps_all_that_it_may_mean(server: Server, tmp_path: Path, form: LogEvents) -> None:
    """It doesn't say which were refused and forbids to send again: the batch becomes dead letters, and says so."""
    answer = logs_service_pb2.ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = 1
    answer.partial_success.error_message = "too old " + "x" * 40_000  # comes in several packets
    body = answer.SerializeToString()
    if form.json:
        body = b'{"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": "too old"}}' + b" " * 40_000
    server.script.append(Reply(200, {"Content-Type": form.content_type}, body))
    delivered = bring(server.url, form, letters=tmp_path / "dead")
    assert (delivered.sent, delivered.refused) == (3, 3)
    assert server.taken == ids(6)
    assert [letter["id"] for letter in lines(tmp_path / "dead")] == ids(3)
    assert "1 of these 3" in lines(tmp_path / "dead")[0]["reason"]
    assert "too old" in lines(tmp_path / "dead")[0]["reason"]


def test_a_full_success_says_nothing(server: Server) -> None:
    """An answer without rejected events is a yes, also with a message in it."""
    answer = logs_service_pb2.ExportLogsServiceResponse()
    answer.partial_success.error_message = "be careful"
    reply = Reply(200, {"Content-Type": "application/x-protobuf"}, answer.SerializeToString())
    server.script.extend([reply, reply])
    assert bring(server.url, LOGS).sent == 6


@pytest.mark.parametrize(
    "url", ["", "localhost:4318", "ftp://host/x", "http://", "http://host:port/", "http://[::1", "http://a b/"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError, match="no address of HTTP"):
        receiver_url(url)
