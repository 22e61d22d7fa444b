"""The Faust app: two agents, one timer, one table (DESIGN §4).

`accumulate` folds batches of chunks, `finalizer` makes records of closed requests, `tick` starts what is due.
Everything of Faust that we don't use is off. Imports Faust and the engine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final, cast

import faust
from aiokafka.structs import TopicPartition
from faust.app.base import BootStrategy
from faust.types import TP

from pipeline.engine.config import Config
from pipeline.engine.database import Memory
from pipeline.engine.delivery import BatchConsumer, BatchTransport
from pipeline.engine.engine import CloseSignal, Engine
from pipeline.engine.meter import Meter
from pipeline.engine.noise import LIBRARY
from pipeline.engine.preflight import Cluster
from pipeline.engine.table import EngineTables, RequestTable

TABLE: Final = "requests"

TICK_SECONDS: Final = 0.05
"""A quarter of the shortest checkpoint interval."""

BUFFERED_BATCHES: Final = 4_096
"""Never reached: each partition has few on their way. Faust's flow control would begin below it."""

SIGNALS: Final = 1 << 20
"""Never full: a putter that waits is cancelled when a rebalance clears the queue, and with it the agent."""


class EngineBoot(BootStrategy):
    """Neither Faust's web server nor its producer: all that is sent goes through the transactions of a partition.

    Narrows faust.app.base.BootStrategy.
    """

    enable_web = False
    enable_kafka_producer = False


class EngineApp(faust.App):
    """Faust's app with our transport and boot strategy."""

    logger = LIBRARY
    BootStrategy: ClassVar[type[BootStrategy]] = EngineBoot
    engine: Engine
    engine_topics: frozenset[str]
    """Topics that Faust must neither seek nor commit."""

    def _new_transport(self) -> Any:
        # Replaces faust.app.base.App._new_transport: a transport can't be given as a setting.
        return BatchTransport(self.conf.broker_consumer, self)


class FaustHost:
    """What the engine needs of the app."""

    def __init__(self, app: EngineApp, signals: Any, source: str) -> None:
        """Keep them."""
        self._app, self._signals, self._source = app, signals, source

    def assigned(self) -> set[TP]:
        """Partitions of the source topic that the group gave us."""
        return {TP(tp.topic, tp.partition) for tp in self._app.consumer.assignment() if tp.topic == self._source}

    async def start_chain(self, tp: TP, offset: int, chain: int) -> None:
        """Seek in the consumer's thread."""
        await cast("BatchConsumer", self._app.consumer).start_chain(tp, offset, chain)

    async def signal(self, signal: CloseSignal) -> None:
        """Put a signal into the finalizer's channel."""
        await self._signals.put(signal)

    def joined(self) -> bool:
        """Whether the group knows us."""
        return cast("BatchConsumer", self._app.consumer).place().joined

    def silence(self, now: float) -> float:
        """Of the consumer's brokers."""
        return cast("BatchConsumer", self._app.consumer).silence(now)

    def end(self, tp: TopicPartition) -> int | None:
        """As the consumer heard of it last."""
        return cast("BatchConsumer", self._app.consumer).end(tp)


def create_app(config: Config, cluster: Cluster, directory: Path, meter: Meter | None = None) -> EngineApp:
    """The app of one worker. Needs the running event loop.

    Args:
        config: Of the worker.
        cluster: What preflight found.
        directory: Of the local stores, held by this process alone.
        meter: What is counted goes there.
    """
    app = _app(config, cluster, directory)
    chunks = app.topic(
        config.source,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        acks=False,  # Faust keeps no account of our offsets and commits none
    )
    signals = app.channel(maxsize=SIGNALS)
    table = app.Table(TABLE, partitions=cluster.partitions)
    if not isinstance(table, RequestTable):
        raise TypeError("the setting Table has no effect")
    table.store.memory = Memory()
    engine = app.engine = Engine(config, cluster, table.store, FaustHost(app, signals, config.source), meter)

    _register(app, engine, chunks, signals)
    return app


def _register(app: EngineApp, engine: Engine, chunks: Any, signals: Any) -> None:
    """The agents, the timer, and what runs inside a rebalance."""

    @app.agent(chunks)
    async def accumulate(batches: Any) -> None:
        """Fold batches of chunks into the partition's working set."""
        async for batch in batches:
            with engine.fatal_errors():
                await engine.accumulate(batch)

    @app.agent(signals)
    async def finalizer(closed: Any) -> None:
        """Turn closed requests into records; the partition's next checkpoint carries them."""
        async for signal in closed:
            with engine.fatal_errors():
                await engine.finalize(signal)

    @app.timer(interval=TICK_SECONDS)  # type: ignore[untyped-decorator]  # Faust leaves it untyped
    async def tick() -> None:
        """Start what is due."""
        with engine.fatal_errors():
            engine.tick()

    async def give_up(sender: Any, *args: Any, signal: Any, **kwargs: Any) -> None:  # noqa: ARG001 (Faust's signature)
        """Runs inside the rebalance: others wait until our last checkpoint is made."""
        await engine.release_all("revoked")

    app.on_partitions_revoked.connect(give_up, weak=False)  # type: ignore[arg-type]  # mode's type of handlers fits none


def _app(config: Config, cluster: Cluster, directory: Path) -> EngineApp:
    app = EngineApp(
        config.group,
        broker="kafka://" + ";".join(config.client["bootstrap_servers"]),
        store="rocksdb://",
        datadir=str(directory),
        Table=RequestTable,
        TableManager=EngineTables,
        topic_partitions=cluster.partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        autodiscover=False,
        stream_buffer_maxsize=BUFFERED_BATCHES,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        broker_client_id=f"streamledger-{config.group}",
        broker_session_timeout=config.timing.session,
        broker_request_timeout=config.timing.rebalance + 5,
        broker_rebalance_timeout=config.timing.rebalance,
        broker_heartbeat_interval=config.timing.heartbeat,
        worker_redirect_stdouts=False,
    )
    app.engine_topics = frozenset({config.source, config.changelog})
    return app
