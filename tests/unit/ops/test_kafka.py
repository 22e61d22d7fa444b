"""Which Kafka is chosen, and how a Docker engine is found and used, without one."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
import testcontainers.core.container
import testcontainers.core.docker_client
from testcontainers.core.container import DockerContainer

from pipeline.errors import BrokerUnavailable
from pipeline.ops.broker import KAFKA_VERSION
from pipeline.ops.kafka import IMAGE, container, container_environment, discover, engine_answers

Say = Callable[[str], None]


class Seam:
    """One way to bring up a Kafka: remembers whether it was used and given back."""

    def __init__(self, servers: str, *, fails: Exception | None = None) -> None:
        self.servers = servers
        self.fails = fails
        self.events: list[str] = []

    @contextlib.contextmanager
    def __call__(self, _: Say) -> Iterator[str]:
        """Bring it up and take it down."""
        self.events.append("up")
        if self.fails is not None:
            raise self.fails
        yield self.servers
        self.events.append("down")


def no_engine() -> bool:
    """No Docker here."""
    return False


def an_engine() -> bool:
    """Docker answers."""
    return True


def test_named_kafka_comes_first() -> None:
    """What the environment names is used as it is, and nothing is started beside it."""
    docker, broker, said = Seam("docker:1"), Seam("embedded:1"), list[str]()

    with discover(
        {"STREAMLEDGER_BOOTSTRAP_SERVERS": " a:1,b:2 "}, say=said.append, engine=an_engine, docker=docker, broker=broker
    ) as found:
        assert found == ("a:1,b:2", "environment")

    assert docker.events == broker.events == []
    assert said == ["Kafka at a:1,b:2, named by STREAMLEDGER_BOOTSTRAP_SERVERS"]


def test_docker_comes_second_and_is_given_back() -> None:
    """An engine that answers is preferred to the embedded broker; its container goes with the block."""
    docker, broker, said = Seam("docker:1"), Seam("embedded:1"), list[str]()

    with discover({}, say=said.append, engine=an_engine, docker=docker, broker=broker) as found:
        assert found == ("docker:1", "docker")
        assert docker.events == ["up"]

    assert docker.events == ["up", "down"]
    assert broker.events == []
    assert len(said) == 1
    assert "docker:1" in said[0]


def test_embedded_broker_needs_nothing_and_comes_last() -> None:
    """Without a name and without an engine the embedded broker runs for as long as the block."""
    docker, broker, said = Seam("docker:1"), Seam("embedded:1"), list[str]()

    with discover({}, say=said.append, engine=no_engine, docker=docker, broker=broker) as found:
        assert found == ("embedded:1", "embedded")

    assert docker.events == []
    assert broker.events == ["up", "down"]
    assert said == [f"embedded Kafka {KAFKA_VERSION} at embedded:1"]


def test_empty_variable_counts_as_absent() -> None:
    """Compose files write an unset variable as an empty one."""
    broker = Seam("embedded:1")

    with discover({"STREAMLEDGER_BOOTSTRAP_SERVERS": ""}, engine=no_engine, broker=broker) as found:
        assert found.source == "embedded"


def test_engine_that_can_not_run_it_is_passed_over() -> None:
    """No right to pull the image is no reason to have no Kafka."""
    docker, broker, said = Seam("", fails=RuntimeError("pull access denied")), Seam("embedded:1"), list[str]()

    with discover({}, say=said.append, engine=an_engine, docker=docker, broker=broker) as found:
        assert found.source == "embedded"

    assert "RuntimeError" in said[0]


def test_no_kafka_at_all_is_the_error_of_the_last_way() -> None:
    """The embedded broker's own clear line comes out."""
    broker = Seam("", fails=BrokerUnavailable("not in the cache"))

    with pytest.raises(BrokerUnavailable, match="not in the cache"), discover({}, engine=no_engine, broker=broker):
        pass


def test_error_inside_the_block_gives_everything_back() -> None:
    """A failing test run leaves no broker behind, and its error is not mistaken for Docker's."""
    closed = []

    @contextlib.contextmanager
    def docker(_: Say) -> Iterator[str]:
        try:
            yield "docker:1"
        finally:
            closed.append("docker")

    with pytest.raises(ValueError, match="of the test"), discover({}, engine=an_engine, docker=docker):
        raise ValueError("of the test")

    assert closed == ["docker"]


@contextlib.contextmanager
def engine_at(path: Path, answer: bytes) -> Iterator[None]:
    """A socket that gives one answer to one caller; none if it is empty."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(10)

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.recv(100)
                line.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(10)


@pytest.mark.parametrize(
    ("answer", "alive"),
    [
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nOK", True, id="alive"),
        pytest.param(b"HTTP/1.0 500 Internal Server Error\r\n\r\n", False, id="ill"),
        pytest.param(b"", False, id="mute"),
    ],
)
def test_socket_must_really_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, *, alive: bool
) -> None:
    """A socket that is there but says nothing good is no engine."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")

    with engine_at(tmp_path / "docker.sock", answer):
        assert engine_answers() is alive


def test_missing_socket_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A docker command on the PATH, or a DOCKER_HOST in the environment, is not enough."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")

    assert engine_answers() is False


@pytest.mark.parametrize("alive", [True, False])
def test_engine_elsewhere_is_asked_through_its_client(monkeypatch: pytest.MonkeyPatch, *, alive: bool) -> None:
    """Over TCP, with or without TLS, Docker's own client knows how to ask."""
    client = mock.Mock()
    client.client.ping = mock.Mock(return_value=True) if alive else mock.Mock(side_effect=ConnectionError)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setattr(testcontainers.core.docker_client, "DockerClient", mock.Mock(return_value=client))

    assert engine_answers() is alive
    client.client.close.assert_called_once_with()


def test_without_testcontainers_there_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a package for tests; the demo of an installed wheel does without."""
    monkeypatch.setitem(__import__("sys").modules, "testcontainers.core.docker_client", None)

    assert engine_answers() is False


def test_container_advertises_the_port_that_clients_see(monkeypatch: pytest.MonkeyPatch) -> None:
    """Image, port and variables go through testcontainers' own signatures, and the container is stopped."""
    box = mock.create_autospec(DockerContainer, instance=True)
    box.with_bind_ports.return_value = box.with_env.return_value = box.waiting_for.return_value = box
    box.get_container_host_ip.return_value = "engine"
    made = mock.create_autospec(DockerContainer, return_value=box)
    monkeypatch.setattr(testcontainers.core.container, "DockerContainer", made)

    with container(print) as servers:
        box.__enter__.assert_called_once_with()
        box.__exit__.assert_not_called()

    host, _, port = servers.partition(":")
    variables = dict(call.args for call in box.with_env.call_args_list)

    made.assert_called_once_with(IMAGE)
    assert host == "engine"
    box.with_bind_ports.assert_called_once_with(9092, int(port))
    assert f"CLIENT://engine:{port}," in variables["KAFKA_ADVERTISED_LISTENERS"]
    box.__exit__.assert_called_once()


def test_container_is_configured_like_the_embedded_broker() -> None:
    """The same limits and no topics out of nothing, whichever Kafka a test runs on."""
    variables = container_environment("localhost", 1234)

    assert variables["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert int(variables["KAFKA_MESSAGE_MAX_BYTES"]) >= 17 << 20
    assert variables["KAFKA_PROCESS_ROLES"] == "broker,controller"
    assert variables["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"] == "1"
