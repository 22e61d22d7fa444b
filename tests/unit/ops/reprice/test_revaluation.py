"""A record priced anew says what the worker would have said with the other list, or that it can't tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.core.policy import Policy
from pipeline.ops.reprice.basis import ATTEMPTS, LEFT_OUT, OVERRIDDEN, QUARANTINED
from pipeline.ops.reprice.revaluation import Dated, Outcome, Verdict, kind_of, verdict_on
from pipeline.pricing.overlay_file import read
from pipeline.testing.chunk import USAGE, Document, chat, chunk, error, event, image, speech, text, transcript
from tests.ledger import fold
from tests.unit.ops.reprice.lists import Touchy, money, under
from tests.unit.pricing.calls import price_list

CACHED = {**USAGE, "prompt_tokens_details": {"cached_read_tokens": 3}}
OWN = {**USAGE, "cost": {"total_cost": 0.7}}
OWN_ZERO = {**USAGE, "cost": {"total_cost": 0}}
SPOKEN = {"model": "tts-1", "input": "Hello, it's me."}
HIT = {"cache_hit": True, "hit_type": "semantic", "provider_used": "openai", "model_used": "e-1", "input_tokens": 9}


def found(kind: str, **item: Any) -> Document:
    """A tool call of the Responses API that has ended."""
    done = {"id": f"i-{kind}", "type": kind, "status": "completed", **item}
    return event(1, "response.output_item.done", fields={"item": done, "output_index": 0})


def ended(index: int = 2) -> Document:
    """The end of a response."""
    return event(index, "response.completed", fields={"response": {"id": "x", "status": "completed", "usage": USAGE}})


CHAT_END = chat(1, "b", finish="stop", usage=USAGE)

TOLD: dict[str, Sequence[Document]] = {
    "chat": [chat(0, "a", provider="openai", model="m"), CHAT_END],
    "cached": [chat(0, "a", usage=CACHED, finish="stop")],
    "start": [chat(0, "a", usage=USAGE, start_timestamp="2026-01-01T00:00:00.123456Z")],
    "tier": [chunk(0, {"choices": [], "usage": USAGE, "service_tier": "flex"})],
    "estimated nothing": [chat(0, "a")],
    "error": [chat(0, "a", usage=USAGE), error(1)],
    "gateway's zero": [chat(0, "a", usage=USAGE, cost=0.0)],
    "provider's zero": [chat(0, "a", usage=OWN_ZERO)],
    "cache hit": [chunk(0, {"choices": [], "usage": USAGE, "extra_fields": {"cache_debug": HIT}})],
    "read again": [event(0, "x", fields={"extra_fields": {"request_type": "responses_retrieve_stream"}}), ended()],
    "text": [text(0, "a", finish="stop", usage=USAGE)],
    "search": [found("web_search_call", action={"type": "search"}), ended()],
    "page": [found("web_search_call", action={"type": "open_page"}), ended()],
    "failed": [found("web_search_call", action={"type": "search"}) | {}, found("file_search_call"), ended(3)],
    "speech": [speech(0, b"x", raw_request=SPOKEN), speech(1, type_="speech.audio.done", usage=USAGE)],
    "counted speech": [speech(0, b"x"), speech(1, type_="speech.audio.done", usage={**USAGE, "input_chars": 7})],
    "silent speech": [speech(0, type_="speech.audio.done", usage=USAGE, raw_request=SPOKEN)],
    "transcript": [transcript(0, "a"), transcript(1, type_="transcript.text.done", whole="a", usage={"seconds": 3})],
    "images": [image(0, 0, "QQ=="), image(1, 0, "QUI=", done=True), image(0, 1, "QUM=", done=True, usage=USAGE)],
    "fallback": [error(0, attempt=0, model="m"), chat(0, "b", finish="stop", usage=USAGE, attempt=1, model="n")],
    "fallback with a zero": [error(0, attempt=0), chat(0, "b", usage=USAGE, cost=0.0, attempt=1)],
}
"""Requests of which the record tells all that a price may depend on."""


@pytest.mark.parametrize("name", TOLD)
def test_a_record_priced_anew_says_what_the_worker_would_have_said(name: str) -> None:
    """Under a list that depends on everything: total, parts, source, reason and attempts, to the digit."""
    old, expected = under("A", *TOLD[name]), under("B", *TOLD[name])

    verdict = verdict_on(old, Touchy("B", sure=True))

    if old["cost"] is None:
        assert verdict == Verdict(Outcome.NO_PRICE, expected["cost_details"]["reason"])
    else:
        assert verdict.outcome == Outcome.CHANGED
        assert verdict.record is not None
        assert money(verdict.record) == money(expected)
        assert {**verdict.record, "cost_details": 0} == {**expected, "digest": old["digest"], "cost_details": 0}


@pytest.mark.parametrize("name", TOLD)
def test_the_same_list_changes_nothing(name: str) -> None:
    """However often."""
    assert verdict_on(under("A", *TOLD[name]), Touchy("A", sure=True)).outcome in (Outcome.SAME, Outcome.NO_PRICE)


@pytest.mark.parametrize("capture", ["metadata", "hash"])
@pytest.mark.parametrize("name", [name for name in TOLD if name not in {"speech", "search", "page", "failed"}])
def test_without_content_the_money_is_the_same(name: str, capture: Any) -> None:
    """What is not captured does not count for these prices."""
    policy = Policy(capture=capture)
    old, expected = (under(each, *TOLD[name], policy=policy) for each in ("A", "B"))

    verdict = verdict_on(old, Touchy("B", sure=True))

    if verdict.record is None:
        assert verdict.reason == expected["cost_details"]["reason"]
    else:
        assert money(verdict.record) == money(expected)


def test_metadata_still_says_what_a_search_was() -> None:
    """The kind of its action is kept, so it can be counted."""
    policy = Policy(capture="metadata")
    for name in ("search", "page", "failed"):
        verdict = verdict_on(under("A", *TOLD[name], policy=policy), Touchy("B", sure=True))
        assert verdict.record is not None
        assert money(verdict.record) == money(under("B", *TOLD[name], policy=policy))


# ---- what others stated ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [{"usage": USAGE, "cost": 0.5}, {"usage": OWN}, {"usage": OWN, "cost": 0.5}])
def test_what_was_stated_is_not_touched(last: dict[str, Any]) -> None:
    """A price list is an estimate of what they know."""
    assert verdict_on(under("A", chat(0, "a", **last)), Touchy("B", sure=True)) == Verdict(Outcome.STATED)


@pytest.mark.parametrize("last", [{"usage": USAGE, "cost": 0.5}, {"usage": OWN}, {"usage": OWN, "cost": 0.5}])
def test_overridden_it_costs_what_the_list_says(last: dict[str, Any]) -> None:
    """As if nobody had stated anything."""
    plain = under("B", chat(0, "a", usage=USAGE))

    verdict = verdict_on(under("A", chat(0, "a", **last)), Touchy("B", sure=True), override=True)

    assert verdict.record is not None
    assert said(verdict.record) == money(plain)
    assert verdict.record["token_usage"] == {**USAGE, **last["usage"]}


def said(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """The money of a record that says that something was overridden, as if it did not say so."""
    assert record["cost_details"]["reason"] == OVERRIDDEN
    return money({**record, "cost_details": {**record["cost_details"], "reason": None}})


@pytest.mark.parametrize("last", [{"usage": USAGE, "cost": 0.5}, {"usage": OWN}])
def test_what_was_overridden_once_does_not_come_back(last: dict[str, Any]) -> None:
    """A later run values it by its own list, without being told again."""
    first = verdict_on(under("A", chat(0, "a", **last)), Touchy("B", sure=True), override=True).record
    assert first is not None

    again, other = (verdict_on(first, Touchy(name, sure=True)) for name in ("B", "C"))

    assert again.outcome == Outcome.SAME
    assert other.record is not None
    assert said(other.record) == money(under("C", chat(0, "a", usage=USAGE)))


def test_a_stated_cost_without_a_usage_stays_even_when_overridden() -> None:
    """Nobody knows what was used: the list has no answer, and what is there is kept."""
    old = under("A", chat(0, "a", cost=0.5))

    assert verdict_on(old, Touchy("B", sure=True), override=True) == Verdict(Outcome.NO_PRICE, "no_usage")


def test_overridden_attempts_are_each_priced() -> None:
    """Their sum is the new total."""
    chunks = [
        chat(0, "a", usage=USAGE, cost=0.5, attempt=0, model="m"),
        chat(0, "b", usage=CACHED, cost=0.25, attempt=1, model="n", finish="stop"),
    ]
    silent = [{name: value for name, value in each.items() if name != "cost"} for each in chunks]

    verdict = verdict_on(under("A", *chunks), Touchy("B", sure=True), override=True)

    assert verdict.record is not None
    assert said(verdict.record) == money(under("B", *silent))
    assert verdict_on(verdict.record, Touchy("B", sure=True)).outcome == Outcome.SAME


def test_an_attempt_of_which_only_the_stated_cost_is_known_is_not_made_free() -> None:
    """Overridden it would vanish from the sum."""
    old = under("A", chat(0, "a", cost=0.5, attempt=0), chat(0, "b", usage=USAGE, cost=0.25, attempt=1))

    verdict = verdict_on(old, Touchy("B", sure=True), override=True)

    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_REPRICEABLE, ATTEMPTS)


# ---- what a record does not tell ---------------------------------------------------------------------------------


def flex(attempt: int, **envelope: Any) -> Document:
    """A chunk that names its tier."""
    return chunk(0, {"choices": [], "usage": USAGE, "service_tier": "flex"}, attempt=attempt, **envelope)


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([chat(0, "a", usage=USAGE, attempt=0), chat(0, "b", usage=USAGE, attempt=1)], id="both used"),
        pytest.param([error(0, attempt=0), flex(1)], id="whose tier"),
        pytest.param([speech(0, b"x", attempt=0), speech(0, b"y", attempt=1, usage=USAGE)], id="another kind"),
    ],
)
def test_several_attempts_are_left_to_their_chunks(chunks: Sequence[Document]) -> None:
    """One tier and one source stand for all of them: to share them out would be a guess."""
    verdict = verdict_on(under("A", *chunks), Touchy("B", sure=True))

    assert verdict == Verdict(Outcome.NOT_REPRICEABLE, ATTEMPTS, chunks_may_tell=True)


def test_searches_behind_digests_are_not_counted() -> None:
    """A search and the opening of a page look alike there."""
    old = under("A", *TOLD["page"], policy=Policy(capture="hash"))

    assert verdict_on(old, Touchy("B", sure=True)).reason == LEFT_OUT


def test_items_that_were_shed_are_not_taken_for_none() -> None:
    """Searches are billed beside the tokens."""
    old = under("A", *TOLD["search"], policy=Policy(max_record_bytes=100))

    assert old["content_omitted"] == "content"
    assert verdict_on(old, Touchy("B", sure=True)).reason == LEFT_OUT


def test_a_quarantined_record_has_nothing_to_price() -> None:
    """And its chunks would fail again."""
    old = under("A", chat(0, "a")) | {"cost_details": None}

    assert verdict_on(old, Touchy("B", sure=True)) == Verdict(Outcome.NOT_REPRICEABLE, QUARANTINED)


@pytest.fixture(scope="module")
def by_unit(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A list by the character, the second and the picture."""
    path = tmp_path_factory.mktemp("prices") / "prices.toml"
    entries = {"o/voice": "characters = 180", "o/ear": "seconds = 100", "o/eye": "images = 40_000"}
    path.write_text("\n".join(f'[models."{name}"]\n{price}' for name, price in entries.items()))
    return price_list(overlay=read(path))


