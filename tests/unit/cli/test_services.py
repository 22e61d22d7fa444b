"""`worker`, `demo`, `topics`, `broker` and `produce`: what they pass on and what they say; others do the work."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from io import BufferedIOBase, BytesIO, StringIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Self, cast

import pytest
from click.testing import Result

from pipeline.cli import broker as broker_command
from pipeline.cli import produce as produce_command
from pipeline.errors import UsageError
from pipeline.ops.broker import Cluster
from pipeline.ops.produce import Progress, Sent
from pipeline.settings import Settings
from pipeline.topics.admin import Found

Invoke = Callable[..., Result]


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts something else in a module's place, without importing the module."""

    def replace(name: str, **content: Any) -> None:
        package, _, module = name.rpartition(".")
        fake = ModuleType(name)
        fake.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, fake)
        monkeypatch.setattr(importlib.import_module(package), module, fake, raising=False)

    return replace


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logging belongs to the process that runs the tests."""
    monkeypatch.setattr("pipeline.log.configure", lambda **_: None)


class TestWorker:
    """`worker` hands the settings over and returns what comes back."""

    def test_settings_and_options_are_passed_on(self, invoke: Invoke, instead: Callable[..., None]) -> None:
        """Every setting has a flag here."""
        calls: list[tuple[Settings, dict[str, object]]] = []

        def run(settings: Settings, **options: object) -> int:
            calls.append((settings, options))
            return 0

        instead("pipeline.engine.worker", run=run)
        options = ("--drain", "--reset-to", "latest", "--instance", "worker-1")
        result = invoke("worker", *options, "--finish-grace", "3s", "--bootstrap-servers", "kafka:9092")

        assert result.exit_code == 0
        assert [(made.finish_grace, made.bootstrap_servers, options) for made, options in calls] == [
            (3_000, "kafka:9092", {"drain": True, "reset_to": "latest", "instance": "worker-1"})
        ]

    @pytest.mark.parametrize(
        ("arguments", "variable", "expected"),
        [((), None, None), (("--instance", "a"), "b", "a"), ((), "b", "b"), ((), "", None)],
        ids=["unnamed", "flag over variable", "variable", "empty variable"],
    )
    def test_static_membership_is_asked_for_by_flag_or_variable(
        self,
        invoke: Invoke,
        instead: Callable[..., None],
        monkeypatch: pytest.MonkeyPatch,
        arguments: tuple[str, ...],
        variable: str | None,
        expected: str | None,
    ) -> None:
        """A container gets its own name by a variable, which is no setting of the others."""
        names: list[str | None] = []

        def run(_: Settings, *, instance: str | None, **__: object) -> int:
            names.append(instance)
            return 0

        instead("pipeline.engine.worker", run=run)
        if variable is not None:
            monkeypatch.setenv("STREAMLEDGER_INSTANCE", variable)

        assert invoke("worker", *arguments).exit_code == 0
        assert names == [expected]

    @pytest.mark.parametrize("name", ["", "..", "two words", "ü", "x" * 250])
    def test_a_name_that_no_broker_takes_is_bad_usage(
        self, invoke: Invoke, instead: Callable[..., None], name: str
    ) -> None:
        """Said at once, not as an endless attempt to join."""
        instead("pipeline.engine.worker", run=lambda *_, **__: 0)
        result = invoke("worker", "--instance", name)

        assert result.exit_code == 2
        assert "is no name" in result.stderr


class TestDemo:
    """`demo` brings its own Kafka unless one is named."""

    @pytest.mark.parametrize(
        ("arguments", "variable", "own"),
        [((), None, True), (("--bootstrap-servers", "k:1"), None, False), ((), "k:1", False)],
    )
    def test_a_named_kafka_is_used(
        self,
        invoke: Invoke,
        instead: Callable[..., None],
        monkeypatch: pytest.MonkeyPatch,
        arguments: tuple[str, ...],
        variable: str | None,
        own: bool,
    ) -> None:
        """By flag, variable or file; the default address is nobody's word."""
        calls: list[bool] = []

        def run(_: Settings, *, own_kafka: bool, as_json: bool, db: Path | None, look: object) -> int:
            calls.append(own_kafka)
            return int(as_json and db is None and look is None)

        instead("pipeline.ops.demo", run=run)
        if variable is not None:
            monkeypatch.setenv("STREAMLEDGER_BOOTSTRAP_SERVERS", variable)

        assert invoke("demo", *arguments, "--json").exit_code == 1
        assert calls == [own]


