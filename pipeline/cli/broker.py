"""`streamledger broker`: an embedded Kafka in the foreground.

Owns the options and waiting for the end; the brokers are `pipeline.ops.broker`.
"""

from __future__ import annotations

import json
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rich_click as click

from pipeline.cli.options import examples, json_option
from pipeline.cli.shell import COMMANDS
from pipeline.errors import BrokerUnavailable
from pipeline.settings import ENV_PREFIX

if TYPE_CHECKING:
    from pipeline.ops.broker import Cluster

PORT: Final = 9092
"""Kafka's own, and so the default of bootstrap_servers: the other commands find it without being told."""
LOOK_SECONDS: Final = 0.5
"""How soon it is noticed that a broker has died."""


@click.command(
    help=f"{COMMANDS['broker']} A real Apache Kafka; needs no Docker and no Java. Ctrl-C stops it.",
    epilog=examples(
        "streamledger broker",
        "streamledger broker --brokers 3 --home ./kafka",
        "streamledger broker --port 19092 --json",
    ),
)
@click.option("--brokers", type=click.IntRange(1, 9), default=1, show_default=True, metavar="N", help="Nodes to start.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535 - 9),
    default=PORT,
    show_default=True,
    metavar="PORT",
    help="Port of the first node; the others follow it.",
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Directory of the data, kept for the next start. [default: a new one that is removed at the end]",
)
@json_option
def command(*, brokers: int, port: int, home: Path | None, as_json: bool) -> None:
    """Run until SIGINT or SIGTERM."""
    from pipeline.ops.broker import KAFKA_VERSION, Cluster

    with _directory(home) as directory:
        cluster = Cluster(directory, brokers=brokers, port=port, say=lambda text: click.echo(text, err=True))
        with cluster, _stopped() as stop:
            servers = cluster.bootstrap_servers
            if as_json:
                click.echo(json.dumps({"bootstrap_servers": servers, "version": KAFKA_VERSION, "home": str(directory)}))
            else:
                click.echo(f"Apache Kafka {KAFKA_VERSION} at {servers}; Ctrl-C stops it")
                click.echo(f"export {ENV_PREFIX}BOOTSTRAP_SERVERS={servers}")
            _watch(cluster, stop)


def _watch(cluster: Cluster, stop: threading.Event) -> None:
    """Wait for the signal.

    Raises BrokerUnavailable when a node ends by itself.
    """
    while not stop.wait(LOOK_SECONDS):
        for node in cluster.nodes:
            if not node.running:
                raise BrokerUnavailable("a node of the embedded Kafka has ended", hint=f"see {node.log}")


@contextmanager
def _directory(home: Path | None) -> Iterator[Path]:
    """The directory asked for, or a new one that goes with the command."""
    if home is not None:
        home.mkdir(parents=True, exist_ok=True)
        yield home
        return
    with tempfile.TemporaryDirectory(prefix="streamledger-kafka-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@contextmanager
def _stopped() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set: both are the ordinary end of this command."""
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in signals]
    try:
        yield stop
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
