"""The spool's tools: what lies there, whose it is, what may be removed, and what stays of a file written anew."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.errors import BAD_USAGE, FOUND_PROBLEM, OK, UsageError
from pipeline.ingest.publish.backlog import ASIDE, DAMAGED, LOCK, SUFFIX
from pipeline.ingest.publish.estate import Estate
from pipeline.ingest.publish.item import Item
from pipeline.ingest.publish.spool import Spool
from pipeline.ops.erase.spooled import found, taken
from pipeline.ops.spool import State, erase, items, remove, surveyed
from pipeline.topics.selection import Selection

TOPIC = "llm.chunks"
NOW, WINDOW = 10_000_000_000, 1_000
"""Microseconds; and milliseconds, after which a chunk is late."""

SECRET = "sëcret"


def item(request_id: str, accepted: int = NOW, **labels: str) -> Item:
    """A chunk of a request."""
    value = json.dumps({"request_id": request_id, "labels": labels or None, "response": {"text": SECRET}})
    return Item(request_id.encode(), value.encode(), b"", accepted)


def publisher(folder: Path, *chunks: Item) -> Spool:
    """A publisher that has written chunks, and lives."""
    made = Spool(folder, TOPIC, 1 << 30, lambda *_: None)
    made.append(chunks)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """One file of each kind: `living` of a, `left` of a and b, `refused` of b, `damaged` of c, and its living owner."""
    living = publisher(tmp_path, item("a"))
    left = publisher(tmp_path, item("a", NOW - 2_000_000, team="x"), item("b"), item("a", team="x"))
    left.let_go()
    living.aside([item("b"), item("d")])
    torn = publisher(tmp_path, item("c"), item("c"))
    torn.let_go()
    (path,) = tmp_path.glob(f"{torn.owner}*{SUFFIX}")
    os.truncate(path, path.stat().st_size - 5)
    path.rename(path.with_suffix(DAMAGED))
    (tmp_path / f"{torn.owner}{LOCK}").unlink()
    yield tmp_path
    living.let_go()


def by_state(folder: Path) -> dict[State, Any]:
    """The only file of each state."""
    return {kept.state: kept for kept in surveyed(folder, WINDOW, NOW)}


def keys(path: Path) -> list[str]:
    """Whose chunks a file has, in order."""
    return [each.key.decode() for each in items(path)]


def run(*arguments: str) -> tuple[int, str]:
    """The command; exit code and what it printed."""
    result = CliRunner().invoke(main, ["spool", *arguments])
    return result.exit_code, result.stdout


def test_every_file_is_told_with_what_is_going_to_happen(folder: Path) -> None:
    """Counts, requests, ages, what a closed request takes no more, and what can't be read."""
    told = by_state(folder)

    assert {state: (kept.chunks, kept.requests, kept.late) for state, kept in told.items()} == {
        State.LIVING: (1, 1, 0),
        State.LEFT: (3, 2, 1),
        State.REFUSED: (2, 2, 0),
        State.DAMAGED: (1, 1, 0),
    }
    assert (told[State.LEFT].oldest, told[State.LEFT].newest) == (NOW - 2_000_000, NOW)
    assert {state for state, kept in told.items() if kept.unread} == {State.DAMAGED}
    assert not list(folder.glob("*again*"))


def test_the_list_has_no_content_and_says_whether_somebody_is_needed(folder: Path, tmp_path_factory: Any) -> None:
    """Exit 1 while there is anything that no living publisher sends; JSON and text say the same."""
    code, text = run("ls", f"--dir={folder}")
    _, document = run("ls", f"--dir={folder}", "--json")
    told = json.loads(document)

    assert code == FOUND_PROBLEM
    assert told["chunks"] == {"living": 1, "left": 3, "refused": 2, "damaged": 1}
    assert (told["needs_somebody"], told["late"], len(told["files"])) == (True, 7, 4)
    assert all(words in text for words in ("living: ", "left: ", "refused: ", "damaged: ", "unreadable", "7 chunks"))
    assert SECRET not in text + document

    empty = tmp_path_factory.mktemp("empty")
    assert run("ls", f"--dir={empty}") == (OK, f"{empty}: empty\n")
    assert run("ls", f"--dir={empty / 'none'}")[0] == BAD_USAGE