class TestTopics:
    """`topics` creates, looks, and says what differs."""

    @pytest.fixture
    def cluster(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Found]:
        """Topics of a cluster that is not there; what is created appears in it."""
        there: dict[str, Found] = {}

        async def create(_: object, wanted: list[Any]) -> list[str]:
            new = [topic for topic in wanted if topic.name not in there]
            there.update({topic.name: Found(topic.partitions, 3, topic.config) for topic in new})
            return [topic.name for topic in new]

        async def describe(_: object, names: list[str]) -> dict[str, Found]:
            return {name: there[name] for name in names if name in there}

        monkeypatch.setattr("pipeline.topics.admin.create", create)
        monkeypatch.setattr("pipeline.topics.admin.describe", describe)
        return there

    def test_what_is_missing_is_created(self, invoke: Invoke, cluster: dict[str, Found]) -> None:
        """The first time everything, the second time nothing."""
        first, second = invoke("topics", "--partitions", "2"), invoke("topics", "--partitions", "2", "--json")

        assert (first.exit_code, second.exit_code) == (0, 0)
        assert first.stdout.count("created") == len(cluster)
        assert not first.stderr
        assert json.loads(second.stdout)["created"] == []
        assert json.loads(second.stdout)["topics"]["llm.chunks"] == {"partitions": 2, "replication": 3}

    def test_check_creates_nothing_and_finds_them_missing(self, invoke: Invoke, cluster: dict[str, Found]) -> None:
        """Exit 1, a line for each."""
        result = invoke("topics", "--check")

        assert result.exit_code == 1
        assert not cluster
        assert "error: llm.chunks: the topic is missing, should be there — run streamledger topics" in result.stderr

    def test_drift_is_exit_1_in_both_forms(self, invoke: Invoke, cluster: dict[str, Found]) -> None:
        """What exists is not changed, but said."""
        invoke("topics", "--partitions", "2")
        cluster["llm.chunks"] = Found(3, 3, cluster["llm.chunks"].config)
        text, data = invoke("topics", "--partitions", "2"), invoke("topics", "--partitions", "2", "--check", "--json")

        assert (text.exit_code, data.exit_code) == (1, 1)
        assert "error: llm.chunks: partitions is 3, should be 2 — change the topic" in text.stderr
        assert json.loads(data.stdout)["drift"] == [
            {"topic": "llm.chunks", "what": "partitions", "expected": "2", "found": "3"}
        ]

    def test_few_replicas_are_a_warning(self, invoke: Invoke, cluster: dict[str, Found]) -> None:
        """Nobody should learn from a lost disk that G1 needs three."""
        invoke("topics")
        cluster.update({name: Found(topic.partitions, 1, topic.config) for name, topic in cluster.items()})
        result = invoke("topics")

        assert result.exit_code == 0
        assert result.stderr.startswith("warning: ")


