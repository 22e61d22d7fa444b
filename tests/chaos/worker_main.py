"""The worker of a chaos run: the product's own, with the settings it is told, and spoilt where it is asked to be.

What spoils it lives here and nowhere in the product. Imports `pipeline.engine`.

Options: `leak` sends records outside the transaction, and the first worker that does dies before it commits, leaving a
file of that name (the negative control: the reader must catch it); `lose` drops one batch in so many between consumer
and agent; `flush` writes the store out every so many seconds instead of minutes; `rogue` joins another consumer group,
so that two owners believe in the same partitions.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from pipeline.engine import database, delivery, restore, worker
from pipeline.engine.config import Config, Timing, configure
from pipeline.engine.delivery import Batch, Chains
from pipeline.engine.transaction import WITH_HEADERS, Parcel, Receipt, Transactions
from pipeline.errors import StreamledgerError
from pipeline.log import configure as configure_log
from pipeline.log import get_logger
from pipeline.settings import Settings

log = get_logger(__name__)

RECORDS: Final = "records"


class Leaky(Transactions):
    """Sends records by a producer of its own, before the transaction: visible though it may never be committed."""

    died = Path()
    """A file that says that one worker has died between the two."""

    async def commit(
        self,
        scope: str,
        parcels: Sequence[Parcel],
        *,
        offsets: Mapping[TopicPartition, OffsetAndMetadata] | None = None,
        inspect: Callable[[Sequence[Receipt]], None] = lambda _: None,
    ) -> list[Receipt]:
        """Commit what is left."""
        leaking = [parcel for parcel in parcels if parcel.what == RECORDS]
        if leaking:
            producer = AIOKafkaProducer(bootstrap_servers=self._producer.client._bootstrap_servers, acks="all")
            await producer.start()
            for parcel in leaking:
                for row in parcel.rows:
                    headers = row[2] if len(row) == WITH_HEADERS else []
                    await producer.send(parcel.topic, row[1], key=row[0], headers=headers, partition=parcel.partition)
            await producer.stop()
            if not self.died.exists():
                self.died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        kept = [parcel for parcel in parcels if parcel.what != RECORDS]
        receipts = iter(await super().commit(scope, kept, offsets=offsets, inspect=inspect))
        return [Receipt(-1, None) if parcel.what == RECORDS else next(receipts) for parcel in parcels]


class Losing(Chains):
    """Loses one batch in so many, after it has been numbered."""

    every = 0
    _count = itertools.count(1)

    def add(self, tp: Any, records: Sequence[Any], end: int) -> Batch | None:
        """The next batch, or none though there is one."""
        batch = super().add(tp, records, end)
        if batch is not None and next(self._count) % self.every == 0:
            log.info("batch lost on purpose", partition=tp.partition, records=len(records))
            return None
        return batch


@dataclasses.dataclass(frozen=True)
class Rogue(Config):
    """Of a worker in another group, with the transactional ids of this one."""

    owner: str = ""

    def transactional_id(self, partition: int) -> str:
        """The same as the true owner's."""
        return f"{self.owner}-{self.source}-{partition}"


def rogue(settings: Settings, **given: Any) -> Config:
    """The configuration of a rogue."""
    true = configure(settings, **given)
    fields = {field.name: getattr(true, field.name) for field in dataclasses.fields(true)}
    return Rogue(**(fields | {"group": f"{true.group}-rogue", "owner": true.group}))


def spoil(options: Mapping[str, Any]) -> None:
    """Put in place what the options ask for."""
    if options.get("leak"):
        Leaky.died = Path(options["leak"])
        restore.Transactions = Leaky  # type: ignore[attr-defined]  # where it is used
    if options.get("lose"):
        Losing.every = int(options["lose"])
        delivery.Chains = Losing  # type: ignore[misc]
    if options.get("flush"):
        database.FLUSH_SECONDS = float(options["flush"])  # type: ignore[misc]
    if options.get("rogue"):
        worker.configure = rogue  # type: ignore[attr-defined]  # where it is used


def main(argument: str) -> int:
    """Run until a signal; exit status as the product's."""
    told = json.loads(argument)
    configure_log(level=told.get("level", "info"), form="json")
    spoil(told["options"])
    try:
        settings, timing = Settings(**told["settings"]), Timing(**told["timing"])
        return worker.run(settings, instance=told["instance"], timing=timing)
    except StreamledgerError as error:
        sys.stderr.write(f"REFUSED {error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