def of(provider_model: str, *chunks: Document, policy: Policy | None = None) -> Document:
    """The record of chunks of a model, made without prices."""
    provider, _, model = provider_model.partition("/")
    return fold(*(each | {"provider": provider, "model": model} for each in chunks), policy=policy)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param(of("o/voice", *TOLD["speech"]), 0.0027, id="characters of the request"),
        pytest.param(of("o/ear", *TOLD["transcript"]), 0.0003, id="seconds"),
        pytest.param(of("o/eye", *TOLD["images"]), 0.08, id="pictures"),
    ],
)
def test_units_beside_tokens_are_counted_as_the_worker_counts_them(
    by_unit: Any, record: Document, expected: float
) -> None:
    """15 characters, 3 seconds, 2 pictures."""
    verdict = verdict_on(record, by_unit)

    assert verdict.record is not None
    assert verdict.record["cost"] == expected


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        pytest.param(
            of("o/voice", *TOLD["speech"], policy=Policy(capture="hash")),
            "unknown_count: input_characters",
            id="a digest in the place of the text",
        ),
        pytest.param(
            of("o/voice", *TOLD["speech"], policy=Policy(max_record_bytes=100)),
            "unknown_count: input_characters",
            id="a request that was shed",
        ),
        pytest.param(
            of("o/eye", image(0, 0, "QUI=", done=True, usage=USAGE), image(0, 1, "QQ==")),
            "unknown_count: images",
            id="a preview beside a picture",
        ),
    ],
)
def test_a_count_that_is_not_kept_is_not_guessed(by_unit: Any, record: Document, reason: str) -> None:
    """But a price that does not ask for it can be computed; the chunks may tell."""
    assert verdict_on(record, by_unit) == Verdict(Outcome.NOT_REPRICEABLE, reason, chunks_may_tell=True)
    assert verdict_on(record, Touchy("B", sure=True)).outcome == Outcome.CHANGED