def test_content_is_shown_only_where_it_is_asked_for(folder: Path) -> None:
    """As the JSON lines that `fold` and `produce` read."""
    name = by_state(folder)[State.REFUSED].path.name
    code, text = run("show", name, f"--dir={folder}")
    _, content = run("show", name, f"--dir={folder}", "--content")
    _, document = run("show", name, f"--dir={folder}", "--json")

    assert code == OK
    assert SECRET not in text + document
    assert [json.loads(line)["request_id"] for line in content.splitlines()] == ["b", "d"]
    assert [json.loads(line)["request_id"] for line in document.splitlines()] == ["b", "d"]
    assert run("show", "no-such-file", f"--dir={folder}")[0] == BAD_USAGE


def test_a_file_is_removed_unless_its_publisher_lives(folder: Path) -> None:
    """And nothing is without --execute; the lock of one that is gone goes with its last file."""
    told = by_state(folder)
    others = [told[state].path for state in (State.LEFT, State.REFUSED, State.DAMAGED)]
    for path in others:
        assert run("rm", str(path))[0] == OK
    assert all(path.exists() for path in others)
    for path in others:
        assert run("rm", str(path), "--execute")[0] == OK

    assert run("rm", str(told[State.LIVING].path), "--execute")[0] == BAD_USAGE
    assert [kept.state for kept in surveyed(folder, WINDOW, NOW)] == [State.LIVING]
    assert len(list(folder.glob(f"*{LOCK}"))) == 1
    with pytest.raises(UsageError, match="no file of a spool"):
        remove(next(folder.glob(f"*{LOCK}")))


def test_chunks_of_a_request_are_taken_out_and_the_others_stay_as_they_are(folder: Path) -> None:
    """In order and readable by the next publisher; a living publisher's are counted and left alone."""
    left, aside = (by_state(folder)[state].path for state in (State.LEFT, State.REFUSED))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    dry = erase(folder, lambda each: each.key in (b"a", b"d"), lambda _: False, execute=False)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before

    done = erase(folder, lambda each: each.key in (b"a", b"d"), lambda _: False, execute=True)

    assert (dry.chunks, dry.living) == (done.chunks, done.living) == ({"a": 2, "d": 1}, {"a": 1})
    assert (keys(left), keys(aside)) == (["b"], ["b"])
    assert [path.suffix for path in done.unread] == [DAMAGED]
    estate = Estate(folder, TOPIC, lambda *_: None)
    estate.look()
    assert estate.read(1 << 20, 10) == [item("b")]
    estate.let_go()
    assert erase(folder, lambda each: each.key == b"b", lambda _: False, execute=True).chunks == {"b": 2}
    assert not left.exists()
    assert not aside.exists()


def test_what_a_bill_needs_is_not_taken_out(folder: Path) -> None:
    """A request without a record whose chunks are still to be sent; what is too late, or refused, goes."""
    left = by_state(folder)[State.LEFT].path
    ids = found(folder, Selection(labels={"team": "x"}))
    assert ids == {"a"}
    assert found(folder, Selection(request_ids=frozenset({"b", "z"}))) == {"b"}

    past = NOW - WINDOW * 1_000
    done = taken(folder, {"a", "d"}, (), past, execute=True)

    assert (done.chunks, done.unsent, done.living) == ({"a": 1, "d": 1}, {"a": 1}, {"a": 1})
    assert keys(left) == ["b", "a"]
    done = taken(folder, {"a"}, {"a"}, past, execute=True)
    assert (done.chunks, done.unsent) == ({"a": 1}, {})
    assert keys(left) == ["b"]


def test_a_publisher_that_sets_aside_meanwhile_loses_nothing(folder: Path) -> None:
    """It appends under the file's own lock, to the file that has the name."""
    path = by_state(folder)[State.REFUSED].path
    owner = Spool(folder, TOPIC, 1 << 30, lambda *_: None)
    owner.owner = path.stem
    erase(folder, lambda each: each.key == b"b", lambda _: False, execute=True)
    owner.aside([item("e")])

    assert keys(path) == ["d", "e"]
    assert path.suffix == ASIDE
