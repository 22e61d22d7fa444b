"""The course of a load: how many are open, what trouble does, what the ledger says of it."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from pipeline.core.policy import Policy
from pipeline.ops.fold import fold_lines
from pipeline.ops.load.choice import Choice
from pipeline.ops.load.course import Clocks, Course, Send
from pipeline.ops.load.profile import PROFILES
from pipeline.ops.load.request import Request
from pipeline.ops.load.trouble import TROUBLES, Route
from pipeline.pricing import valuation
from pipeline.settings import Settings

START = 1_795_449_600_000
Row = dict[str, Any]


def course(choice: Choice) -> Course:
    """A course on clocks that stand still."""
    return Course(choice, "t", Clocks(lambda: START, lambda: 0.0))


def whole(on: Course) -> list[Send]:
    """All of a course, late chunks at its end."""
    return [*on.turns(), *on.late(float("inf"))]


def records(sends: Sequence[Send]) -> dict[str, Row]:
    """What an offline fold makes of it, by request."""
    settings = Settings()
    lines = (value for _, value, _ in sends)
    made = [json.loads(_record(each)) for each in fold_lines(lines, settings.policy(), valuation(settings))]
    return {record["request_id"]: record for record in made}


def _record(each: object) -> bytes:
    assert isinstance(each, bytes), "a dead letter"
    return each


def rows(sends: Sequence[Send]) -> dict[str, Row]:
    """What the ledger says, by request."""
    return {key.decode(): request.row() for key, _, request in sends if request is not None}


def test_equal_seeds_make_equal_loads() -> None:
    """Byte for byte; another seed sends something else."""
    one, same, other = (whole(course(Choice(requests=8, chaos=0.5, seed=seed))) for seed in (1, 1, 2))

    assert [send[:2] for send in one] == [send[:2] for send in same]
    assert [send[1] for send in one] != [send[1] for send in other]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_ledger_is_what_a_fold_makes_of_the_chunks(profile: str) -> None:
    """Under every trouble: tokens of each request, stated costs, and a price for all that have a usage."""
    sends = whole(course(Choice(profile=profile, requests=40, open=30, chaos=0.6)))
    ours, theirs = rows(sends), records(sends)

    assert ours.keys() == theirs.keys()
    assert len(ours) == 40
    for name, row in ours.items():
        record = theirs[name]
        usage = record["token_usage"] or {}
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_read_tokens", 0)
        assert [row[f"{side}_tokens"] for side in ("prompt", "completion", "total")] == [
            usage.get(f"{side}_tokens") for side in ("prompt", "completion", "total")
        ]
        assert (row["cached_tokens"] or 0) == cached
        assert (record["cost"] is None) == (row["state"] == "cut")
        if row["cost"] is not None:
            assert record["cost"] == pytest.approx(row["cost"], abs=1e-12)
            assert record["cost_details"]["source"] == "gateway"
        assert row["chunks"] == record["chunk_count"]
        assert record["start_timestamp"].startswith(row["time"][:19])


def test_every_trouble_does_what_it_says() -> None:
    """Repeats are dropped, a gap is one, a cut stream has no end, a retried one two attempts."""
    sends = whole(course(Choice(profile="agents", requests=60, open=30, chaos=1.0)))
    ours, theirs = rows(sends), records(sends)
    by: dict[str, list[Row]] = {}
    for name, row in ours.items():
        by.setdefault(row["trouble"], []).append(theirs[name])

    assert {name for name, _ in TROUBLES} <= by.keys()
    assert all(record["duplicate_count"] >= 1 for record in by["duplicates"])
    assert all(record["missing_indexes"] and not record["complete"] for record in by["gap"])
    assert all(record["status"] == "incomplete" and record["token_usage"] is None for record in by["cut"])
    assert all(len(record["attempts"]) == 2 for record in by["retry"])
    assert all(record["complete"] for record in (*by["reordered"], *by["late"], *by["duplicates"]))


def test_no_more_are_open_than_said() -> None:
    """In turns: the next begins when one has ended."""
    on = course(Choice(requests=40, open=7))
    seen: set[bytes] = set()
    for key, _, last in on.turns():
        seen = seen - {key} if last else seen | {key}
        assert len(seen) <= 7
    assert on.begun == 40


def test_chunks_come_when_their_stream_would_have_them() -> None:
    """With real timing nothing is early: a chunk's time is the one that its stream gives it."""
    now = itertools.count(0, 50)
    on = Course(Choice(requests=12, open=4, timing="real"), "t", Clocks(lambda: START, lambda: 0.0))
    sent: list[tuple[int, Send]] = []
    while on.more or on.open:
        at = next(now)
        sent += [(at, send) for send in on.timed(at)]
        assert on.open <= 4
        assert on.due is None or on.due > at

    for key in {send[0] for _, send in sent}:
        own = [(at, json.loads(send[1])["timestamp"]) for at, send in sent if send[0] == key]
        assert [stamp for _, stamp in own] == sorted(stamp for _, stamp in own)
    assert Counter(last is not None for _, (_, _, last) in sent)[True] == 12


