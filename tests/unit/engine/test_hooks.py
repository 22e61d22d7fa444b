"""Every function of Faust, mode and aiokafka that the engine replaces, wraps or leans on is as it was when we read it.

An upgrade that changes one fails here, before it can fail in production: read what changed, look at the hook in
pipeline/engine that is named, then take over the new digest, which the failure prints.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import TopicPartitionState
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch
from aiokafka.producer.sender import InitPIDHandler
from aiokafka.record.default_records import _DefaultRecordBatchPy
from faust.app.base import App, BootStrategy
from faust.stores import rocksdb
from faust.tables.base import Collection
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.tables.table import Table
from faust.transport.conductor import Conductor, ConductorCompiler
from faust.transport.consumer import Consumer, ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver
from mode.services import ServiceTask
from mode.utils.queues import FlowControlQueue, ThrowableQueue
from mode.worker import Worker

from pipeline import engine

HOOKS: list[tuple[Any, str, str]] = [
    # what is there, its digest, who relies on it
    (driver.AIOKafkaConsumerThread._create_worker_consumer, "c2701bfc3e6f6cad", "delivery.BatchThread"),
    (driver.AIOKafkaConsumerThread._fetch_records, "39a2c6c79fc1455a", "delivery.BatchThread"),
    (driver.AIOKafkaConsumerThread.seek_to_committed, "775ab0adc4b052ab", "delivery.BatchThread"),
    (driver.AIOKafkaConsumerThread.__post_init__, "913dc7c0d9578e2d", "delivery.BatchThread"),
    (driver.Consumer.verify_event_path, "a17e8f0610e1abcb", "delivery.BatchConsumer"),
    (driver.Consumer._new_consumer_thread, "0870ec53dea75083", "delivery.BatchConsumer"),
    (Consumer.getmany, "4b168d84882a70d6", "delivery.BatchConsumer.getmany"),
    (Consumer._wait_next_records, "6218e1969a636b3f", "delivery.BatchConsumer.getmany"),
    (Consumer._drain_messages, "44a2500309e83c63", "delivery.BatchConsumer.getmany: its caller"),
    (Consumer.perform_seek, "0e8c130ff4b0afd8", "delivery.BatchConsumer.perform_seek"),
    (Consumer.ack, "5fcf41cf45153475", "app.create_app: acks=False"),
    (ThreadDelegateConsumer._commit, "a20eec84e4b2ed50", "delivery.BatchConsumer._commit"),
    (Conductor._update_indices, "619b3247b96ac7d5", "app.create_app: acks=False"),
    (ConductorCompiler.build, "837cf521368c1ee4", "app.BUFFERED_BATCHES"),
    (FlowControlQueue.put, "0ba84eb5e357a17e", "app.SIGNALS"),
    (ThrowableQueue.clear, "d18f09e451acf62e", "app.SIGNALS"),
    (AIOKafkaConnection._handle_frame, "46a7d9b8cf7ca222", "membership.silence_of"),
    (Fetcher.fetched_records, "be4348896b9b66af", "delivery: no await between taking and numbering"),
    (Fetcher._set_error, "d29810f3f509481f", "delivery: errors lie in _records"),
    (FetchResult.getall, "3e717e30de5068d5", "fetched.consumer: the position follows what was taken"),
    (FetchResult.getone, "3fc6f963223135d2", "fetched.consumer: the position follows what was taken"),
    (FetchResult._update_position, "83fb1473bf10027b", "fetched.consumer"),
    (AIOKafkaConsumer.start, "2f1ba70443327538", "fetched.consumer.Consumer"),
    (_DefaultRecordBatchPy._read_msg, "0997ab7a58505c93", "fetched.salvage: what the compiled parser reads, in Python"),
    (PartitionRecords._consumer_record, "e668541600b047ab", "fetched.records"),
    (PartitionRecords._unpack_records, "b803e6d46480732c", "fetched.records"),
    (PartitionRecords.__init__, "8ec1c2ae6ea1af87", "fetched.records"),
    (PartitionRecords._consume_aborted_up_to, "56876530cd6412f3", "fetched.records"),
    (PartitionRecords._contains_abort_marker, "17e9ad2322ef4e0a", "fetched.records"),
    (FetchResult.check_assignment, "b5340df67e3f330f", "fetched.records"),
    (Fetcher._proc_fetch_request, "59bf948fff47eed5", "fetched.consumer.Fetches"),
    (GroupCoordinator.need_rejoin, "61ae72b2a3110943", "membership.place_of"),
    (GroupCoordinator.coordinator_dead, "ba1eda0254af8dfe", "membership.place_of"),
    (TopicPartitionState.seek, "c20b56d7ba7b2872", "delivery: a seek drops what was fetched ahead"),
    (App._new_transport, "42db531312dd776f", "app.EngineApp"),
    (App._on_partitions_revoked, "d5c895bbe57dc73a", "app.create_app: the last checkpoint runs inside the rebalance"),
    (App._stop_consumer, "55854a5de12c3f52", "table.EngineTables.on_stop"),
    (BootStrategy.kafka_producer, "54a789df64f66255", "app.EngineBoot"),
    (BootStrategy.web_server, "3caebb79a3b30a0e", "app.EngineBoot"),
    (Collection._new_store, "914a2bda605d38f5", "table.RequestTable"),
    (Collection.on_start, "daddcc354ad0b328", "table.RequestTable"),
    (Table.on_key_set, "a370e35ca55c2c7e", "table.RequestTable"),
    (Table.on_key_del, "4f2900b2f9d24a08", "table.RequestTable"),
    (Table.on_clear, "658ebb2f2e7cb545", "table.RequestTable"),
    (Recovery.add_active, "033aae28e4dcef92", "table.EngineRecovery"),
    (Recovery.add_standby, "7c2d15b37844b8b4", "table.EngineRecovery"),
    (Recovery.on_recovery_completed, "6ef567acf072e46d", "table.EngineRecovery"),
    (Recovery._restart_recovery, "6bd8a8558a2dffe4", "table.EngineRecovery: RebalanceAgain"),
    (TableManager.recovery, "f0bf5de78b4c3d23", "table.EngineTables"),
    (TableManager.on_stop, "351be149c0360de5", "table.EngineTables"),
    (rocksdb.Store.__init__, "c7c0fa2989e8ab4a", "store.RequestStore"),
    (rocksdb.Store.on_rebalance, "38357aed5b7fc777", "store.RequestStore"),
    (rocksdb.Store.stop, "2e98db0eb7c7582b", "store.RequestStore"),
    (rocksdb.Store.persisted_offset, "6f2e502fb86043a1", "store.RequestStore"),
    (rocksdb.Store.set_persisted_offset, "b4c811926678346e", "store.RequestStore"),
    (rocksdb.Store.apply_changelog_batch, "ea3344d369fc4ab5", "store.RequestStore"),
    (rocksdb.Store._db_for_partition, "cb7e67d5f9efc4bc", "store.RequestStore"),
    (rocksdb.Store._dbs_for_actives, "28ffca271cde5b06", "store.RequestStore"),
    (rocksdb.Store._get, "7ae8dfd6d7754a59", "store.RequestStore"),
    (rocksdb.Store._contains, "bd7d4e5252a71b9a", "store.RequestStore"),
    (rocksdb.Store._visible_items, "545dc16a2b25e4a4", "store.RequestStore"),
    (rocksdb.Store._visible_keys, "28b3c24a6884cbcd", "store.RequestStore"),
    (rocksdb.Store._visible_values, "5509aaf1fef41235", "store.RequestStore"),
    (rocksdb.Store.partition_path, "0cc4eae7dc33fcf1", "store.RequestStore"),
    (Worker.install_signal_handlers, "5cb3d584d58fd7cd", "worker.EngineWorker"),
    (AIOKafkaProducer.send_batch, "bf42b0f0c5c0646d", "transaction.Transactions"),
    (AIOKafkaProducer.commit_transaction, "c7f9677c89413f97", "transaction: deliveries are looked at first"),
    (AIOKafkaProducer.send_offsets_to_transaction, "4b58002b44962a5c", "transaction.Transactions"),
    (BatchBuilder.append, "657d76f55157d9ca", "transaction: the first row always fits"),
    (MessageAccumulator.add_batch, "5ed1c5b1367ad854", "transaction: one batch of a partition at a time"),
    (MessageBatch.done, "2d765e5c2dc8638d", "transaction: offset and append time of a receipt"),
    (InitPIDHandler.handle_response, "bdb0727aba5de02e", "transaction.Transactions.fence"),
    (AIOKafkaAdminClient._send_request, "1ed126f126dd917a", "expulsion.expel"),
]


def function_of(target: Any) -> Any:
    """The function behind a property or one of mode's service tasks."""
    if isinstance(target, property):
        return target.fget
    return target.fun if isinstance(target, ServiceTask) else target


