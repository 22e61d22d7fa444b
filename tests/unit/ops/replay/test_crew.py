"""The processes of a replay: an error of one is the error of all, and none is left."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest

from pipeline.errors import KafkaUnreachable, OurFault
from pipeline.ops.broker.ports import free_ports
from pipeline.ops.replay import crew
from pipeline.ops.replay.order import Order, Share
from pipeline.settings import Settings
from pipeline.testing import eventually
from pipeline.topics.selection import Selection

SECONDS = 60.0


def order(work: Path) -> Order:
    """An order for a Kafka that is not there."""
    (port,) = free_ports(1)
    settings = Settings(bootstrap_servers=f"127.0.0.1:{port}")
    return Order(settings, Selection(), work, now=0, look_back=300_000)


def shares(count: int) -> list[Share]:
    """Partitions with something to read."""
    return [Share(number, 0, 0, 9, 9, whole=True, closable=True) for number in range(count)]


def test_the_first_error_ends_all(tmp_path: Path) -> None:
    """It comes out as it was raised, with its exit code, and no process stays."""
    with pytest.raises(KafkaUnreachable, match="no Kafka answers"):
        crew.run(order(tmp_path), shares(3), 2, lambda _: None)
    assert multiprocessing.active_children() == []


def test_a_full_disk_is_no_internal_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a replay spills it spills in a process: the system's words and the place come out of it."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(crew, "_work", full)
    monkeypatch.setattr(crew, "_tie", lambda: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    ours, theirs = multiprocessing.Pipe()
    with ours, theirs:
        crew._serve(order(tmp_path), theirs)
        told = ours.recv()

    assert (told.errno, told.strerror, told.filename) == (errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path))


def test_a_process_that_is_killed_is_told(tmp_path: Path) -> None:
    """As by a kernel that is short of memory: the replay ends with a line that says what to do."""

    def kill() -> None:
        found = eventually(multiprocessing.active_children, every=0.01)
        os.kill(found[0].pid or 0, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(OurFault, match="ended by itself") as told:
        crew.run(order(tmp_path), shares(1), 1, lambda _: None)
    killer.join()
    assert "--resume" in (told.value.hint or "")
    assert multiprocessing.active_children() == []