def stopped(choice: Choice, after: int) -> tuple[list[Send], Iterator[Send]]:
    """So many chunks, then the ends of what is open."""
    on = course(choice)
    return list(itertools.islice(on.turns(), after)), on.stop()


@pytest.mark.parametrize("profile", ["agents", "mixed"])
def test_a_stopped_load_ends_what_is_open(profile: str) -> None:
    """Each open request gets an error of type request_cancelled that closes it, and its row has what was stated."""
    before, after = stopped(Choice(profile=profile, requests=30, open=30, chaos=0.5), 1_500)
    sends = [*before, *after]
    ours = rows(sends)
    theirs = records(sends)

    assert ours.keys() == theirs.keys()
    cancelled = {name for name, row in ours.items() if row["state"] == "cancelled"}
    assert len(cancelled) > 5
    for name in cancelled:
        assert theirs[name]["closed_by"] == "error"
        assert theirs[name]["status"] == "incomplete"
        assert ours[name]["total_tokens"] == (theirs[name]["token_usage"] or {}).get("total_tokens")


def test_a_load_can_be_stopped_anywhere() -> None:
    """After any chunk of three requests: each of which something was sent is in the ledger once, and is closed."""
    choice = Choice(profile="agents", requests=3, open=3, chaos=1.0, seed=8)
    for after in range(0, len(whole(course(choice))), 97):
        before, rest = stopped(choice, after)
        sends = [*before, *rest]
        marks = [key for key, _, request in sends if request is not None]

        assert sorted(marks) == sorted({key for key, _, _ in sends})
        assert rows(sends).keys() == records(sends).keys()


def test_a_stop_before_the_last_repeat_cancels_nothing() -> None:
    """All of the stream was sent: the repeat goes out, and the request has ended."""
    on = course(Choice(requests=1, open=1))
    template = on._pool.plain[0]
    steps = len(template.steps)
    request = Request(b"r-1", template, Route([*range(steps), steps - 1], None, "duplicates"), START)
    for _ in range(steps):
        last = request.next()
    on._turning.append(request)

    assert list(on.stop()) == [(b"r-1", last, request)]
    assert (request.state, request.row()["total_tokens"]) == ("ended", template.counts.total)


def test_sizes_are_those_of_the_chunks() -> None:
    """The summary's bytes are counted from steps, not from what was sent."""
    sends = whole(course(Choice(profile="mixed", requests=20, chaos=1.0)))
    sizes: Counter[bytes] = Counter()
    for key, value, _ in sends:
        sizes[key] += len(value)

    last: list[Request] = [request for _, _, request in sends if request is not None]
    assert {request.key: request.size for request in last} == sizes
    assert sum(request.chunks for request in last) == len(sends)


def test_ids_are_never_used_twice() -> None:
    """Requests share their streams, not their ids, and neither do two loads."""
    one = rows(whole(course(Choice(requests=8))))
    other = rows(whole(Course(Choice(requests=8), "u", Clocks(lambda: START, lambda: 0.0))))

    assert len(one) == len(other) == 8
    assert not one.keys() & other.keys()


def test_policy_of_the_fold_is_the_default() -> None:
    """What is compared above is compared under the settings that everyone has."""
    assert Settings().policy() == Policy()
