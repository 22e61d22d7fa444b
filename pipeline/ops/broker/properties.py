"""What a Kafka node of ours is configured with, and how that is written for the embedded broker and for a container.

Every value that differs from Kafka's default has its reason here. Imports the standard library only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.ops.broker.ports import HOST

CLIENTS: Final = "CLIENT"
"""Listener for clients, apart from the one between brokers: SASL or TLS tests change only this one."""

COMMON: Final = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "BROKER",
    "listener.security.protocol.map": f"{CLIENTS}:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # A wrong topic name must be an error, never a topic with the wrong clock.
    "auto.create.topics.enable": "false",
    # 16 MiB chunks, 64 KiB of headers on their dead letters, and room for the batch around them (CONTRACT §3).
    "message.max.bytes": str(17 << 20),
    "replica.fetch.max.bytes": str(17 << 20),
    # Defaults are for large clusters: 50 partitions each would be most of the work of a first start.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    # The default waits 3 s for more members before each group's first assignment.
    "group.initial.rebalance.delay.ms": "0",
    # Lets a test see a dead worker's partitions move in less than the default minimum of 6 s.
    "group.min.session.timeout.ms": "1000",
    # A broker that was killed may register again when its session has ended: 9 s by default. Much less than this, and
    # a loaded machine or a slow disk costs a healthy broker its session.
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "1000",
    # The coordinator looks for transactions past their timeout every 10 s by default: an owner that vanished would hold
    # read_committed readers back for up to twice its timeout.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # The cleaner's 128 MiB by default would be a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": str(16 << 20),
    "num.network.threads": "2",
    "num.io.threads": "4",
}


@dataclass(frozen=True)
class Ports:
    """Ports of one node on the loopback interface."""

    clients: int
    brokers: int
    controller: int
    certified: int = 0
    """Of a secured node: for clients with a certificate."""


def server_properties(
    node: int, ports: Sequence[Ports], data: Path, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Configuration of one node of a cluster in which every node is broker and controller.

    Args:
        node: Number of the node, from 1.
        ports: Ports of all nodes, in order.
        data: Directory of the node's log.
        extra: Further properties; they win.
    """
    own = ports[node - 1]
    copies, in_sync = str(min(3, len(ports))), str(min(2, len(ports)))
    return {
        **COMMON,
        "node.id": str(node),
        "controller.quorum.voters": ",".join(f"{n}@{HOST}:{p.controller}" for n, p in enumerate(ports, 1)),
        "listeners": f"{CLIENTS}://{HOST}:{own.clients},BROKER://{HOST}:{own.brokers},CONTROLLER://{HOST}:{own.controller}",
        "advertised.listeners": f"{CLIENTS}://{HOST}:{own.clients},BROKER://{HOST}:{own.brokers}",
        "log.dirs": str(data),
        **replication(copies, in_sync),
        **(extra or {}),
    }


def replication(copies: str, in_sync: str) -> dict[str, str]:
    """Replication of new topics and of Kafka's own."""
    return {
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
    }


def render(properties: Mapping[str, str]) -> str:
    """A Java properties file; other than ASCII is escaped, because Java reads such files as Latin-1."""
    return "".join(f"{name}={_escape(value)}\n" for name, value in properties.items())


def _escape(value: str) -> str:
    r"""The value with `\uXXXX` for each UTF-16 unit that is not printable ASCII, and for backslashes."""
    units = value.encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    return "".join(chr(code) if 32 <= code < 127 and code != ord("\\") else f"\\u{code:04x}" for code in codes)


def environment(properties: Mapping[str, str]) -> dict[str, str]:
    """The same as variables of the apache/kafka image: `.` as `_`, upper case, KAFKA_ in front."""
    return {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in properties.items()}
