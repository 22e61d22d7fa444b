"""The Kafka that tests and demo run on: the one that is named, else a container, else the embedded broker.

Owns the order of preference and the two ways to bring a Kafka up for a while. Imports `pipeline.errors` and
`pipeline.ops.broker`; docker and testcontainers only if they are installed and an engine answers.
"""

import contextlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pipeline.ops.broker import KAFKA_VERSION, Cluster
from pipeline.ops.broker.ports import HOST, free_ports
from pipeline.ops.broker.process import START_SECONDS
from pipeline.ops.broker.properties import CLIENTS, COMMON, environment, replication

VARIABLE: Final = "STREAMLEDGER_BOOTSTRAP_SERVERS"
IMAGE: Final = f"apache/kafka:{KAFKA_VERSION}"
DOCKER_SOCKET: Final = "unix:///var/run/docker.sock"
ENGINE_SECONDS: Final = 2
"""How long an engine may take to answer a ping; a socket that is there but dead must not delay every test run."""

Say = Callable[[str], None]
Source = Literal["environment", "docker", "embedded"]


class Kafka(NamedTuple):
    """A Kafka to use, and where it came from."""

    bootstrap_servers: str
    source: Source


def embedded(say: Say) -> AbstractContextManager[str]:
    """One broker in a new directory that goes with it; see `pipeline.ops.broker`."""
    return _embedded(say)


@contextlib.contextmanager
def _embedded(say: Say) -> Iterator[str]:
    """The broker is killed at the end: nobody needs its data, so nobody waits for an orderly stop."""
    with tempfile.TemporaryDirectory(prefix="streamledger-kafka-", ignore_cleanup_errors=True) as home:
        cluster = Cluster(Path(home) / "kafka", say=say)
        try:
            yield cluster.start().bootstrap_servers
        finally:
            cluster.kill()


def engine_answers() -> bool:
    """Whether a Docker engine is there and alive, and testcontainers is installed to use it."""
    try:
        from testcontainers.core.docker_client import DockerClient, get_docker_host  # noqa: PLC0415 (optional)
    except ImportError:
        return False
    address = get_docker_host() or DOCKER_SOCKET
    if address.startswith("unix://"):
        return _pings(address.removeprefix("unix://"))
    try:
        client = DockerClient(timeout=ENGINE_SECONDS).client
        try:
            return bool(client.ping())
        finally:
            client.close()
    except Exception:  # noqa: BLE001 (whatever goes wrong in another program's client: there is no engine for us)
        return False


def _pings(path: str) -> bool:
    """Whether an engine answers on a local socket; asked by hand, because docker's client leaks a socket when not."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(ENGINE_SECONDS)
        try:
            line.connect(path)
            line.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in line.recv(64)
        except OSError:
            return False


@contextlib.contextmanager
def container(_: Say) -> Iterator[str]:
    """One broker of the apache/kafka image through testcontainers.

    The generic container is used, because testcontainers' own KafkaContainer starts another vendor's image by scripts
    that this one lacks. The port outside is chosen beforehand: a broker has to know it to advertise it.
    """
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 (optional)
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415 (optional)

    (port,) = free_ports(1)
    box = DockerContainer(IMAGE).with_bind_ports(9092, port)
    host = box.get_container_host_ip()
    for name, value in container_environment(host, port).items():
        box = box.with_env(name, value)
    ready = LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(int(START_SECONDS))
    with box.waiting_for(ready):
        yield f"{host}:{port}"


def container_environment(host: str, port: int) -> dict[str, str]:
    """Variables of the apache/kafka image for one broker that clients reach at host:port."""
    return environment(
        {
            **COMMON,
            **replication("1", "1"),
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:9094",
            "listeners": f"{CLIENTS}://0.0.0.0:9092,BROKER://{HOST}:9093,CONTROLLER://{HOST}:9094",
            "advertised.listeners": f"{CLIENTS}://{host}:{port},BROKER://{HOST}:9093",
        }
    )


@contextlib.contextmanager
def discover(
    environ: Mapping[str, str] = os.environ,
    *,
    say: Say = lambda _: None,
    engine: Callable[[], bool] = engine_answers,
    docker: Callable[[Say], AbstractContextManager[str]] = container,
    broker: Callable[[Say], AbstractContextManager[str]] = embedded,
) -> Iterator[Kafka]:
    """The first Kafka there is, until the end of the block: environment, Docker engine, embedded broker.

    A Kafka that is named is used as it is, alive or not: a typing error must not end in tests of another broker.

    Args:
        environ: Where STREAMLEDGER_BOOTSTRAP_SERVERS is looked up.
        say: Told in one line which was chosen, and when something takes long.
        engine: Whether a Docker engine answers.
        docker: Runs a container.
        broker: Runs the embedded broker.

    Raises:
        BrokerUnavailable: None could be had.
    """
    with contextlib.ExitStack() as held:
        yield _choose(environ, say, held, engine, docker, broker)


def _choose(
    environ: Mapping[str, str],
    say: Say,
    held: contextlib.ExitStack,
    engine: Callable[[], bool],
    docker: Callable[[Say], AbstractContextManager[str]],
    broker: Callable[[Say], AbstractContextManager[str]],
) -> Kafka:
    """Bring up the first that works; `held` keeps it."""
    if named := environ.get(VARIABLE, "").strip():
        say(f"Kafka at {named}, named by {VARIABLE}")
        return Kafka(named, "environment")
    if engine():
        try:
            servers = held.enter_context(docker(say))
        except Exception as error:  # noqa: BLE001 (an engine that can't run it is no reason to fail: there is a third way)
            say(f"Docker answers but can't run {IMAGE} ({type(error).__name__}); using the embedded Kafka")
        else:
            say(f"Kafka {KAFKA_VERSION} in Docker ({IMAGE}) at {servers}")
            return Kafka(servers, "docker")
    servers = held.enter_context(broker(say))
    say(f"embedded Kafka {KAFKA_VERSION} at {servers}")
    return Kafka(servers, "embedded")
