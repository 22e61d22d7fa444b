"""The spool on disk: order, torn ends, damage, bounds, and who takes over what."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.ingest.publish import spool as module
from pipeline.ingest.publish.backlog import ASIDE, DAMAGED, LOCK, SUFFIX, Backlog
from pipeline.ingest.publish.estate import Estate
from pipeline.ingest.publish.item import Item
from pipeline.ingest.publish.spool import Spool

TOPIC = "llm.chunks"
ALL = 1 << 30


def items(*numbers: int) -> list[Item]:
    """Chunks."""
    return [Item(b"r%d" % number, b"{}" * number, b"t" * (number % 3), number) for number in numbers]


def ignore(_: Path, reason: str) -> None:
    """Damage that no test expects."""
    raise AssertionError(reason)


def spool(folder: Path, most: int = ALL) -> Spool:
    """A publisher's."""
    return Spool(folder, TOPIC, most, ignore)


def rest(backlog: Backlog, step: int = 2) -> list[Item]:
    """All that is to be sent, delivered step by step."""
    found = []
    while some := backlog.read(ALL, step):
        found += some
        backlog.commit()
    return found


def dead(folder: Path, *numbers: int) -> Path:
    """A file of a publisher whose process is gone."""
    gone = spool(folder)
    gone.append(items(*numbers))
    gone.let_go()
    (path,) = folder.glob(f"{gone.owner}*{SUFFIX}")
    return path


def files(folder: Path, ending: str = "") -> list[str]:
    """What is there."""
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(ending))


