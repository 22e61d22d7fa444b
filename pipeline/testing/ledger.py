"""A ledger of a test's own on a real Kafka: fresh topics, settings that use them, chunks in, records and letters out.

Owns the names, the topics' life, and the handle that tests get. Imports `pipeline.topics`,
`pipeline.ops.produce`, settings and its siblings.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from pipeline.settings import MESSAGE_BYTES, Settings, client
from pipeline.testing.folding import Folded, Record, Thing, folded, placed
from pipeline.testing.records import Records, letter
from pipeline.testing.topic import append, committed, messages
from pipeline.testing.waiting import DEADLINE, run
from pipeline.topics.admin import create, definitions


class Ledger:
    """A ledger whose topics are there.

    Attributes:
        settings: Names of the topics, the way to Kafka, windows and limits.
        records: Its records as they come.
    """

    def __init__(self, settings: Settings) -> None:
        """Made by `opened` and by the fixture `streamledger_ledger`."""
        self.settings = settings
        self.records = Records(settings, self._look)
        self._watched: list[Callable[[], None]] = []

    def send(self, *things: Thing, partition: int | None = None) -> int:
        """Put streams, chunks or raw values on the chunk topic, in order; how many messages that were.

        Args:
            things: Each chunk goes under its request id.
            partition: None: where Kafka's partitioner puts the key.
        """
        made = messages(things, partition)
        run(append(self.settings, self.settings.chunk_topic, made, max_request_size=MESSAGE_BYTES))
        return len(made)

    def dead_letters(self, at_least: int = 0, *, deadline: float = DEADLINE) -> list[Record]:
        """What was refused, once there is so much: `reason`, `detail`, `request_id`, `value` and where it stood."""
        seen = run(committed(self.settings, self.settings.dead_topic, at_least=at_least, deadline=deadline))
        return [told for each in seen if "reason" in (told := letter(each))]

    def fold(self) -> Folded:
        """The chunks of the topic folded in this process: the records are what a worker must have made, to the byte.

        What is no JSON object, refused by the worker as `not_json`, is `invalid` here; keys are not looked at.
        """
        topic = self.settings.chunk_topic
        seen = sorted(run(committed(self.settings, topic)), key=lambda each: (each.partition, each.offset))
        lines = (placed(each.value or b"", (topic, each.partition, each.offset, each.timestamp)) for each in seen)
        return folded(lines, self.settings)

    def watch(self, look: Callable[[], None]) -> None:
        """Have something called while records are waited for; what it raises ends the wait."""
        self._watched.append(look)

    def _look(self) -> None:
        for look in self._watched:
            look()


def ledger_settings(kafka: str, ledger: str, data_dir: Path, *, chunks: str = "", **changes: Any) -> Settings:
    """Settings of a ledger whose topics have its name, with two partitions.

    Args:
        kafka: its bootstrap servers.
        ledger: a name that nothing else on it has.
        data_dir: of its workers.
        chunks: name of the chunk topic's owner, where several ledgers read the same.
        changes: other settings by name.
    """
    named: dict[str, Any] = {
        "bootstrap_servers": kafka,
        "ledger": ledger,
        "chunk_topic": f"{chunks or ledger}.chunks",
        "record_topic": f"{ledger}.records",
        "dead_topic": f"{ledger}.dead",
        "data_dir": data_dir,
        "partitions": 2,
        "replication": 1,
    }
    return Settings(**(named | changes))


def fresh_name() -> str:
    """A ledger that no other test, and no earlier run on the same Kafka, has used."""
    return f"t{uuid.uuid4().hex[:10]}"


@contextlib.contextmanager
def opened(kafka: str, data_dir: Path, *, remove: bool = False, **changes: Any) -> Iterator[Ledger]:
    """A ledger for the block.

    Args:
        kafka: Bootstrap servers.
        data_dir: Of its workers.
        remove: Delete its topics at the end: of a Kafka that outlives the tests.
        changes: Settings by name; durations and sizes as numbers or as `2s`, `8MiB`.

    Raises:
        UsageError, KafkaUnreachable, BrokerFault: the topics can't be had.
    """
    settings = ledger_settings(kafka, fresh_name(), data_dir, **changes)
    wanted = definitions(settings)
    run(create(client(settings), wanted))
    try:
        yield Ledger(settings)
    finally:
        if remove:
            run(_removed(settings, [each.name for each in wanted]))


async def _removed(settings: Settings, names: list[str]) -> None:
    """Delete topics; a Kafka that went away meanwhile has nothing to delete."""
    admin = AIOKafkaAdminClient(**client(settings))
    with contextlib.suppress(KafkaError, TimeoutError):
        await admin.start()
        await admin.delete_topics(names)
    await admin.close()
