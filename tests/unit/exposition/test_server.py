"""The port over real sockets: what it answers, to whom, and that slow or rude clients hold up nobody."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.exposition import server
from pipeline.exposition.family import Looked, Sample, registry
from pipeline.exposition.server import Shown, listening
from pipeline.settings import Settings
from pipeline.testing import eventually
from tests.unit.exposition.certificates import made

TOKEN = "secret-token-of-the-test"


def shown(live: Sequence[str] = (), ready: Sequence[str] = ()) -> Shown:
    """One gauge, and these reasons."""
    return Shown(registry(Looked(lambda: [Sample("ready", 1)])), lambda: live, lambda: ready)


@contextmanager
def port(what: Shown | None = None, **settings: Any) -> Iterator[tuple[str, int]]:
    """Host and port of a server with these settings."""
    with listening(Settings(**{"metrics_address": ":0", **settings}), what or shown()) as url:
        assert url is not None
        host, _, number = url.partition("://")[2].rpartition(":")
        yield host, int(number)


def ask(
    where: tuple[str, int], path: str, tls: ssl.SSLContext | None = None, **headers: Any
) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of an answer."""
    connection = (
        http.client.HTTPConnection(*where, timeout=30)
        if tls is None
        else http.client.HTTPSConnection(*where, timeout=30, context=tls)
    )
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def test_without_an_address_no_port_is_opened() -> None:
    """Nobody asked for one."""
    with listening(Settings(), shown()) as url:
        assert url is None


def test_metrics_come_in_the_form_that_is_accepted() -> None:
    """Prometheus' text unless OpenMetrics is asked for; odd wishes get the text."""
    with port() as where:
        assert where[0] == "127.0.0.1"
        status, headers, text = ask(where, "/metrics")
        assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert "# TYPE streamledger_ready gauge\nstreamledger_ready 1.0\n" in text
        assert "process_resident_memory_bytes" in text
        _, headers, text = ask(where, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
        assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert text.endswith("# EOF\n")
        assert ask(where, "/metrics", Accept="text/plain; version=x")[0] == 200
        assert ask(where, "/other")[0] == 404


def test_health_is_a_status_and_its_reasons() -> None:
    """200 without any, else 503."""
    with port(shown(live=["the event loop stands still for 16 s"], ready=["waiting for Kafka", "b"])) as where:
        status, _, text = ask(where, "/health/live?verbose")
        assert (status, json.loads(text)) == (
            503,
            {"live": False, "reasons": ["the event loop stands still for 16 s"]},
        )
        status, _, text = ask(where, "/health/ready")
        assert (status, json.loads(text)) == (503, {"ready": False, "reasons": ["waiting for Kafka", "b"]})
    with port() as where:
        assert ask(where, "/health/ready")[0::2] == (200, '{"ready": true, "reasons": []}\n')


def test_a_token_opens_metrics_and_reasons_and_probes_need_none() -> None:
    """Whoever has it not learns only whether, and nothing of why."""
    with port(shown(ready=["a"]), metrics_token=TOKEN) as where:
        tries: list[str | None] = [None, "Bearer x", TOKEN, f"Basic {TOKEN}"]
        for sent in tries:
            wrong: dict[str, Any] = {} if sent is None else {"Authorization": sent}
            status, headers, text = ask(where, "/metrics", **wrong)
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
            assert "streamledger_" not in text
            assert ask(where, "/health/ready", **wrong)[0::2] == (503, '{"ready": false}\n')
        assert ask(where, "/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert "reasons" in ask(where, "/health/ready", Authorization=f"bearer {TOKEN}")[2]


def test_a_client_certificate_opens_metrics(tmp_path: Path) -> None:
    """Signed by our CA; none is a probe, and one of another CA gets no connection."""
    files = made(tmp_path)
    with port(metrics_ssl_certfile=files / "server.pem", metrics_ssl_cafile=files / "ca.crt") as where:

        def client(*names: str) -> ssl.SSLContext:
            context = ssl.create_default_context(cafile=str(files / "ca.crt"))
            for name in names:
                context.load_cert_chain(files / name)
            return context

        assert ask(where, "/metrics", client("client.pem"))[0] == 200
        assert ask(where, "/metrics", client())[0] == 401
        assert ask(where, "/health/ready", client())[0::2] == (200, '{"ready": true}\n')
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
            ask(where, "/metrics", client("other.pem"))
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(where, "/metrics")  # no TLS at all


def test_token_and_certificate_are_both_needed_where_both_are_set(tmp_path: Path) -> None:
    """The stricter reading of two settings."""
    files = made(tmp_path)
    settings: dict[str, Any] = {"metrics_ssl_certfile": files / "server.pem", "metrics_ssl_cafile": files / "ca.crt"}
    with port(**settings, metrics_token=TOKEN) as where:
        context = ssl.create_default_context(cafile=str(files / "ca.crt"))
        assert ask(where, "/metrics", context, Authorization=f"Bearer {TOKEN}")[0] == 401
        context.load_cert_chain(files / "client.pem")
        assert ask(where, "/metrics", context)[0] == 401
        assert ask(where, "/metrics", context, Authorization=f"Bearer {TOKEN}")[0] == 200


def test_a_port_that_is_taken_is_said() -> None:
    """With what to do."""
    with (
        port() as (host, number),
        pytest.raises(UsageError, match="each needs one of its own"),
        port(metrics_address=f"{host}:{number}"),
    ):
        pass


def test_whoever_is_slow_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """However it drips; others are answered meanwhile."""
    monkeypatch.setattr(server, "WHOLE_SECONDS", 0.5)
    with port() as where, socket.create_connection(where, 30) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\nX: ")

        def cut() -> bool:
            try:
                slow.sendall(b"x")
                slow.settimeout(0.05)
                return slow.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        assert ask(where, "/metrics")[0] == 200
        assert eventually(cut)


def test_connections_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes on top is turned away at once, and there is room again when the others have gone."""
    monkeypatch.setattr(server, "CONNECTIONS", 2)
    with port() as where:
        with ExitStack() as stack:
            held = [stack.enter_context(socket.create_connection(where, 30)) for _ in range(2)]
            with socket.create_connection(where, 30) as third:
                assert third.recv(1) == b""
            assert held

        def answered() -> bool:
            try:
                return ask(where, "/metrics")[0] == 200
            except (ConnectionError, http.client.HTTPException):
                return False

        assert eventually(answered)


def test_nothing_of_a_request_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    """Neither what is asked nor what is wrong with it: it may be a secret in the wrong place."""
    with port() as where:
        ask(where, "/metrics?token=hunter2")
        with socket.create_connection(where, 30) as rude:
            rude.sendall(b"hunter2 hunter2 hunter2 hunter2\r\n\r\n")
            rude.recv(1_000)
    told = capfd.readouterr()
    assert "hunter2" not in told.out + told.err