def test_what_is_written_is_read_in_order_across_files_and_then_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delivered files are removed, and so is the lock when nothing is left."""
    monkeypatch.setattr(module, "SEGMENT_BYTES", 100)
    ours = spool(tmp_path / "spool")
    for number in range(20):
        ours.append(items(number))
    assert len(files(tmp_path / "spool", SUFFIX)) > 2
    assert ours.count == 20
    assert rest(ours) == items(*range(20))
    assert (ours.count, ours.size, bool(ours)) == (0, 0, False)
    ours.append(items(30))
    assert rest(ours) == items(30)
    ours.close()
    assert files(tmp_path / "spool") == []


def test_nothing_is_on_disk_before_it_is_needed_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    """Chunks are what users said."""
    ours = spool(tmp_path / "spool")
    assert not (tmp_path / "spool").exists()
    ours.append(items(1))
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "spool").iterdir())
    ours.close()


def test_a_file_of_which_a_part_was_sent_is_sent_again_as_a_whole(tmp_path: Path) -> None:
    """A file goes when Kafka has all of it: what was sent before a crash is sent again."""
    ours = spool(tmp_path)
    ours.append(items(1, 2, 3))
    assert ours.read(ALL, 1) == items(1)
    ours.commit()
    assert ours.read(ALL, 2) == items(2, 3)
    ours.let_go()
    estate = Estate(tmp_path, TOPIC, ignore)
    estate.look()
    assert rest(estate) == items(1, 2, 3)


def test_what_is_under_way_already_counts_as_read(tmp_path: Path) -> None:
    """A copy of what is being sent is forgotten when it was delivered, and what came behind it is next."""
    ours = spool(tmp_path)
    ours.append(items(1, 2))
    ours.skip()
    ours.append(items(3))
    ours.commit()
    assert ours.count == 1
    assert rest(ours) == items(3)
    ours.close()


def test_a_full_spool_takes_no_more(tmp_path: Path) -> None:
    """And says how many it took."""
    ours = spool(tmp_path, most=0)
    assert ours.append(items(1, 2)) == 0
    ours.close()


def test_a_disk_that_fails_leaves_whole_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that ends halfway is taken back, and the next one stands behind what was good."""
    ours = spool(tmp_path)
    ours.append(items(1))
    write = os.write

    def half(file: int, data: memoryview) -> int:
        write(file, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space"):
            ours.append(items(2))
    ours.append(items(3))
    assert rest(ours) == items(1, 3)
    ours.close()


def test_the_spool_of_a_dead_process_is_taken_over_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    """The kernel gives a lock back however its owner ended."""
    living = spool(tmp_path)
    living.append(items(1))
    dead(tmp_path, 2, 3)
    dead(tmp_path, 4)
    estate = Estate(tmp_path, TOPIC, ignore)
    estate.look()
    second = Estate(tmp_path, TOPIC, ignore)
    second.look()

    assert not second
    assert sorted(item.accepted for item in rest(estate)) == [2, 3, 4]
    assert files(tmp_path) == [f"{living.owner}-00000001{SUFFIX}", f"{living.owner}{LOCK}"]
    assert rest(living) == items(1)
    living.close()


def test_chunks_for_another_topic_are_left_alone(tmp_path: Path) -> None:
    """Two publishers may share a directory and write to different topics."""
    other = Spool(tmp_path, "other", ALL, ignore)
    other.append(items(1))
    other.let_go()
    estate = Estate(tmp_path, TOPIC, ignore)
    estate.look()
    assert not estate
    theirs = Estate(tmp_path, "other", ignore)
    theirs.look()
    assert rest(theirs) == items(1)


def test_what_is_not_sent_stays_for_the_next(tmp_path: Path) -> None:
    """A publisher that ends before it has sent what it took over gives it back."""
    dead(tmp_path, 1, 2, 3)
    for _ in range(2):
        estate = Estate(tmp_path, TOPIC, ignore)
        estate.look()
        assert estate.read(ALL, 1) == items(1)
        estate.close()
    estate.look()
    assert rest(estate) == items(1, 2, 3)


def test_a_file_may_end_anywhere(tmp_path: Path) -> None:
    """Whatever a killed process or machine left of the last write, the chunks before it are sent, and it is said."""
    whole = dead(tmp_path / "whole", 1, 2, 3).read_bytes()
    told: list[str] = []
    for end in range(len(whole)):
        folder = tmp_path / str(end)
        path = dead(folder, 1)
        path.write_bytes(whole[:end])
        estate = Estate(folder, TOPIC, lambda _, reason: told.append(reason))
        estate.look()
        found = rest(estate)
        assert found == items(1, 2, 3)[: len(found)]
        assert files(folder, SUFFIX) == files(folder, LOCK) == []
    assert len(found) == 2
    assert set(told) == {"its beginning is not that of a spool", "it ends in the middle of a chunk"}


@pytest.mark.parametrize("at", [-1, -20], ids=["value", "frame"])
def test_a_chunk_that_changed_on_disk_is_not_sent_and_not_deleted(tmp_path: Path, at: int) -> None:
    """The file stays under another name."""
    path = dead(tmp_path, 1, 2, 3)
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)
    told: list[str] = []
    estate = Estate(tmp_path, TOPIC, lambda _, reason: told.append(reason))
    estate.look()
    assert rest(estate) == items(1, 2)
    assert len(told) == 1
    assert files(tmp_path) == [path.with_suffix(DAMAGED).name]


def test_a_file_that_vanished_holds_up_nothing(tmp_path: Path) -> None:
    """What was in it is counted as lost, and said; later chunks go on."""
    told: list[str] = []
    ours = Spool(tmp_path, TOPIC, ALL, lambda _, reason: told.append(reason))
    ours.append(items(1, 2))
    next(tmp_path.glob(f"*{SUFFIX}")).unlink()
    assert rest(ours) == []
    assert (ours.lost, len(told)) == (2, 1)
    ours.append(items(3))
    assert rest(ours) == items(3)
    ours.close()


def test_what_kafka_never_takes_is_kept_apart_until_somebody_renames_it(tmp_path: Path) -> None:
    """Then the next publisher sends it."""
    ours = spool(tmp_path)
    path = ours.aside(items(1))
    assert ours.aside(items(2)) == path
    ours.close()
    estate = Estate(tmp_path, TOPIC, ignore)
    estate.look()
    assert not estate
    assert files(tmp_path) == [f"{ours.owner}{ASIDE}"]
    path.rename(path.with_suffix(SUFFIX))
    estate.look()
    assert rest(estate) == items(1, 2)
    assert files(tmp_path) == []
