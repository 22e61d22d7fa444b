"""A correction is the next revision, and says nothing but what it corrects."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from pipeline.core.canonical import canonical, encode
from pipeline.core.policy import Policy
from pipeline.ops.correction import alike, altered, amended
from pipeline.ops.correction.amendment import ALTERED, FOREIGN, UNKNOWN
from pipeline.testing.chunk import USAGE, chat, marker, usage
from schemas.identity import record_id
from schemas.record import RECORD_FIELDS
from tests.ledger import fold, valid

LIMIT = 8 << 20


def record(**changes: Any) -> dict[str, Any]:
    """A record of the worker's with a cost of 0.5."""
    return fold(chat(0, "a\u2028b"), usage(1, USAGE, cost=0.5), marker(2)) | changes


def correction(old: dict[str, Any], new: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The correction as a record that was held to the contract."""
    made = amended(old, new, ledger="main", limit=LIMIT, **options)
    assert made is not None
    assert made.key == old["request_id"].encode()
    return valid(made.value)


def test_the_next_revision_supersedes_the_old_one_with_its_delta() -> None:
    """Everything else is as it was, and the digest holds."""
    old = record()

    made = correction(old, {**old, "cost": 0.75})

    changed = {name for name in RECORD_FIELDS if made[name] != old[name]}
    assert changed == {"cost", "record_id", "revision", "supersedes", "delta", "digest"}
    assert (made["revision"], made["supersedes"]) == (1, old["record_id"])
    assert made["record_id"] == record_id("main", "r-1", 1)
    assert made["delta"] == {"token_usage": dict.fromkeys(USAGE, 0), "cost": 0.25}
    assert altered(made, "main") is None


def test_a_correction_of_a_correction_goes_on_counting() -> None:
    """Revision 2 supersedes revision 1, and the deltas add up to the latest cost."""
    old = record()
    first = correction(old, {**old, "cost": 0.75})

    second = correction(first, {**first, "cost": 0.6})

    assert (second["revision"], second["supersedes"]) == (2, first["record_id"])
    assert second["delta"]["cost"] == -0.15


@pytest.mark.parametrize("name", ["revision", "record_id", "delta", "config_digest", "closed_by", "source", "digest"])
def test_what_says_nothing_of_the_request_is_no_reason_for_a_correction(name: str) -> None:
    """The same content under other names, from other offsets or by other settings bills the same."""
    old = record()

    assert amended(old, {**old, name: "other"}, ledger="main", limit=LIMIT) is None


def test_records_are_alike_whatever_they_cost() -> None:
    """Totals, parts and attempts are money; who was asked and what was used is not."""
    one = record(attempts=[{"number": 0, "model": "m", "cost": 0.5}])
    dearer = {"cost": 9.0, "cost_details": None, "attempts": [{"number": 0, "model": "m", "cost": 9.0}]}

    assert alike(one, one | dearer | {"revision": 3, "digest": ""})
    assert not alike(one, one | {"attempts": [{"number": 0, "model": "n", "cost": 0.5}]})
    assert not alike(one, one | {"attempts": None})
    assert not alike(one, one | {"token_usage": None})


def test_headers_are_those_of_the_new_revision() -> None:
    """With the trace context of the old one."""
    old = record()

    made = amended(old, {**old, "cost": 1.0}, ledger="main", limit=LIMIT, traceparent="00-1-2-01")

    assert made is not None
    told = dict(made.headers)
    assert (told["revision"], told["record_id"].decode()) == (b"1", record_id("main", "r-1", 1))
    assert told["traceparent"] == b"00-1-2-01"


def test_a_correction_that_is_too_large_sheds_as_the_worker_does() -> None:
    """Raw payloads and content go, money stays."""
    old = fold(chat(0, "x" * 4_000), usage(1, USAGE, cost=0.5), marker(2))

    made = amended(old, {**old, "cost": 1.0}, ledger="main", limit=3_500)

    assert made is not None
    shed = valid(made.value)
    assert len(made.value or b"") <= 3_500
    assert (shed["cost"], shed["content_omitted"], shed["output_message"]) == (1.0, "content", None)


def test_what_the_worker_wrote_can_be_built_on() -> None:
    """Its digest is that of what it says, read again from its bytes."""
    assert altered(record(), "main") is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"cost": 0.4}, ALTERED, id="money"),
        pytest.param({"labels": {"tenant": "other"}}, ALTERED, id="who pays"),
        pytest.param({"schema_version": 2}, UNKNOWN, id="newer"),
        pytest.param({"schema_version": "1"}, UNKNOWN, id="version of another kind"),
        pytest.param({"source": None}, UNKNOWN, id="no source"),
        pytest.param({"cost": "free"}, UNKNOWN, id="a text for a number"),
        pytest.param({"new_field": 1}, UNKNOWN, id="more fields"),
        pytest.param({"revision": 1}, FOREIGN, id="another revision's id"),
        pytest.param({"request_id": "r-2"}, FOREIGN, id="another request's id"),
    ],
)
def test_what_somebody_changed_is_not_built_on(changes: dict[str, Any], expected: str) -> None:
    """A correction would pass it on under a digest that holds."""
    assert altered(record(**changes), "main") == expected


def test_a_record_of_another_ledger_is_not_built_on() -> None:
    """Its ids are of another name."""
    assert altered(record(), "staging") == FOREIGN
    assert altered(fold(chat(0, "a"), policy=Policy(ledger="staging")), "staging") is None


def test_a_record_without_one_of_its_fields_is_not_built_on() -> None:
    """Even where its digest holds."""
    whole = record()
    del whole["origin"]
    whole["digest"] = sha256(canonical(whole)).hexdigest()

    assert encode(whole)
    assert altered(whole, "main") == UNKNOWN
