"""The directory of a replay: kept when it was killed, refused to another, gone when it is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import FoundProblem, UsageError
from pipeline.ops.replay.order import Order, Share
from pipeline.ops.replay.part import Part
from pipeline.ops.replay.plan import load, save, workplace
from pipeline.settings import Settings
from pipeline.topics.bound import Bound
from pipeline.topics.selection import Selection

SHARES = [Share(0, 0, 5, 10, 20, whole=True, closable=True), Share(3, 7, 7, 9, 9, whole=False, closable=False)]


def order(work: Path) -> Order:
    """An order of the last hour, made at second 5."""
    return Order(Settings(), Selection(since=Bound.of("-1h", 5_000)), work, now=5_000, look_back=300_000)


def test_a_plan_is_found_again_as_it_was_decided(tmp_path: Path) -> None:
    """Times ago, and the end of the topic, are not looked up a second time."""
    assert load(order(tmp_path)) is None
    save(order(tmp_path), SHARES)
    later = replace(order(tmp_path), now=9_000, selection=Selection(since=Bound.of("-1h", 9_000)))
    found = load(later)
    assert found is not None
    assert (found.now, found.shares) == (5_000, SHARES)


def test_a_plan_of_something_else_is_refused(tmp_path: Path) -> None:
    """Another range, other settings or other outputs would mix two replays."""
    mine = order(tmp_path)
    save(mine, SHARES)
    others = [
        replace(mine, selection=Selection(since=Bound.of("-2h", 5_000))),
        replace(mine, settings=Settings(capture="hash")),
        replace(mine, diff=True),
        replace(mine, look_ahead=1),
    ]
    for other in others:
        with pytest.raises(UsageError, match="holds a replay of other"):
            load(other)


def test_a_workplace_stays_after_a_failure_and_goes_after_success(tmp_path: Path) -> None:
    """What was begun can be gone on with; what is done leaves nothing."""
    place = tmp_path / "work"
    with pytest.raises(KeyboardInterrupt), workplace(place):
        raise KeyboardInterrupt
    assert place.exists()
    with workplace(place), pytest.raises(UsageError, match="another replay works"), workplace(place):
        pass
    assert not place.exists()
    with workplace(None) as temporary:
        assert temporary.exists()
    assert not temporary.exists()


def test_a_directory_of_somebody_else_is_not_worked_in(tmp_path: Path) -> None:
    """It would be removed at the end."""
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="in use for something else"), workplace(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").exists()


def test_a_file_is_cut_to_the_length_that_was_noted(tmp_path: Path) -> None:
    """And refused if it is shorter: then what was noted is not there."""
    part = Part(tmp_path / "p", 0)
    assert [part.write(b"one"), part.write(b"two")] == [0, 4]
    noted = part.sync()
    part.write(b"never noted")
    part.close()
    again = Part(tmp_path / "p", noted)
    again.write(b"three")
    again.sync()
    assert again.read(8, 5) == b"three"
    again.close()
    assert (tmp_path / "p").read_bytes() == b"one\ntwo\nthree\n"
    with pytest.raises(FoundProblem, match="14 of the 99 bytes"):
        Part(tmp_path / "p", 99)