class TestBroker:
    """`broker` runs until a signal, and ends when a node does."""

    @pytest.fixture
    def made(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """Clusters that the command makes; each sends this process SIGTERM once it has started."""
        clusters: list[Any] = []

        class Cluster:
            """Stands in for Kafka."""

            node = SimpleNamespace(running=True, log=Path("kafka.log"))
            bootstrap_servers = "127.0.0.1:19092"

            def __init__(self, home: Path, **options: Any) -> None:
                self.home, self.options, self.stopped = home, options, False
                clusters.append(self)

            @property
            def nodes(self) -> list[Any]:
                return [self.node]

            def __enter__(self) -> Self:
                self.options["say"]("fetching")
                return self

            def __exit__(self, *_: object) -> None:
                self.stopped = True

        monkeypatch.setattr("pipeline.ops.broker.Cluster", Cluster)
        monkeypatch.setattr("pipeline.cli.broker._watch", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        return clusters

    def test_a_signal_is_the_ordinary_end(self, invoke: Invoke, made: list[Any]) -> None:
        """Exit 0, the broker stopped, its directory gone, the handlers as before."""
        before = signal.getsignal(signal.SIGTERM)
        result = invoke("broker", "--brokers", "3", "--port", "19092")

        assert result.exit_code == 0
        assert "export STREAMLEDGER_BOOTSTRAP_SERVERS=127.0.0.1:19092" in result.stdout
        assert result.stderr == "fetching\n"
        assert (made[0].options["brokers"], made[0].options["port"], made[0].stopped) == (3, 19092, True)
        assert not made[0].home.exists()
        assert before is signal.getsignal(signal.SIGTERM)

    def test_a_directory_of_ones_own_stays(self, invoke: Invoke, made: list[Any], tmp_path: Path) -> None:
        """With its data, for the next start."""
        result = invoke("broker", "--home", str(tmp_path / "kafka"), "--json")

        assert json.loads(result.stdout)["home"] == str(tmp_path / "kafka")
        assert made[0].home.is_dir()

    def test_a_node_that_ends_by_itself_is_an_error(
        self, invoke: Invoke, made: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody should wait for a Kafka that is not there; the log is named."""
        monkeypatch.undo()
        node = SimpleNamespace(running=False, log=Path("kafka.log"))
        cluster = SimpleNamespace(
            nodes=[node], bootstrap_servers="127.0.0.1:19092", __enter__=lambda self: self, __exit__=lambda *_: None
        )
        kind = type("Cluster", (), dict(vars(cluster), __init__=lambda *_, **__: None))
        monkeypatch.setattr("pipeline.ops.broker.Cluster", kind)
        result = invoke("broker")

        assert not made
        assert result.exit_code == 3
        assert result.stderr == "error: a node of the embedded Kafka has ended — see kafka.log\n"

    def test_as_long_as_all_nodes_run_it_waits(self) -> None:
        """It looks at every node each time, until the signal comes."""
        stop, looks = threading.Event(), []

        class Node:
            """Runs; at the second look the signal comes."""

            @property
            def running(self) -> bool:
                looks.append(self)
                if len(looks) == 4:
                    stop.set()
                return True

        nodes = [Node(), Node()]
        broker_command._watch(cast("Cluster", SimpleNamespace(nodes=nodes)), stop)

        assert looks == nodes * 2


class Terminal(StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        """Yes."""
        return True


class TestProduce:
    """`produce` says how many chunks Kafka has, and how far it is."""

    @pytest.fixture
    def sent(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, Settings]]:
        """What would have been sent, and where."""
        calls: list[tuple[bytes, Settings]] = []

        async def produce(source: BufferedIOBase, settings: Settings, *, progress: Progress) -> Sent:
            data = source.read()
            calls.append((data, settings))
            progress(Sent(1, len(data)))
            if b"bad" in data:
                raise UsageError("line 1 is bad")
            return Sent(1234, len(data))

        monkeypatch.setattr("pipeline.ops.produce.produce", produce)
        return calls

    def test_the_summary_goes_to_stdout(self, invoke: Invoke, sent: list[tuple[bytes, Settings]]) -> None:
        """As text or as JSON."""
        text = invoke("produce", "--chunk-topic", "elsewhere", stdin="{}")
        data = invoke("produce", "-", "--json", stdin="{}")

        assert text.stdout == "1,234 chunks sent to elsewhere\n"
        assert json.loads(data.stdout) == {"topic": "llm.chunks", "chunks": 1234, "bytes": 2}
        assert [settings.chunk_topic for _, settings in sent] == ["elsewhere", "llm.chunks"]

    @pytest.mark.usefixtures("sent")
    def test_without_a_terminal_there_is_no_bar(self, invoke: Invoke) -> None:
        """A log file has no use for one."""
        assert not invoke("produce", stdin="{}").stderr

    @pytest.mark.usefixtures("sent")
    def test_a_bad_line_is_bad_usage(self, invoke: Invoke) -> None:
        """With the sender's words."""
        result = invoke("produce", stdin="bad")

        assert result.exit_code == 2
        assert result.stderr == "error: line 1 is bad\n"

    def test_on_a_terminal_there_is_a_bar(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Of a file's bytes; of a pipe's just the count."""
        path = tmp_path / "chunks.jsonl"
        path.write_bytes(b"x" * 100)
        terminal = Terminal()
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stderr", terminal)
        with path.open("rb") as file, produce_command._bar(file) as progress:
            progress(Sent(1234, 50))
        with produce_command._bar(BytesIO()) as progress:
            progress(Sent(5678, 50))

        assert "1,234 chunks" in terminal.getvalue()
        assert "5,678 chunks" in terminal.getvalue()
