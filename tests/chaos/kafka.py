"""The brokers of a chaos run: embedded, each with a second listener that is advertised through a proxy.

Imports `pipeline.ops.broker`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.ops.broker import Cluster
from pipeline.ops.broker.ports import HOST, free_ports
from pipeline.ops.broker.process import Node
from pipeline.ops.broker.properties import server_properties

LISTENER: Final = "PROXIED"


class ProxiedCluster(Cluster):
    """A cluster whose workers come in through `doors`, pairs of an outer and an inner port."""

    def __init__(self, home: Path, *, brokers: int = 1) -> None:
        """Choose the ports of the doors."""
        ports = free_ports(2 * brokers)
        self.doors = list(zip(ports[:brokers], ports[brokers:], strict=True))
        super().__init__(home, brokers=brokers)

    @property
    def proxied_servers(self) -> str:
        """Where workers connect."""
        return ",".join(f"{HOST}:{outer}" for outer, _ in self.doors)

    def _node(self, number: int, jars: Sequence[Path]) -> Node:
        home = self.home / f"node-{number}"
        outer, inner = self.doors[number - 1]
        common = server_properties(number, self._ports, home / "data")
        own = {
            "listeners": f"{common['listeners']},{LISTENER}://{HOST}:{inner}",
            "advertised.listeners": f"{common['advertised.listeners']},{LISTENER}://{HOST}:{outer}",
            "listener.security.protocol.map": f"{common['listener.security.protocol.map']},{LISTENER}:PLAINTEXT",
        }
        return Node(home, common | own, jars, jvm=self._jvm)
