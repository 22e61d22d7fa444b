"""Where measurements take place: a broker and a directory that are gone afterwards, and the settings of one run there.

Imports the tools of `pipeline.ops` and `pipeline.settings`.
"""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.ops.bench.load import PARTITIONS
from pipeline.ops.bench.process import measurable
from pipeline.ops.broker import THROUGHPUT, Cluster
from pipeline.ops.demo.progress import Steps
from pipeline.ops.ending import orderly_end
from pipeline.settings import NAMES, Settings


@dataclass(frozen=True)
class Site:
    """A broker for throughput, and what belongs to it.

    Attributes:
        cluster: The broker.
        home: Directory of the whole run.
        steps: What the user sees.
    """

    cluster: Cluster
    home: Path
    steps: Steps

    def settings(self, given: Settings, name: str, source: str, **changes: Any) -> Settings:
        """The user's settings for one run, except where Kafka is and how everything is called.

        Args:
            given: Of the user.
            name: Of the run: its ledger, and part of every topic that it makes.
            source: Topic of the chunks.
            changes: Settings that the run is about.
        """
        foreign = ("security_", "sasl_", "ssl_")
        kept = {key: getattr(given, key) for key in NAMES if not key.startswith(foreign)}
        own = {
            "bootstrap_servers": self.cluster.bootstrap_servers,
            "ledger": name,
            "chunk_topic": source,
            "record_topic": f"{name}.records",
            "dead_topic": f"{name}.dead",
            "partitions": PARTITIONS,
            "replication": 1,
            "log_format": "json",
            "log_level": "info",
        }
        return Settings(**{**kept, **own, **changes})


@contextlib.contextmanager
def site(extra: Mapping[str, str] | None = None) -> Iterator[Site]:
    """A site; the broker is killed at the end, nobody needs its data.

    Args:
        extra: Properties of the broker.

    Raises:
        BrokerUnavailable: There is no Kafka.
        UsageError: This system does not tell what processes use.
    """
    if not measurable():
        raise UsageError("the benchmark reads what processes use from /proc", hint="run it on Linux")
    with contextlib.ExitStack() as held:
        held.enter_context(orderly_end())
        temporary = tempfile.TemporaryDirectory(prefix="streamledger-bench-", ignore_cleanup_errors=True)
        home = Path(held.enter_context(temporary))
        steps = held.enter_context(Steps())
        cluster = Cluster(home / "kafka", jvm=THROUGHPUT, extra=extra or {}, say=steps.say)
        held.callback(cluster.kill)
        with steps.step("kafka", "starting an embedded Kafka"):
            cluster.start()
        yield Site(cluster, home, steps)


def machine() -> str:
    """What figures of this machine are worth."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
