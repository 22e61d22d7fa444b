"""The port: GET /metrics, /health/live and /health/ready, answered by threads of their own.

A loop that stands still is told by others than itself. Connections are few, brief and bounded: whoever is slow is cut
off. Nothing of a request is logged. Owns sockets and answers; what there is to say comes from `Shown`. Imports
prometheus_client and the other modules of the room.
"""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, cast
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder

from pipeline.errors import UsageError
from pipeline.exposition.guard import Guard, guard_of
from pipeline.log import get_logger
from pipeline.settings import Settings, url

log = get_logger(__name__)

SILENT_SECONDS: Final = 5.0
"""Longest wait for the next byte of a request."""

WHOLE_SECONDS: Final = 10.0
"""Longest life of a connection, however its bytes come: Prometheus gives up by default after 10 s."""

CONNECTIONS: Final = 64
"""At once; whoever comes on top of them is turned away."""

TURN_SECONDS: Final = 0.1
"""Between two looks for connections that are too old, and the longest that the end of the process waits."""

JSON: Final = "application/json"

Reasons = Callable[[], Sequence[str]]


@dataclass(frozen=True)
class Shown:
    """What a process has to show.

    Attributes:
        registry: its metrics.
        live: what speaks against being alive; nothing if it is.
        ready: what speaks against being ready.
    """

    registry: CollectorRegistry
    live: Reasons
    ready: Reasons


@contextmanager
def listening(settings: Settings, shown: Shown) -> Iterator[str | None]:
    """Answer for the block, if the settings name an address: the URL, with the port that it came to be.

    Raises:
        UsageError: the address can't be used, or would be open to everybody.
    """
    guard = guard_of(settings)
    if guard is None:
        yield None
        return
    server = _bound(guard, shown, str(settings.metrics_address))
    host, port = server.server_address[:2]
    home = url(str(host), port, tls=guard.tls is not None)
    thread = threading.Thread(target=server.serve_forever, args=(TURN_SECONDS,), name="metrics", daemon=True)
    thread.start()
    log.info("metrics", url=f"{home}/metrics")
    try:
        yield home
    finally:
        server.shutdown()
        server.server_close()
        thread.join(WHOLE_SECONDS)


def _bound(guard: Guard, shown: Shown, named: str) -> Server:
    try:
        found = socket.getaddrinfo(guard.host, guard.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return Server(guard, shown, found)
    except OSError as error:
        raise UsageError(
            f"metrics_address {named} can't be listened on: {error.strerror}",
            hint="has another worker or sink of this machine the same? each needs one of its own",
        ) from None


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens; a thread for each connection."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = CONNECTIONS

    def __init__(self, guard: Guard, shown: Shown, found: tuple[Any, ...]) -> None:
        """Bind what `getaddrinfo` found.

        Raises:
            OSError: it can't be.
        """
        self.guard, self.shown = guard, shown
        self.address_family = found[0]
        self._connections: dict[socket.socket, float] = {}
        super().__init__(found[4], _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread, unless there are too many."""
        if len(self._connections) >= CONNECTIONS:
            self.shutdown_request(request)
            return
        self._connections[request] = time.monotonic()
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer, in the connection's thread: a handshake must hold up nobody else."""
        request.settimeout(SILENT_SECONDS)
        tls = self.guard.tls
        if tls is None:
            super().finish_request(request, client_address)
            return
        secured = tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        self._connections[secured] = self._connections.pop(request, time.monotonic())
        try:
            secured.do_handshake()
            super().finish_request(cast("Any", secured), client_address)
        finally:
            self.shutdown_request(secured)

    def shutdown_request(self, request: Any) -> None:
        """The connection ends."""
        self._connections.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cut off who is too slow; runs in the thread that accepts."""
        oldest = time.monotonic() - WHOLE_SECONDS
        for connection, since in list(self._connections.items()):
            if since < oldest:
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (socketserver's signature)
        """A client that goes away or speaks no TLS is no news; a failure of ours is."""
        error = sys.exception()
        if not isinstance(error, OSError | ssl.SSLError):
            log.error("a request for metrics failed", error=type(error).__name__)


class _Handler(BaseHTTPRequestHandler):
    """One request; the connection ends with it."""

    server: Server
    server_version = "streamledger"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        match urlsplit(self.path).path:
            case "/metrics":
                self._metrics()
            case "/health/live":
                self._health("live", self.server.shown.live)
            case "/health/ready":
                self._health("ready", self.server.shown.ready)
            case _:
                self._json(HTTPStatus.NOT_FOUND, {"paths": ["/metrics", "/health/live", "/health/ready"]})

    def do_HEAD(self) -> None:
        """The same without a body."""
        self.do_GET()

    def _metrics(self) -> None:
        if not self._admitted:
            self._json(HTTPStatus.UNAUTHORIZED, {"error": "metrics need the token or certificate of this port"})
            return
        try:
            encode, content_type = choose_encoder(self.headers.get("Accept") or "")
        except (TypeError, ValueError):  # the library's, for a version that is no number
            encode, content_type = generate_latest, CONTENT_TYPE_PLAIN_0_0_4
        self._answer(HTTPStatus.OK, content_type, encode(self.server.shown.registry))

    def _health(self, what: str, reasons: Reasons) -> None:
        """Everyone may know whether, and who may see metrics also why not."""
        found = list(reasons())
        told: dict[str, object] = {what: not found}
        if self._admitted:
            told["reasons"] = found
        self._json(HTTPStatus.SERVICE_UNAVAILABLE if found else HTTPStatus.OK, told)

    @property
    def _admitted(self) -> bool:
        certificate = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        return self.server.guard.admits(self.headers.get("Authorization"), certificate)

    def _json(self, status: HTTPStatus, document: dict[str, object]) -> None:
        self._answer(status, JSON, json.dumps(document).encode() + b"\n")

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's signature)
        """Nothing: a request may show a token."""
