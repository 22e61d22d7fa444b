"""One request judged: everything that a record may have wrong is named, and nothing that is right."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from pipeline.core.policy import Policy
from pipeline.ops.reconcile.chunk import read
from pipeline.ops.reconcile.claim import Claim, Place, Unreadable, claim_of
from pipeline.ops.reconcile.clock import Clock
from pipeline.ops.reconcile.finding import Cause, Kind, State
from pipeline.ops.reconcile.judge import Scope, Verdict, judge
from pipeline.ops.reconcile.price import Prices
from pipeline.ops.reconcile.tally import Tally
from pipeline.testing.chunk import HOUR, USAGE, Document, chat, encoded, marker, usage
from schemas.record import NOT_CANONICAL
from tests.ledger import NUMBER, START, TOPIC, Ledger

SCOPE = Scope("main", TOPIC, "records", NUMBER, 0, 100)
PRICES = Prices()
LATER = Clock(START + 2 * HOUR, None, 300_000, 2_000, 24 * HOUR, 20_000)
SOON = replace(LATER, now=START + 1_000)
WHO: dict[str, Any] = {"provider": "harbour", "model": "m-1", "labels": {"team": "a"}}


def finished() -> list[Document]:
    """A finished stream with usage and a stated cost."""
    return [chat(0, "a", **WHO), chat(1, finish="stop"), usage(2, cost=0.5), marker(3)]


def tally_of(*chunks: Document, refused: Mapping[int, str] | None = None) -> Tally:
    """The count of chunks at the offsets of their order."""
    tally = Tally("r-1", str(chunks[0]["stream_type"]), START)
    for offset, document in enumerate(chunks):
        reason = (refused or {}).get(offset)
        if reason is None:
            tally.take(read(b"r-1", encoded(document), 8 << 20), offset, START)
        else:
            tally.refused.append((offset, reason))
    return tally


def claim(record: Mapping[str, Any], offset: int = 0, *, sealed: bool = True) -> Claim:
    """A record as it would be read, with a digest that holds unless told."""
    kept = {name: value for name, value in record.items() if name not in NOT_CANONICAL}
    digest = sha256(msgspec.json.encode(kept)).hexdigest() if sealed else record["digest"]
    return claim_of(b"r-1", msgspec.json.encode({**record, "digest": digest}), Place(NUMBER, offset, START), PRICES)


def records(*chunks: Document, late: tuple[Document, ...] = ()) -> list[Document]:
    """What the fold makes of chunks, and of those that come after the close."""
    ledger = Ledger().send(*chunks).until(60_000)
    return (ledger.send(*late, at=60_000).until(120_000) if late else ledger).records


def differences(verdict: Verdict) -> dict[str, tuple[Any, Any]]:
    """Expected and found by field, of the one finding."""
    (finding,) = verdict.findings
    return {each.field: (each.expected, each.found) for each in finding.differences}


def test_what_the_fold_made_is_right() -> None:
    """No finding, nothing unchecked."""
    (record,) = records(*finished())

    assert judge(tally_of(*finished()), [claim(record)], SCOPE, LATER) == Verdict(State.OK)


def _usage(record: Document) -> None:
    record["token_usage"] |= {"prompt_tokens": 6, "total_tokens": 8}


def _cost(record: Document) -> None:
    record["cost"], record["cost_details"]["total"] = 0.4, "0.4"


def _unpriced(record: Document) -> None:
    record["cost"] = record["cost_details"]["total"] = record["cost_details"]["source"] = None


def _set(name: str, value: Any) -> Callable[[Document], None]:
    return lambda record: record.update({name: value})


@pytest.mark.parametrize(
    ("spoil", "fields"),
    [
        (_usage, {"prompt_tokens": (5, 6), "total_tokens": (7, 8)}),
        (_cost, {"cost": (Decimal("0.5"), Decimal("0.4"))}),
        (_unpriced, {"cost": (Decimal("0.5"), None), "cost source": ("stated", None)}),
        (_set("chunk_count", 3), {"chunks": (4, 3)}),
        (_set("duplicate_count", 1), {"duplicates": (0, 1)}),
        (_set("conflict_count", 1), {"conflicts": (0, 1)}),
        (_set("missing_indexes", [[4, 5]]), {"missing indexes": (0, 2)}),
        (_set("labels", {"team": "b"}), {"label": ("team", "another value")}),
        (_set("labels", {}), {"label": ("team", "missing")}),
        (_set("provider", "other"), {"provider": ("harbour", "other")}),
        (_set("model", None), {"model": ("m-1", None)}),
        (_set("finish_reason", "length"), {"finish_reason": ("stop", "length")}),
        (_set("stream_type", "responses"), {"stream type": ("chat.completion", "responses")}),
        (_set("start_timestamp", "2026-01-01T00:00:01.000000Z"), {"start": (START * 1_000, START * 1_000 + 10**6)}),
    ],
)
def test_a_field_that_is_wrong_is_named(spoil: Callable[[Document], None], fields: dict[str, Any]) -> None:
    """With both values; with nothing but money wrong it is mispriced."""
    (record,) = records(*finished())
    spoil(record)

    verdict = judge(tally_of(*finished()), [claim(record)], SCOPE, LATER)

    assert differences(verdict) == fields
    assert verdict.findings[0].kind is (Kind.MISPRICED if "cost" in fields else Kind.DIFFERENT)


def test_money_of_a_difference_has_a_cause() -> None:
    """What was found minus what is expected, in USD and tokens."""
    (record,) = records(*finished())
    none = json.loads(json.dumps(record))
    _unpriced(none)
    _cost(record)

    (cheap,) = judge(tally_of(*finished()), [claim(record)], SCOPE, LATER).findings
    (unpriced,) = judge(tally_of(*finished()), [claim(none)], SCOPE, LATER).findings

    assert (cheap.usd, cheap.tokens, cheap.cause) == (Decimal("-0.1"), 0, Cause.OTHER)
    assert (unpriced.usd, unpriced.cause) == (Decimal("-0.5"), Cause.UNPRICED)


def test_a_record_that_was_touched_has_no_digest_any_more() -> None:
    """Content is not counted, but the digest covers it."""
    (record,) = records(*finished())
    record["output_message"]["content"] = "b"

    verdict = judge(tally_of(*finished()), [claim(record, sealed=False)], SCOPE, LATER)

    assert differences(verdict) == {"digest": ("consistent", "not")}


def test_a_lost_record_is_missing_once_its_time_has_come() -> None:
    """Before that the request is open; its money is told."""
    tally = tally_of(*finished())
    (finding,) = judge(tally, [], SCOPE, LATER).findings

    assert judge(tally, [], SCOPE, SOON) == Verdict(State.OPEN)
    assert (finding.kind, finding.usd, finding.tokens) == (Kind.MISSING, Decimal("-0.5"), -USAGE["total_tokens"])
    assert judge(tally, [], SCOPE, replace(LATER, reached=START - 1)) == Verdict(State.OPEN)  # the worker is behind


def test_the_same_revision_twice_is_a_duplicate() -> None:
    """With the money that is billed once too often."""
    (record,) = records(*finished())
    (finding,) = judge(tally_of(*finished()), [claim(record), claim(record, 1)], SCOPE, LATER).findings

    assert (finding.kind, finding.cause, finding.usd) == (Kind.DUPLICATE, Cause.DUPLICATES, Decimal("0.5"))
    assert finding.place == f"records/{NUMBER}/1"


def test_a_record_of_nothing_is_different() -> None:
    """Its chunks are not there although the range covers them; outside of the range nobody can tell."""
    (record,) = records(*finished())
    (finding,) = judge(None, [claim(record)], SCOPE, LATER).findings

    assert (finding.kind, finding.what) == (Kind.DIFFERENT, "a record of chunks that are not there")
    assert judge(None, [claim(record)], replace(SCOPE, begin=1), LATER) == Verdict(State.CUT)
    assert judge(None, [claim(record)], replace(SCOPE, end=3), LATER) == Verdict(State.CUT)


def test_a_chunk_after_the_record_is_waited_for_and_then_missed() -> None:
    """Usage that came late and that neither a revision nor a dead letter accounts for."""
    chunks = [chat(0, "a", finish="stop"), usage(1, cost=0.5)]
    (record,) = records(chunks[0])

    waiting = judge(tally_of(*chunks), [claim(record)], SCOPE, SOON)
    verdict = judge(tally_of(*chunks), [claim(record)], SCOPE, LATER)
    refused = judge(tally_of(*chunks, refused={1: "late"}), [claim(record)], SCOPE, LATER)

    assert (waiting.state, waiting.waiting, waiting.findings) == (State.LATE, True, [])
    assert differences(verdict) == {"chunk": ("counted, offset 1", "not counted")}
    assert (refused.state, refused.findings) == (State.LATE, [])


def test_a_chunk_refused_as_late_before_the_close_is_told() -> None:
    """The record counts a later one, so this one was not late."""
    chunks = finished()
    (record,) = records(*chunks)

    verdict = judge(tally_of(*chunks, refused={2: "late"}), [claim(record)], SCOPE, LATER)

    assert ("chunk", "counted, offset 2", "refused as late") in [
        tuple(each) for each in verdict.findings[0].differences
    ]


def test_revisions_hang_together() -> None:
    """Ids, what they supersede, deltas; the highest one is held against all chunks."""
    chunks = [chat(0, "a", finish="stop"), usage(1, cost=0.5)]
    first, second = records(chunks[0], late=(chunks[1],))
    whole = judge(tally_of(*chunks), [claim(first), claim(second, 1)], SCOPE, LATER)
    broken = second | {"delta": {**second["delta"], "cost": 0.4}, "supersedes": None, "record_id": first["record_id"]}
    verdict = judge(tally_of(*chunks), [claim(first), claim(broken, 1)], SCOPE, LATER)
    alone = judge(tally_of(*chunks), [claim(second, 1)], SCOPE, LATER)

    assert (whole.state, whole.findings) == (State.LATE, [])
    assert set(differences(verdict)) == {"record_id", "supersedes", "delta.cost"}
    assert differences(alone) == {"revision 0": ("there", "missing")}


def test_a_correction_may_take_in_dead_letters() -> None:
    """A letter that went into a correction is in no offset of the topic: said, neither equal nor different."""
    chunks = [chat(0, "a", finish="stop"), usage(1, cost=0.5)]
    first, second = records(chunks[0], late=(chunks[1],))

    verdict = judge(tally_of(*chunks, refused={1: "late"}), [claim(first), claim(second, 1)], SCOPE, LATER)

    assert verdict.findings == []
    assert verdict.unchecked == ["a correction that took in chunks out of dead letters"]


def test_what_cannot_be_told_is_said() -> None:
    """An older gateway's cache: counted as unchecked, not as equal and not as different."""
    counts = {**USAGE, "prompt_tokens_details": {"cached_tokens": 3}}
    chunks = [chat(0, "a", finish="stop", provider="anthropic"), usage(1, counts), marker(2)]
    (record,) = records(*chunks)

    verdict = judge(tally_of(*chunks), [claim(record)], SCOPE, LATER)

    assert (verdict.findings, verdict.unchecked) == ([], ["usage: cache of an older gateway"])


def test_a_value_that_is_no_record_is_unreadable() -> None:
    """Whatever it is instead."""
    for value in (None, b"", b"{", b"[]", b"{}", b'{"request_id": 5}'):
        with pytest.raises(Unreadable):
            claim_of(b"r-1", value, Place(0, 0, 0), PRICES)


def test_a_policy_has_the_waits_that_the_clock_takes() -> None:
    """The clock of these tests is that of the default settings."""
    policy = Policy()

    assert (LATER.silence, LATER.grace, LATER.age) == (
        policy.session_window,
        policy.finish_grace,
        policy.max_request_age,
    )
