"""N embedded Kafka nodes as one cluster, each broker and controller, on free ports.

Owns ports, cluster id and the order of starting and stopping. Imports `pipeline.errors` and its siblings.
"""

import base64
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pipeline.errors import BrokerUnavailable, PortTaken, UsageError
from pipeline.ops.broker.jars import classpath
from pipeline.ops.broker.ports import HOST, free_ports
from pipeline.ops.broker.process import QUICK, START_SECONDS, STOP_SECONDS, Node
from pipeline.ops.broker.properties import Ports, server_properties
from pipeline.ops.broker.security import NAME, Security

ATTEMPTS: Final = 5
"""Starts with other ports, should somebody take one between our look and Kafka's bind."""


class Cluster:
    """Embedded Kafka; as a context manager it runs from entry to exit.

    A home that already holds a cluster of the same size is started again with its data.
    """

    def __init__(  # noqa: PLR0913 (what a user of it may want to choose, each with a default)
        self,
        home: Path,
        *,
        brokers: int = 1,
        port: int | None = None,
        extra: Mapping[str, str] | None = None,
        jvm: Sequence[str] = QUICK,
        jars: Sequence[Path] | None = None,
        security: Security | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Describe a cluster; nothing is started.

        Args:
            home: Directory for configuration, logs and data.
            brokers: Number of nodes.
            port: Client port of the first node, the others follow it; default free ports.
            extra: Further Kafka properties of every node; they win.
            jvm: Options of the Java machines.
            jars: Class path of Kafka; default the verified cache.
            security: Logins, TLS and rights; default none of them.
            say: Told in one line when something takes long.

        Raises:
            UsageError: No broker is asked for, or home holds a cluster of another size.
        """
        if brokers < 1:
            raise UsageError(f"a cluster of {brokers} brokers", hint="ask for at least one")
        found = len(list(home.glob("node-*")))
        if found not in {0, brokers}:
            text = f"{home} holds a cluster of {found} brokers, not {brokers}"
            raise UsageError(text, hint="choose another directory")
        self.home = home.absolute()
        self.nodes: list[Node] = []
        self._brokers = brokers
        self._port = port
        self._extra = extra
        self._jvm = jvm
        self._jars = jars
        self._security = security
        self._say = say
        self._ports: list[Ports] = []

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect: host:port of every node, with commas."""
        host = HOST if self._security is None else NAME
        return ",".join(f"{host}:{ports.clients}" for ports in self._ports)

    @property
    def certified_servers(self) -> str:
        """Where clients of a secured cluster connect with a certificate."""
        return ",".join(f"{NAME}:{ports.certified}" for ports in self._ports)

    def start(self, seconds: float = START_SECONDS) -> Self:
        """Start all nodes and wait until each serves; after a stop or kill on the same ports, with the same data.

        Raises:
            PortTaken: `port` is in use.
            BrokerUnavailable: Kafka can't be fetched or does not start in time; whatever did start was killed.
        """
        jars = self._jars or classpath(say=self._say)
        deadline = time.monotonic() + seconds
        attempts = 1 if self._port is not None or self.nodes else ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                self._launch(jars, deadline)
            except PortTaken:
                self.kill()
                if attempt == attempts:
                    raise
                self.nodes = []
            except BaseException:
                self.kill()
                raise
            else:
                return self
        raise AssertionError

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End all nodes in order, kill those that take longer. Idempotent."""
        deadline = time.monotonic() + seconds
        for node in self.nodes:  # all at once: the last ones alone have no quorum left to say goodbye to
            node.terminate()
        for node in self.nodes:
            node.stop(max(0.0, deadline - time.monotonic()))

    def kill(self) -> None:
        """End all nodes at once (SIGKILL). Idempotent."""
        for node in self.nodes:
            node.kill()

    def discard(self) -> None:
        """Kill all nodes and remove the home with all data."""
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self, jars: Sequence[Path], deadline: float) -> None:
        """Prepare and start every node, then wait for all: none is ready before most of them run."""
        if not self.nodes:
            self._ports = self._choose()
            self.nodes = [self._node(number, jars) for number in range(1, self._brokers + 1)]
        cluster_id = self._cluster_id()
        with ThreadPoolExecutor(self._brokers) as pool:
            list(pool.map(lambda node: node.format(cluster_id), self.nodes))
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait(max(0.1, deadline - time.monotonic()))

    def _node(self, number: int, jars: Sequence[Path]) -> Node:
        """One node, by its number from 1."""
        home = self.home / f"node-{number}"
        extra = self._extra
        credentials: list[str] = []
        if self._security is not None:
            extra = self._security.properties(self._ports[number - 1]) | dict(extra or {})
            credentials = self._security.credentials()
        properties = server_properties(number, self._ports, home / "data", extra)
        return Node(home, properties, jars, jvm=self._jvm, credentials=credentials)

    def _choose(self) -> list[Ports]:
        """Ports for every node: the client's as asked for, all others free ones."""
        count = self._brokers
        free = free_ports(4 * count)
        clients = free[:count] if self._port is None else list(range(self._port, self._port + count))
        rest = (free[at * count : (at + 1) * count] for at in (1, 2, 3))
        return [Ports(*four) for four in zip(clients, *rest, strict=True)]

    def _cluster_id(self) -> str:
        """The id that the data carries, else a new one: state of one cluster must never pass for another's."""
        for meta in sorted(self.home.glob("node-*/data/meta.properties")):
            for line in meta.read_text(encoding="ascii").splitlines():
                name, _, value = line.partition("=")
                if name == "cluster.id":
                    return value
            raise BrokerUnavailable(f"{meta} has no cluster.id", hint=f"remove {self.home} to begin anew")
        while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
            pass
        return text
