"""A transaction is complete or fails: every delivery is looked at before the commit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import IllegalOperation, KafkaError, MessageSizeTooLargeError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from pipeline.engine import transaction as module
from pipeline.engine.config import Timing
from pipeline.engine.transaction import Parcel, Receipt, Transactions
from pipeline.errors import BrokerFault, Fenced, StateLost
from tests.unit.engine.fakes import Producer, fenced

OFFSETS = {TopicPartition("chunks", 3): OffsetAndMetadata(42, "")}


def parcel(what: str, count: int) -> Parcel:
    """A parcel of so many rows for partition 3 of a topic of that name."""
    return Parcel(what, what, 3, [(b"k%d" % number, b"v", []) for number in range(count)])


def run(scenario: Any) -> Any:
    """Run a scenario with transactions on a fake producer."""

    async def inside() -> Any:
        made = Transactions({}, "main-chunks-3", group="main", timing=Timing())
        return await scenario(made, made._producer)

    return asyncio.run(inside())


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AIOKafkaProducer", Producer)


def test_everything_is_sent_and_delivered_before_the_commit() -> None:
    """Begin → all sends and offsets → commit, and the receipts say where the last rows lie."""

    async def scenario(transactions: Transactions, producer: Producer) -> list[Receipt]:
        receipts = await transactions.commit(
            "checkpoint", [parcel("requests", 5), parcel("records", 1)], offsets=OFFSETS
        )
        assert producer.log[0] == "begin"
        assert producer.log[-1] == "commit"
        assert sorted(producer.log[1:-1]) == ["offsets main"] + ["send records-3"] + 3 * ["send requests-3"]
        assert producer.offsets == OFFSETS
        assert [key for key, _, _ in producer.sent["requests"]] == [b"k0", b"k1", b"k2", b"k3", b"k4"]
        return receipts

    assert run(scenario) == [Receipt(104, None), Receipt(100, None)]


def test_a_row_larger_than_a_batch_goes_alone() -> None:
    """A batch takes its first row whatever its size."""

    async def scenario(transactions: Transactions, producer: Producer) -> None:
        producer.room = 0
        await transactions.commit("fence", [parcel("requests", 3)])
        assert producer.log.count("send requests-3") == 3

    run(scenario)


def test_the_brokers_append_time_is_told_if_it_gives_one() -> None:
    """With CreateTime the broker answers -1, which is no time."""

    async def scenario(transactions: Transactions, producer: Producer) -> list[int | None]:
        producer.timestamp = 1_234
        (receipt,) = await transactions.commit("fence", [parcel("requests", 1)])
        return [receipt.appended]

    assert run(scenario) == [1_234]


def test_an_unknown_offset_is_not_made_up() -> None:
    """After a lost answer the broker may confirm a batch without its offset."""

    async def scenario(transactions: Transactions, producer: Producer) -> int:
        producer.base = -1
        (receipt,) = await transactions.commit("fence", [parcel("requests", 3)])
        return receipt.last

    assert run(scenario) == -1


def test_a_failed_delivery_prevents_the_commit() -> None:
    """Aiokafka's commit would not report it."""

    async def scenario(transactions: Transactions, producer: Producer) -> None:
        producer.fail["delivery"] = MessageSizeTooLargeError()
        with pytest.raises(BrokerFault, match="MessageSizeTooLargeError"):
            await transactions.commit("fence", [parcel("requests", 3), parcel("records", 1)])
        assert "commit" not in producer.log

    run(scenario)


def test_what_inspection_refuses_is_not_committed() -> None:
    """The caller looks at the receipts and may say no."""

    async def scenario(transactions: Transactions, producer: Producer) -> None:
        def refuse(_: Any) -> None:
            raise StateLost("no")

        with pytest.raises(StateLost):
            await transactions.commit("fence", [parcel("requests", 1)], inspect=refuse)
        assert "commit" not in producer.log

    run(scenario)


@pytest.mark.parametrize("step", ["begin", "send requests-3", "offsets main", "delivery", "commit"])
def test_fencing_is_known_as_such_at_every_step(step: str) -> None:
    """Another owner can come at any moment."""

    async def scenario(transactions: Transactions, producer: Producer) -> None:
        producer.fail[step] = fenced()
        with pytest.raises(Fenced):
            await transactions.commit("fence", [parcel("requests", 1)], offsets=OFFSETS)

    run(scenario)


@pytest.mark.parametrize("step", ["begin", "send requests-3", "offsets main", "commit"])
@pytest.mark.parametrize("kind", [IllegalOperation, AssertionError])
def test_a_transaction_that_the_producer_gave_up_is_the_brokers_fault(step: str, kind: type[Exception]) -> None:
    """After a broker's error aiokafka says that there is no transaction, by an exception outside of its own tree."""

    async def scenario(transactions: Transactions, producer: Producer) -> None:
        producer.fail[step] = kind("Not in the middle of a transaction")
        with pytest.raises(BrokerFault, match=f"main-chunks-3 failed: {kind.__name__}"):
            await transactions.commit("fence", [parcel("requests", 1)], offsets=OFFSETS)

    run(scenario)


def test_a_coordinator_that_refuses_is_the_brokers_fault() -> None:
    """InitProducerId failing is nothing the process can repair."""

    async def scenario(transactions: Transactions, producer: Producer) -> None:
        producer.fail["start"] = KafkaError()
        with pytest.raises(BrokerFault, match="main-chunks-3"):
            await transactions.fence()

    run(scenario)


def test_a_producer_that_refuses_to_stop_holds_nobody_up() -> None:
    """A fenced producer may raise while it is closed."""

    async def scenario(transactions: Transactions, producer: Producer) -> None:
        producer.fail["stop"] = fenced()
        await transactions.stop()
        assert producer.log == ["stop"]

    run(scenario)


def test_the_producer_is_transactional_and_waits_for_all_replicas() -> None:
    """Epoch and acks are what the argument of the engine stands on."""

    async def scenario(_: Transactions, producer: Producer) -> dict[str, Any]:
        return producer.options

    options = run(scenario)
    assert (options["transactional_id"], options["acks"]) == ("main-chunks-3", "all")
    assert options["transaction_timeout_ms"] > Timing().checkpoint * 1_000
