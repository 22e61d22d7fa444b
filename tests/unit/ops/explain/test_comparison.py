"""A record held to what its chunks give: bytes, digest, or the fields that differ, never content."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.core.canonical import canonical
from pipeline.core.policy import Policy
from pipeline.errors import FoundProblem
from pipeline.ops.correction import amended
from pipeline.ops.demo.streams import streams
from pipeline.ops.explain.comparison import Found, compare, differing, holds, read, records_in
from pipeline.ops.explain.watch import Watch
from pipeline.testing.chunk import Document, chat, encoded, usage
from tests.unit.ops.explain.telling import gather, placed, records

SECRET = "the-secret"


def rebuilt(policy: Policy | None = None) -> Watch:
    """A request with a revision, folded."""
    lines = placed((0, chat(0, SECRET, finish="stop", cost=0.5)), (5_000, usage(1)), (9_000, chat(0, request_id="r-2")))
    return gather(lines, policy=policy).watch


def found(watch: Watch, change: Callable[[Document], Any] = lambda _: None) -> list[Found]:
    """Its records as they were sent, the first one changed after."""
    listed = [read(closing.value or b"", f"offset {number}") for number, closing in enumerate(watch.closings)]
    record = json.loads(listed[0].value)
    change(record)
    changed = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
    return [read(changed, "offset 0"), *listed[1:]]


def verdicts(*args: Any, whole: bool = True) -> list[str]:
    """The results by revision."""
    return [verdict["result"] for verdict in compare(*args, whole=whole)]


def test_the_records_that_the_fold_sent_are_identical() -> None:
    """To every byte, in every revision."""
    watch = rebuilt()

    assert verdicts(found(watch), watch.closings) == ["identical", "identical"]


def test_what_the_digest_leaves_out_may_differ() -> None:
    """Counts of repeats depend on delivery (CONTRACT §2); the difference is told."""
    watch = rebuilt()
    first, _ = compare(found(watch, lambda record: record.update(duplicate_count=3)), watch.closings, whole=True)

    assert (first["result"], first["digest_holds"]) == ("same digest", True)
    assert first["differences"] == [{"field": "duplicate_count", "record": 3, "rebuilt": 0}]


def test_a_changed_figure_is_found_though_the_digest_was_kept() -> None:
    """The digest is made again from what the record says."""
    watch = rebuilt()
    first, second = compare(found(watch, lambda record: record.update(cost=0.05)), watch.closings, whole=True)

    assert (first["result"], first["digest_holds"], second["result"]) == ("different", False, "identical")
    assert first["differences"] == [{"field": "cost", "record": 0.05, "rebuilt": 0.5}]
    assert "changed after it was made" in first["notes"][0]


def test_changed_content_is_named_but_not_shown() -> None:
    """Neither the true text nor the false one (G7)."""
    watch = rebuilt()
    records_ = found(watch, lambda record: record["output_message"].update(content="forged"))
    first, _ = compare(records_, watch.closings, whole=True)

    assert first["differences"] == [{"field": "output_message", "record": None, "rebuilt": None}]
    assert SECRET not in json.dumps(first)
    assert "forged" not in json.dumps(first)


def test_other_settings_are_recognised() -> None:
    """A record made under them can't be rebuilt without them."""
    first, _ = compare(found(rebuilt(Policy(ledger="staging"))), rebuilt().closings, whole=True)

    assert first["result"] == "different"
    assert {difference["field"] for difference in first["differences"]} == {"record_id", "config_digest", "digest"}
    assert "other settings" in first["notes"][0]


def test_a_revision_on_one_side_only_is_told() -> None:
    """A record that its chunks don't give, and one that should be there."""
    watch = rebuilt()

    assert verdicts(found(watch), watch.closings[:1]) == ["identical", "not rebuilt"]
    assert verdicts(found(watch)[:1], watch.closings) == ["identical", "no record"]
    assert verdicts([], watch.closings[:1]) == ["no record"]


def test_a_correction_of_money_is_told_from_a_record_out_of_nowhere() -> None:
    """One whose digest does not hold, or that says something else beside the money, is none."""
    watch = rebuilt()
    listed = found(watch)
    old = listed[-1].record

    def with_(**changes: Any) -> list[Found]:
        made = amended(old, {**old, **changes}, ledger="main", limit=1 << 20)
        assert made is not None
        return [*listed, read(made.value or b"", "offset 2")]

    forged = read(json.dumps(with_(cost=0.75)[-1].record | {"cost": 0.1}).encode(), "offset 2")

    assert verdicts(with_(cost=0.75), watch.closings)[2] == "corrected"
    assert verdicts(with_(cost=0.75)[2:], watch.closings)[2] == "not rebuilt"
    assert verdicts(with_(cost=0.75, model="other"), watch.closings)[2] == "not rebuilt"
    assert verdicts([*listed, forged], watch.closings)[2] == "not rebuilt"


def test_what_nobody_looked_for_is_not_missed() -> None:
    """One record out of a file says nothing of the others, and the newest one nothing of older ones past retention."""
    watch = rebuilt()

    assert verdicts(found(watch)[:1], watch.closings, whole=False) == ["identical", "not found"]
    assert verdicts(found(watch)[1:], watch.closings) == ["not found", "identical"]


def test_the_last_of_equal_revisions_counts() -> None:
    """An id that is used again after its marker is gone has two records of revision 0."""
    watch = rebuilt()
    wrong, *rest = found(watch, lambda record: record.update(cost=None))

    assert verdicts([wrong, *found(watch)[:1], *rest], watch.closings) == ["identical", "identical"]


def test_null_and_absent_are_the_same_and_flags_are_no_numbers() -> None:
    """A field that a newer version added is no difference while it is null."""
    assert list(differing({"a": None}, {})) == []
    assert [each.field for each in differing({"a": {"b": 1, "c": 2}}, {"a": {"b": True, "c": 3}})] == ["a.b", "a.c"]


@pytest.mark.parametrize("line", [b"no json", b"[]", b'{"a": 1}', b'{"request_id": 1, "revision": 0, "source": null}'])
def test_what_is_no_record_is_refused_by_its_place(line: bytes) -> None:
    """Nothing of its content is in the text."""
    with pytest.raises(FoundProblem, match=r"records\.jsonl line 2 is no record"):
        records_in([b"\n", line], "r-1", "records.jsonl")


def test_records_of_a_request_are_picked_from_a_file() -> None:
    """By revision, whatever their order in it; without one it is a problem."""
    watch = rebuilt()
    lines = [closing.value or b"" for closing in reversed(watch.closings)]

    assert [each.record["revision"] for each in records_in(lines, "r-1", "f")] == [0, 1]
    with pytest.raises(FoundProblem, match="none of the 2 records in f is of the request"):
        records_in(lines, "r-2", "f")


def test_the_digest_of_every_demo_record_holds_when_it_is_read_back() -> None:
    """JSON loses nothing that the canonical bytes need."""
    made = [record for stream in streams() for record in records(list(stream.chunks))]

    assert all(map(holds, made))
    assert not any(holds(record | {"latency": record["latency"] + 1}) for record in made)


def test_a_digest_that_is_missing_does_not_hold() -> None:
    """Nor does that of half a record."""
    (record,) = records([encoded(chat(0, "a"))])

    assert canonical(record)
    assert not holds({name: value for name, value in record.items() if name != "digest"})
    assert not holds({"digest": record["digest"]})
