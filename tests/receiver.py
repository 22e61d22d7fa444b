"""A real HTTP receiver on loopback: it validates what it is sent, and misbehaves as it is told.

CloudEvents are read by the CNCF's library, OTLP by opentelemetry-proto. A server of its own in a thread, so that
commands in other processes can reach it.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from google.protobuf import json_format  # type: ignore[import-untyped]  # protobuf ships no types
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

SECONDS: Final = 60.0
HANG: Final = "hang"
"""Never answer."""
RESET: Final = "reset"
"""Close the connection before anything is taken."""
LOST: Final = "lost"
"""Take it, then close the connection: the answer is lost."""
SILENT: Final = "silent"
"""Take it, then never answer."""


@dataclass(frozen=True)
class Reply:
    """What one request gets instead of being taken."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Receiver:
    """What arrived, and what the next requests get.

    Attributes:
        url: its address, without a path.
        taken: ids of events in the order in which they were taken, repeats included.
        events: events by id, as they came first.
        requests: (method, path, headers, body) of all requests.
        script: what happens to the next requests, one each; afterwards all are taken.
        stopping: set when it is to end.
        refuses: ids that are never taken: a request with one of them gets 400.
    """

    def __init__(self) -> None:
        self.url = ""
        self.taken: list[str] = []
        self.events: dict[str, Any] = {}
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.script: deque[Reply | str] = deque()
        self.refuses: set[str] = set()
        self.stopping = asyncio.Event()
        self._grown = threading.Condition()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        body = await request.read()
        self.requests.append((request.method, request.path, dict(request.headers), body))
        step = self.script.popleft() if self.script else None
        if step == HANG:
            await self.stopping.wait()
        if step == RESET:
            return self._cut(request)
        if isinstance(step, Reply) and step.status not in range(200, 300):
            return web.Response(status=step.status, headers=step.headers, body=step.body)
        found = _events(request.path, request.content_type, body)
        if self.refuses & found.keys():
            return web.Response(status=400, text="an event that is not wanted")
        self._take(found)
        if step == SILENT:
            await self.stopping.wait()
        if step == LOST:
            return self._cut(request)
        if isinstance(step, Reply):
            return web.Response(status=step.status, headers=step.headers, body=step.body)
        return web.Response(status=204)

    def wait_for(self, count: int) -> None:
        """Wait until so many different events are there."""
        with self._grown:
            assert self._grown.wait_for(lambda: len(self.events) >= count, SECONDS), f"{len(self.events)} of {count}"

    def _take(self, found: dict[str, Any]) -> None:
        with self._grown:
            self.taken += found
            self.events = found | self.events
            self._grown.notify_all()

    def _cut(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


def _events(path: str, content_type: str, body: bytes) -> dict[str, Any]:
    """Events by id; whatever is no event of its format raises, and so becomes a 500."""
    if content_type.startswith("application/cloudevents"):
        batch = json.loads(body) if "batch" in content_type else [json.loads(body)]
        events = [JSONFormat().read(CloudEvent, json.dumps(event)) for event in batch]
        return {event.get_id(): event for event in events}
    traces = path.endswith("/traces")
    request = trace_service_pb2.ExportTraceServiceRequest() if traces else logs_service_pb2.ExportLogsServiceRequest()
    if content_type == "application/x-protobuf":
        request.ParseFromString(body)
    elif content_type == "application/json":
        json_format.ParseDict(json.loads(body), request)
    else:
        return {content_type: body}
    if traces:
        items = [span for each in request.resource_spans for scope in each.scope_spans for span in scope.spans]
    else:
        items = [log for each in request.resource_logs for scope in each.scope_logs for log in scope.log_records]
    return {attributes(item)["streamledger.event.id"]: item for item in items}


def attributes(log: Any) -> dict[str, Any]:
    """The attributes of a log record that are plain values."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in log.attributes}


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver for the block."""
    receiver, ready, loop = Receiver(), threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", receiver.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        receiver.url = f"http://{host}:{port}"
        ready.set()
        await receiver.stopping.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(SECONDS)
    try:
        yield receiver
    finally:
        loop.call_soon_threadsafe(receiver.stopping.set)
        thread.join(SECONDS)
        loop.close()
