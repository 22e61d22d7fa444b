"""An owner for a moment meets others: it commits as the owner or not at all, and then begins again."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka.errors import KafkaError

from pipeline.core.erasure import Standing
from pipeline.engine import erasure
from pipeline.engine.config import Config, configure
from pipeline.engine.erasure import erase, look
from pipeline.engine.expulsion import expel
from pipeline.engine.transaction import Parcel, Receipt, Transactions
from pipeline.errors import BrokerFault, Fenced
from pipeline.settings import Settings
from pipeline.topics.partitioner import partition_of
from pipeline.topics.selection import Selection
from tests.integration.engine.harness import QUICK, ROOT, SECONDS, Stream, committed, records, running, send

WANTED = Selection(labels={"user": "u-1"})
STREAM = Stream("r-1", ("a ", "b "))


def chunks() -> list[tuple[str, bytes]]:
    """Of a request that closes by its finish and is kept for a revision."""
    made = [json.loads(STREAM.chunk(index)) for index in range(2)]
    return [
        (STREAM.request_id, json.dumps(chunk | {"is_final": False, "labels": WANTED.labels}).encode()) for chunk in made
    ]


async def kept(config: Config, number: int) -> None:
    """Returns when the request is kept."""
    deadline = asyncio.get_running_loop().time() + SECONDS
    while await look(config, number, WANTED) != {"r-1": Standing.KEPT}:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)


KILLED: Final = ("before_begin", "after_send", "before_commit", "after_commit")
"""The last one only after the broker has it."""

RUN: Final = """
import asyncio, json, sys
from pipeline.engine.config import configure
from pipeline.engine.erasure import erase
from pipeline.engine.failpoint import arm
from pipeline.settings import Settings
from tests.integration.engine.test_erasure import WANTED
told = json.loads(sys.argv[1])
arm(told["failpoint"])
asyncio.run(erase(configure(Settings(**told["settings"])), told["number"], WANTED))
"""


class Rival:
    """Takes the partition over right before each of the first commits of an erasure."""

    def __init__(self, config: Config, number: int, times: int) -> None:
        self._config, self._number, self.times = config, number, times
        self.commit = Transactions.commit

    def stand_in(self) -> Any:
        """For Transactions.commit."""

        async def commit(
            transactions: Transactions, scope: str, parcels: Sequence[Parcel], **options: Any
        ) -> list[Receipt]:
            if scope == "erase" and self.times:
                self.times -= 1
                config = self._config
                identity = config.transactional_id(self._number)
                other = Transactions(config.client, identity, group=config.group, timing=config.timing)
                await other.fence()
                await other.stop()
            return await self.commit(transactions, scope, parcels, **options)

        return commit


@pytest.mark.usefixtures("ledger_topics")
def test_whoever_comes_in_between_is_the_owner(
    brisk: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fenced erasure leaves nothing behind and begins again; one that fails in its commit changes nothing.

    In the end the request is erased once, by its label; with nobody in the group nobody has to join again.
    """
    config, number = configure(brisk), partition_of(b"r-1", brisk.partitions)
    with running(brisk, tmp_path / "log", timing=QUICK) as worker:
        asyncio.run(send(brisk, iter(chunks())))
        asyncio.run(kept(config, number))
        assert worker.terminate()[0] == 0

    def play(times: int) -> dict[str, Standing]:
        rival = Rival(config, number, times)
        monkeypatch.setattr(Transactions, "commit", rival.stand_in())
        try:
            return dict(asyncio.run(erase(config, number, WANTED)))
        finally:
            assert rival.times == 0
            gc.collect()  # futures of a fenced producer complain where they are collected: here, and not at the end
            monkeypatch.setattr(Transactions, "commit", rival.commit)

    with pytest.raises(Fenced):
        play(erasure.ATTEMPTS)
    asyncio.run(kept(config, number))

    async def broken(_: Any) -> None:
        raise KafkaError

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.engine.transaction.AIOKafkaProducer.send_batch", lambda *_, **__: broken(_))
        with pytest.raises(BrokerFault):
            asyncio.run(erase(config, number, WANTED))
    gc.collect()
    asyncio.run(kept(config, number))

    before = len(asyncio.run(committed(brisk, config.changelog)))
    assert play(erasure.ATTEMPTS - 1) == {"r-1": Standing.KEPT}
    assert asyncio.run(look(config, number, WANTED)) == {}
    assert asyncio.run(erase(config, number, WANTED)) == {}
    rows = asyncio.run(committed(brisk, config.changelog))[before:]
    assert sum(row.value is None for row in rows) == 1
    assert asyncio.run(expel(config, [number])) == 0


@pytest.mark.usefixtures("ledger_topics")
def test_killed_anywhere_and_repeated_it_is_erased_once(brisk: Settings, tmp_path: Path) -> None:
    """Before the commit nothing has changed, after it all has; a worker with an empty directory loses no record."""
    config, number = configure(brisk), partition_of(b"r-1", brisk.partitions)
    with running(brisk, tmp_path / "log", timing=QUICK) as worker:
        asyncio.run(send(brisk, iter(chunks())))
        asyncio.run(kept(config, number))
        assert worker.terminate()[0] == 0
    for point in KILLED:
        asyncio.run(kept(config, number))
        told = {"settings": brisk.model_dump(mode="json"), "number": number, "failpoint": f"erase.{point}"}
        done = subprocess.run(
            [sys.executable, "-c", RUN, json.dumps(told)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
            timeout=SECONDS,
        )
        assert done.returncode == -signal.SIGKILL, point
    assert asyncio.run(look(config, number, WANTED)) == {}
    assert asyncio.run(erase(config, number, WANTED)) == {}
    shutil.rmtree(brisk.data_dir)
    with running(brisk, tmp_path / "again", timing=QUICK) as fresh:
        fresh.wait_for("assigned")
        asyncio.run(send(brisk, iter(chunks())))
        other = Stream("r-2", ("c ",))
        asyncio.run(send(brisk, iter([(other.request_id, other.chunk(0))])))
        seen = records(brisk, at_least=2)
        assert fresh.terminate()[0] == 0
    assert sorted((each["request_id"], each["revision"]) for each in seen) == [("r-1", 0), ("r-2", 0)]