def name_of(target: Any) -> str:
    """Module and name."""
    function = function_of(target)
    return f"{function.__module__}.{function.__qualname__}"


def digest(target: Any) -> str:
    """Of the source."""
    return hashlib.sha256(inspect.getsource(function_of(target)).encode()).hexdigest()[:16]


@pytest.mark.parametrize(("target", "known", "user"), HOOKS, ids=[name_of(target) for target, _, _ in HOOKS])
def test_a_replaced_function_is_as_it_was_read(target: Any, known: str, user: str) -> None:
    """A changed source means that our replacement has to be read again."""
    found = digest(target)

    assert found == known, (
        f"{name_of(target)} changed with an upgrade. pipeline/engine/{user} relies on it: compare the two, "
        f"then put {found!r} in the place of {known!r}"
    )


def test_no_function_is_listed_twice() -> None:
    """One line for each."""
    names = [name_of(target) for target, _, _ in HOOKS]

    assert len(names) == len(set(names))


def replaced() -> Iterator[tuple[str, Any]]:
    """(name of ours, what it replaces) for each function of Faust, mode or aiokafka that a class of ours overrides."""
    for info in pkgutil.walk_packages(engine.__path__, f"{engine.__name__}."):
        module = importlib.import_module(info.name)
        for _, ours in inspect.getmembers(module, inspect.isclass):
            for name, own in vars(ours).items():
                theirs = next((vars(base)[name] for base in foreign(ours) if name in vars(base)), None)
                function = inspect.isfunction(own) or isinstance(own, property)
                readable = hasattr(function_of(theirs), "__code__")  # of compiled ones tests/unit/engine/fetched look
                if ours.__module__ == module.__name__ and function and readable:
                    yield f"{ours.__qualname__}.{name}", theirs


def foreign(ours: type) -> list[type]:
    """The bases of a class that belong to a library whose functions we replace, the nearest first."""
    return [base for base in ours.__mro__[1:] if base.__module__.partition(".")[0] in {"aiokafka", "faust", "mode"}]


def test_every_function_that_is_overridden_is_listed() -> None:
    """A hook that is added to the engine is added here, or this fails."""
    listed = {name_of(target) for target, _, _ in HOOKS}
    found = dict(replaced())

    assert len(found) > 20
    assert [name for name, theirs in found.items() if name_of(theirs) not in listed] == []
