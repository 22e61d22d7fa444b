"""A cluster's ports, identity and order of events, with nodes that only remember what they were told."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.errors import BrokerUnavailable, PortTaken, StreamledgerError, UsageError
from pipeline.ops.broker import cluster as module
from pipeline.ops.broker.cluster import ATTEMPTS, Cluster


class Nodes:
    """Makes nodes that fail as asked for, and keeps what happened to them."""

    def __init__(self) -> None:
        self.failures: Iterator[StreamledgerError | None] = iter(())
        self.events: list[str] = []
        self.ids: list[str] = []
        self.properties: list[dict[str, str]] = []

    def __call__(self, home: Path, properties: dict[str, str], *_: object, **__: object) -> "FakeNode":
        """Take the place of the class Node."""
        self.properties.append(properties)
        return FakeNode(home, self)


class FakeNode:
    """A node without a process."""

    def __init__(self, home: Path, nodes: Nodes) -> None:
        self.home = home
        self.nodes = nodes

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Any method: remember it; `wait` fails if the test wants it to, `format` leaves the id as Kafka does."""

        def method(*arguments: object) -> None:
            self.nodes.events.append(f"{name} {self.home.name}")
            if name == "format":
                self.nodes.ids.append(str(arguments[0]))
                (self.home / "data").mkdir(parents=True, exist_ok=True)
                (self.home / "data" / "meta.properties").write_text(f"version=1\ncluster.id={arguments[0]}\n")
            if name == "wait" and (error := next(self.nodes.failures, None)):
                raise error

        return method


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    """Fakes in the place of real nodes."""
    made = Nodes()
    monkeypatch.setattr(module, "Node", made)
    return made


def test_all_are_launched_before_any_is_waited_for(tmp_path: Path, nodes: Nodes) -> None:
    """No node of three serves before two of them run."""
    Cluster(tmp_path, brokers=3, jars=[tmp_path]).start()

    launched = [event for event in nodes.events if event.startswith(("launch", "wait"))]

    assert [event.split()[0] for event in launched] == ["launch"] * 3 + ["wait"] * 3


def test_bootstrap_names_every_broker(tmp_path: Path, nodes: Nodes) -> None:
    """A client finds the cluster with any one of its brokers down."""
    cluster = Cluster(tmp_path, brokers=3, port=20_000, jars=[tmp_path]).start()

    assert cluster.bootstrap_servers == "127.0.0.1:20000,127.0.0.1:20001,127.0.0.1:20002"
    assert len(nodes.properties) == 3


def test_lost_race_for_a_port_is_run_again_with_others(tmp_path: Path, nodes: Nodes) -> None:
    """Somebody took a free port before Kafka did: the start goes on with new ones."""
    nodes.failures = iter([PortTaken("taken"), None])

    Cluster(tmp_path, jars=[tmp_path]).start()

    assert len(nodes.properties) == 2
    assert nodes.properties[0]["listeners"] != nodes.properties[1]["listeners"]
    assert "kill node-1" in nodes.events


def test_race_is_not_run_forever(tmp_path: Path, nodes: Nodes) -> None:
    """Something else is wrong when it is lost that often."""
    nodes.failures = iter([PortTaken("taken")] * 99)

    with pytest.raises(PortTaken):
        Cluster(tmp_path, jars=[tmp_path]).start()

    assert len(nodes.properties) == ATTEMPTS


def test_port_that_was_asked_for_is_not_replaced(tmp_path: Path, nodes: Nodes) -> None:
    """Who names a port gets that port or an error."""
    nodes.failures = iter([PortTaken("taken")])

    with pytest.raises(PortTaken):
        Cluster(tmp_path, port=20_000, jars=[tmp_path]).start()

    assert len(nodes.properties) == 1


def test_failed_start_leaves_nothing_running(tmp_path: Path, nodes: Nodes) -> None:
    """One of three does not come up: the others are killed too."""
    nodes.failures = iter([None, BrokerUnavailable("no")])

    with pytest.raises(BrokerUnavailable):
        Cluster(tmp_path, brokers=3, jars=[tmp_path]).start()

    assert {"kill node-1", "kill node-2", "kill node-3"} <= set(nodes.events)


def test_restart_keeps_ports_and_identity(tmp_path: Path, nodes: Nodes) -> None:
    """After a kill clients find the same cluster at the same place."""
    cluster = Cluster(tmp_path, brokers=2, jars=[tmp_path]).start()
    before = cluster.bootstrap_servers
    cluster.kill()

    cluster.start()

    assert cluster.bootstrap_servers == before
    assert len(set(nodes.ids)) == 1


def test_home_with_data_keeps_its_cluster_id(tmp_path: Path, nodes: Nodes) -> None:
    """Another run on the same home is the same cluster; another home is another."""
    Cluster(tmp_path / "a", jars=[tmp_path]).start()
    Cluster(tmp_path / "a", jars=[tmp_path]).start()
    Cluster(tmp_path / "b", jars=[tmp_path]).start()

    assert nodes.ids[0] == nodes.ids[1]
    assert nodes.ids[0] != nodes.ids[2]
    assert all(len(each) == 22 for each in nodes.ids)


def test_home_without_identity_is_refused(tmp_path: Path, nodes: Nodes) -> None:
    """Data that belongs to no cluster is not adopted."""
    (tmp_path / "node-1" / "data").mkdir(parents=True)
    (tmp_path / "node-1" / "data" / "meta.properties").write_text("version=1\n")

    with pytest.raises(BrokerUnavailable, match=r"no cluster\.id"):
        Cluster(tmp_path, jars=[tmp_path]).start()

    assert nodes.ids == []


@pytest.mark.parametrize("brokers", [0, -1, 3])
def test_size_must_be_possible(tmp_path: Path, brokers: int) -> None:
    """No cluster of nothing, and none of three on the data of one."""
    (tmp_path / "node-1").mkdir()

    with pytest.raises(UsageError):
        Cluster(tmp_path, brokers=brokers)


def test_stop_asks_all_before_it_waits_for_one(tmp_path: Path, nodes: Nodes) -> None:
    """The last of three can't leave in order when the first two are gone already."""
    with Cluster(tmp_path, brokers=3, jars=[tmp_path]):
        nodes.events.clear()

    assert [event.split()[0] for event in nodes.events] == ["terminate"] * 3 + ["stop"] * 3


def test_discard_removes_the_data(tmp_path: Path, nodes: Nodes) -> None:
    """Nothing of a cluster that is no longer wanted stays on disk."""
    cluster = Cluster(tmp_path / "home", jars=[tmp_path]).start()

    cluster.discard()

    assert "kill node-1" in nodes.events
    assert not (tmp_path / "home").exists()
