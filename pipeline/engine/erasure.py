"""Content of closed requests out of the requests changelog, by an owner for a moment.

Both changelogs are read; then, as every owner does it: InitProducerId → a fence row of our own in both → read on to it,
after which nobody older can add anything → tombstones of the segments, markers that keep nothing, and the checkpoint
row with the next sequence, in one transaction. The position does not move and no record is made, so nothing is lost or
doubled; the worker that had the partition can't commit any more, and restores it when the group gives it out anew
(`expulsion`). If a worker comes in between, it is we who can't commit, and begin again.
Imports aiokafka, the core's erasure and row formats, and the transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from pipeline.core.erasure import Markers, Standing, Survey, Wanted
from pipeline.core.segment import pack_markers, unpack_markers
from pipeline.engine.config import Config
from pipeline.engine.restore import FENCE_KEY, reader
from pipeline.engine.transaction import Parcel, Row, Transactions
from pipeline.errors import BrokerFault, Fenced
from pipeline.settings import kept_off, right

ATTEMPTS: Final = 3
"""A worker that takes the partition in between is done with that within a second; three in a row is no accident."""

Standings = Mapping[str, Standing]
"""Requests that have segments in the changelog, by id."""


async def look(config: Config, number: int, wanted: Wanted) -> Standings:
    """The wanted requests in the changelog of a partition, as of now; nothing is written and nobody fenced.

    Raises:
        BrokerFault: the changelog can't be read.
    """
    survey = Survey(wanted)
    async with _reader(config, number) as consumer:
        await _survey(_Log(config, consumer, config.changelog, number), survey)
    return survey.standings()


async def erase(config: Config, number: int, wanted: Wanted) -> Standings:
    """Erase the kept segments of the wanted requests of a partition.

    Returns:
        The wanted requests as they were; those that were `kept` are erased, the others untouched.

    Raises:
        BrokerFault: Kafka does not do it; whether they are erased is unknown, and trying again is safe.
        Fenced: other owners came each time.
    """
    for _ in range(ATTEMPTS - 1):
        with contextlib.suppress(Fenced):
            return await _erase(config, number, wanted)
    return await _erase(config, number, wanted)


async def _erase(config: Config, number: int, wanted: Wanted) -> Standings:
    """Read nearly all before anybody is fenced, so that the partition stands still only for the rest."""
    survey = Survey(wanted)
    async with _reader(config, number) as consumer:
        requests, marked = (_Log(config, consumer, topic, number) for topic in (config.changelog, config.markers))
        await _survey(requests, survey)
        markers = Markers(survey.standings())
        await _mark(marked, markers)
        timing = config.timing
        transactions = Transactions(config.client, config.transactional_id(number), group=config.group, timing=timing)
        try:
            async with asyncio.timeout(timing.restore):
                token = await _fence(config, number, transactions)
                await _survey(requests, survey, token)
                standings = survey.standings()
                kept = [request_id for request_id, standing in standings.items() if standing is Standing.KEPT]
                if not markers.of(kept):  # some came while we read
                    marked, markers = _Log(config, consumer, config.markers, number), Markers(kept)
                await _mark(marked, markers, token)
                if kept:
                    await transactions.commit("erase", _parcels(config, number, survey, markers.rows(kept), kept))
        except TimeoutError as error:
            text = f"a partition can't be taken over within {timing.restore:g} s"
            raise BrokerFault(text, topic=config.changelog, partition=number, hint="trying again is safe") from error
        finally:
            await transactions.stop()
    return standings


async def _fence(config: Config, number: int, transactions: Transactions) -> bytes:
    """Become the owner; the token of the rows that end what older owners wrote."""
    await transactions.fence()
    token = os.urandom(16)
    fence: list[Row] = [(FENCE_KEY, token, [])]
    topics = {"requests": config.changelog, "markers": config.markers}
    await transactions.commit("fence", [Parcel(what, name, number, fence) for what, name in topics.items()])
    return token


def _parcels(
    config: Config, number: int, survey: Survey, markers: Sequence[tuple[bytes, bytes]], kept: Sequence[str]
) -> list[Parcel]:
    """The checkpoint: its markers lie under a key that belongs to its sequence, as those of every checkpoint."""
    place = survey.next_place(number)
    parcels = [Parcel("requests", config.changelog, number, survey.rows(kept, place))]
    if markers:
        key = place.sequence.to_bytes(8, "big") + bytes(4)
        parcels.append(Parcel("markers", config.markers, number, [(key, pack_markers(markers))]))
    return parcels


class _Log:
    """One changelog partition, read on from where the last reading ended."""

    def __init__(self, config: Config, consumer: Any, topic: str, number: int) -> None:
        self._consumer, self._patience = consumer, config.timing.restore
        self._place = TopicPartition(topic, number)
        self._position: int | None = None

    async def rows(self, token: bytes | None = None) -> AsyncIterator[Any]:
        """Rows without fence rows, to our own fence row; without a token to the end that the log has now.

        Raises:
            BrokerFault: it can't be read, or nothing comes for too long.
        """
        consumer, place = self._consumer, self._place
        where: dict[str, Any] = {"topic": place.topic, "partition": place.partition}
        loop = asyncio.get_running_loop()
        try:
            consumer.assign([place])
            if self._position is None:
                self._position = (await consumer.beginning_offsets([place]))[place]
            end = (await consumer.end_offsets([place]))[place]
            consumer.seek(place, self._position)
            moved = loop.time()
            while token is not None or self._position < end:
                for record in (await consumer.getmany(place, timeout_ms=200)).get(place, ()):
                    moved = loop.time()
                    if record.key != FENCE_KEY:
                        yield record
                    elif record.value == token:
                        return
                self._position = await consumer.position(place)
                if loop.time() - moved > self._patience:
                    raise BrokerFault(f"nothing of the changelog arrived for {self._patience:g} s", **where)
        except KafkaError as error:
            refused = right(error, "READ", topic=place.topic)
            raise refused or BrokerFault(f"the changelog can't be read: {type(error).__name__}", **where) from error


async def _survey(log: _Log, survey: Survey, token: bytes | None = None) -> None:
    async for row in log.rows(token):
        survey.take(row.key, row.value)


async def _mark(log: _Log, markers: Markers, token: bytes | None = None) -> None:
    async for row in log.rows(token):
        markers.take(unpack_markers(row.value))


@contextlib.asynccontextmanager
async def _reader(config: Config, number: int) -> AsyncIterator[Any]:
    """A consumer without a group; one that is stopped without ever having had a partition raises CancelledError."""
    consumer = reader(config)
    try:
        await consumer.start()
    except KafkaError as error:
        raise kept_off(error, "READ", "the changelog can't be read", topic=config.changelog) from error
    consumer.assign([TopicPartition(config.changelog, number)])
    try:
        yield consumer
    finally:
        await consumer.stop()