def test_a_duration_that_was_shed_is_not_taken_for_none(by_unit: Any) -> None:
    """It was all that was known of the use."""
    record = of("o/ear", *TOLD["transcript"], policy=Policy(max_record_bytes=100))

    assert verdict_on(record, by_unit) == Verdict(Outcome.NOT_REPRICEABLE, "no_usage", chunks_may_tell=True)


def test_a_count_that_nobody_had_is_no_price(by_unit: Any) -> None:
    """The worker could not price it either."""
    record = of("o/voice", speech(0, b"x", usage=USAGE))

    assert verdict_on(record, by_unit) == Verdict(Outcome.NO_PRICE, "unknown_count: input_characters")


# ---- kinds and times ---------------------------------------------------------------------------------------------


def test_a_price_that_there_is_none_for_leaves_what_is_there() -> None:
    """An invoice that was right does not lose a line because another list lacks a model."""
    old = under("A", *TOLD["chat"])

    verdict = verdict_on(old, price_list())

    assert (verdict.outcome, verdict.record) == (Outcome.NO_PRICE, None)


def test_a_dated_list_has_the_prices_of_its_time() -> None:
    """Whenever the request was sent."""
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    old = under("A", *TOLD["chat"])

    first, second = (verdict_on(old, Dated(Touchy("A", sure=True), at)) for at in (early, late))

    assert (first.outcome, second.outcome) == (Outcome.SAME, Outcome.CHANGED)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param([chat(0, "a", usage=USAGE)], "catalog", id="a list's"),
        pytest.param([chat(0, "a", usage=USAGE, cost=0.5)], "stated", id="the gateway's"),
        pytest.param([chat(0, "a", usage=OWN)], "stated", id="the provider's"),
        pytest.param([chat(0, "a")], "unpriced", id="none"),
    ],
)
def test_records_are_told_apart_by_where_their_cost_is_from(chunks: Sequence[Document], expected: str) -> None:
    """What --only asks for."""
    assert kind_of(under("A", *chunks)) == expected
