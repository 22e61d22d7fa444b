"""What waits for Kafka: its order through memory and disk, and what becomes of it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from pipeline.ingest.publish import clock
from pipeline.ingest.publish.item import Item, Outcome
from pipeline.ingest.publish.outbox import Outbox
from pipeline.ingest.publish.policy import Policy
from pipeline.ingest.publish.reporter import Reporter
from pipeline.ingest.publish.stats import Report
from pipeline.ingest.publish.stock import Stock
from pipeline.settings import Settings

HOUR = 3_600_000_000


class Desk:
    """A stock with a Kafka that does as it is told."""

    def __init__(self, folder: Path, **policy: Any) -> None:
        """Begin empty."""
        self.reports: list[Report] = []
        rules = Policy(spool=folder, **policy)
        self.outbox = Outbox(rules, lambda: None)
        self.stock = Stock(Settings(), rules, self.outbox, Reporter(self.reports.append))
        self.sent: list[int] = []

    def put(self, *numbers: int, accepted: int | None = None) -> None:
        """Chunks by number."""
        for number in numbers:
            self.outbox.put(Item(b"r", b"%d" % number, b"", clock.now() if accepted is None else accepted))

    def round(self, *, taken: int | None = None, meanwhile: bool = False) -> None:
        """One round of which Kafka takes the first so many, maybe with the disk taking all meanwhile."""
        items = self.stock.next()
        if meanwhile:
            self.stock.spill()
        count = len(items) if taken is None else taken
        self.sent += [int(item.value) for item in items[:count]]
        self.stock.settle(Outcome(items[count:], [], TimeoutError() if items[count:] else None))

    def drain(self) -> None:
        """Rounds until nothing waits."""
        while self.stock.waiting:
            self.round()


def test_the_spool_goes_before_the_buffer(tmp_path: Path) -> None:
    """No end marker overtakes the chunks before it."""
    desk = Desk(tmp_path)
    desk.put(1, 2)
    desk.stock.spill()
    desk.put(3)
    desk.drain()
    assert desk.sent == [1, 2, 3]
    assert desk.stock.delivered == desk.stock.settled == 3
    assert desk.outbox.held == 0
    desk.stock.close()


def test_what_is_under_way_goes_to_disk_first_and_is_not_sent_twice_if_it_arrives(tmp_path: Path) -> None:
    """A slow answer costs nothing."""
    desk = Desk(tmp_path)
    desk.put(1, 2)
    desk.round(meanwhile=True)
    desk.put(3)
    desk.drain()
    assert desk.sent == [1, 2, 3]
    desk.stock.close()


def test_what_is_under_way_and_does_not_arrive_is_sent_again_from_disk(tmp_path: Path) -> None:
    """Byte for byte, and before what came later."""
    desk = Desk(tmp_path)
    desk.put(1, 2)
    desk.round(taken=0, meanwhile=True)
    desk.put(3)
    desk.stock.spill()
    desk.drain()
    assert desk.sent == [1, 2, 3]
    assert desk.stock.resent == 2
    desk.stock.close()


@hypothesis(deadline=None, max_examples=60)
@given(
    steps=st.lists(st.tuples(st.sampled_from(["put", "spill", "round"]), st.integers(0, 3), st.booleans()), max_size=30)
)
def test_whatever_kafka_and_disk_do_nothing_is_lost_and_all_is_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, bool]]
) -> None:
    """Chunks arrive in the order in which they were accepted, each counted once."""
    desk = Desk(tmp_path_factory.mktemp("spool"))
    counter = itertools.count()
    for step, count, meanwhile in steps:
        if step == "put":
            desk.put(*itertools.islice(counter, count))
        elif step == "spill":
            desk.stock.spill()
        elif desk.stock.waiting:
            desk.round(taken=None if count == 3 else count, meanwhile=meanwhile)
    desk.drain()
    assert desk.sent == list(range(next(counter)))
    assert desk.stock.settled == desk.outbox.accepted
    assert (desk.outbox.held, desk.stock.spool.count) == (0, 0)
    desk.stock.close()


def test_what_was_on_disk_longer_than_the_ledger_waits_is_sent_and_reported(tmp_path: Path) -> None:
    """Never dropped in silence: session_window and revise_window are an hour and five minutes."""
    desk = Desk(tmp_path)
    desk.put(1, accepted=clock.now() - 2 * HOUR)
    desk.put(2, accepted=clock.now() - HOUR)
    desk.stock.spill()
    desk.drain()
    assert desk.sent == [1, 2]
    assert desk.stock.late == 1
    assert [(report.kind, report.chunks, report.request_id) for report in desk.reports] == [("late", 1, "r")]
    desk.stock.close()


def test_what_kafka_never_takes_is_set_aside_and_holds_up_nothing(tmp_path: Path) -> None:
    """The report says where it is and what would make it go."""
    desk = Desk(tmp_path)
    desk.put(1, 2)
    items = desk.stock.next()
    desk.stock.settle(Outcome([], [items[0]], None))
    (report,) = desk.reports
    assert (report.kind, desk.stock.aside, desk.stock.delivered, desk.stock.settled) == ("aside", 1, 1, 2)
    assert "max.message.bytes" in report.hint
    assert not desk.stock.waiting
    desk.stock.close()


def test_what_is_set_aside_is_in_its_file_before_the_spool_lets_go_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies in between has it in both, and never in neither."""
    desk = Desk(tmp_path)
    desk.put(1)
    desk.stock.spill()
    steps: list[str] = []

    def watched(name: str) -> None:
        step = getattr(desk.stock.spool, name)

        def passed(*args: Any) -> Any:
            steps.append(name)
            return step(*args)

        monkeypatch.setattr(desk.stock.spool, name, passed)

    watched("aside")
    watched("commit")

    desk.stock.settle(Outcome([], desk.stock.next(), None))

    assert steps == ["aside", "commit"]
    desk.stock.close()


def test_a_spool_without_room_leaves_chunks_in_memory_and_says_so_once(tmp_path: Path) -> None:
    """They are sent from there; what is nowhere at the end is counted."""
    desk = Desk(tmp_path, spool_bytes=0)
    desk.put(1, 2)
    desk.stock.spill()
    desk.stock.spill()
    assert [report.kind for report in desk.reports] == ["spool"]
    assert desk.outbox.held == 2
    desk.stock.close()
    assert [(report.kind, report.chunks) for report in desk.reports][1:] == [("refused", 2)]


def test_a_disk_that_can_not_be_written_is_reported_and_tried_again(tmp_path: Path) -> None:
    """A file where the directory should be."""
    (tmp_path / "spool").write_text("")
    desk = Desk(tmp_path / "spool")
    desk.put(1)
    desk.stock.spill()
    assert [report.kind for report in desk.reports] == ["spool"]
    (tmp_path / "spool").unlink()
    desk.stock.spill()
    assert desk.stock.spool.count == 1
    desk.stock.close()


def test_what_the_dead_left_and_the_buffer_take_turns(tmp_path: Path) -> None:
    """A large inheritance does not hold up what is alive."""
    gone = Desk(tmp_path)
    gone.put(1)
    gone.stock.close()
    desk = Desk(tmp_path)
    desk.stock.estate.look()
    desk.put(2)
    desk.drain()
    assert sorted(desk.sent) == [1, 2]
    assert (desk.stock.adopted, desk.stock.settled, desk.stock.delivered) == (1, 1, 2)
    desk.stock.close()
    assert list(tmp_path.iterdir()) == []
