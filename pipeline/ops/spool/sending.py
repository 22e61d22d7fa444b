"""What lies in a spool and nobody sends, sent: by a publisher that adopts it, as any other one would.

Owns which files it gets, and when that is done. Imports the publisher and its spool.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.errors import BrokerFault, FoundProblem, KafkaUnreachable
from pipeline.ingest.publish.backlog import ASIDE, SUFFIX
from pipeline.ingest.publish.estate import alive, owner_of
from pipeline.ingest.publish.policy import Policy
from pipeline.ingest.publish.publisher import Publisher
from pipeline.ingest.publish.segment import Segment
from pipeline.ingest.publish.stats import Report
from pipeline.ops.spool.removal import holding
from pipeline.settings import Settings

LOOK_SECONDS: Final = 0.05

PATIENCE: Final = 10.0
"""Kafka may be silent for so long before it counts as away; nobody's stream waits here."""


@dataclass(frozen=True)
class Sent:
    """What became of the chunks.

    Attributes:
        chunks: Of which Kafka has been told; `refused` and `late` are among them.
        refused: Set aside (again): the topic does not take them.
        late: Sent after session_window + revise_window; the ledger may make dead letters of them.
        living: Files that were left to their publishers.
    """

    chunks: int
    refused: int
    late: int
    living: int


def send(folder: Path, settings: Settings, *, refused: bool, told: Callable[[int], object] = lambda _: None) -> Sent:
    """Send all that publishers which have ended left in a directory.

    Args:
        folder: The directory.
        settings: Where to; files for another topic are left alone.
        refused: Also what was set aside because the topic did not take it.
        told: How many chunks are through, now and then.

    Raises:
        KafkaUnreachable: Kafka does not answer; what was not sent stays.
        BrokerFault: It refuses; as above.
        FoundProblem: A file can't be read.
        OSError: The directory can't be read or written.
    """
    if refused:
        for path in sorted(folder.glob(f"*{ASIDE}")):
            if not _waits(path, settings.chunk_topic):
                continue
            with holding(path):
                # Under an owner that nobody is: the one who set it aside may live, and knows of no such file.
                path.rename(path.with_name(f"again-{uuid.uuid4().hex[:12]}-{1:08d}{SUFFIX}"))
    every = list(folder.glob(f"*{SUFFIX}"))
    ours = [path for path in every if not alive(folder, owner_of(path))]
    reports: list[Report] = []
    with Publisher(settings, policy=Policy(spool=folder, patience=PATIENCE, on_report=reports.append)) as publisher:
        while any(_waits(path, settings.chunk_topic) for path in ours) and not _trouble(reports):
            told(publisher.stats().adopted)
            time.sleep(LOOK_SECONDS)
        stats = publisher.stats()
    trouble = _trouble(reports)
    if trouble is not None:
        kinds = {"away": KafkaUnreachable, "broker": BrokerFault, "spool": FoundProblem}
        raise kinds[trouble.kind](trouble.reason, hint=trouble.hint or "what was not sent is still there")
    return Sent(stats.adopted, stats.aside, stats.late, len(every) - len(ours))


def _trouble(reports: list[Report]) -> Report | None:
    """The first report after which waiting is of no use."""
    return next((each for each in reports if each.kind in ("away", "broker", "spool")), None)


def _waits(path: Path, topic: str) -> bool:
    """Whether a file is still there to be sent."""
    try:
        return Segment(path).topic == topic
    except FileNotFoundError:
        return False
