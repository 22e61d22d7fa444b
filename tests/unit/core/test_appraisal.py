"""Who says what an attempt cost, and what of it the price lists are asked (CONTRACT §2)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pipeline.core.cost import Price, Unpriced
from pipeline.core.valuation import Call, Units, Valuation
from pipeline.testing.chunk import (
    USAGE,
    Document,
    chat,
    chunk,
    error,
    event,
    image,
    marker,
    moment,
    speech,
    text,
    transcript,
    usage,
)
from tests.ledger import Ledger, fold

LIST_PRICE = Price(Decimal("0.05"), "catalog", Decimal("0.02"), Decimal("0.03"), "p/m", "1", "ab")
OWN = {**USAGE, "cost": {"total_cost": 0.7}}
OWN_ZERO = {**USAGE, "cost": {"total_cost": 0}}


class Asked:
    """A price list that answers the same to everyone and keeps what it was asked."""

    def __init__(self, answer: Price | Unpriced | Exception = LIST_PRICE) -> None:
        self.answer = answer
        self.calls: list[Call] = []

    def price(self, call: Call) -> Price | Unpriced:
        """The answer."""
        self.calls.append(call)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def money(*chunks: Mapping[str, Any], answer: Price | Unpriced | Exception = LIST_PRICE) -> Document:
    """cost_details, with the cost beside them, of a request."""
    record = fold(*chunks, valuation=Valuation(Asked(answer)))
    details = record["cost_details"]
    assert record["cost"] == (None if details["total"] is None else float(details["total"]))
    return {name: details[name] for name in ("total", "source", "reason")}


def asked(*chunks: Mapping[str, Any]) -> Call:
    """What the price list was asked, once, about a request."""
    prices = Asked()
    fold(*chunks, valuation=Valuation(prices))
    (call,) = prices.calls
    return call


def said(total: str | None, source: str | None, reason: str | None = None) -> Document:
    """What `money` shows."""
    return {"total": total, "source": source, "reason": reason}


# ---- order -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        pytest.param({"usage": OWN, "cost": 0.5}, said("0.5", "gateway"), id="the gateway's"),
        pytest.param({"usage": OWN}, said("0.7", "provider"), id="else the provider's own"),
        pytest.param({"usage": USAGE}, said("0.05", "catalog"), id="else that of the list"),
        pytest.param({}, said(None, None, "no_usage"), id="nothing for nothing"),
    ],
)
def test_the_gateway_wins_then_the_provider_then_the_lists(last: dict[str, Any], expected: Document) -> None:
    """SYMPTOMS 13, 14; CONTRACT §2."""
    assert money(chat(0, "a", finish="stop", **last)) == expected


def test_a_stated_cost_asks_no_list() -> None:
    """Nobody pays for a look-up that changes nothing."""
    prices = Asked()
    for stated in ({"usage": OWN}, {"usage": USAGE, "cost": 0.5}):
        fold(chat(0, "a", **stated), valuation=Valuation(prices))

    assert prices.calls == []


def test_a_list_price_says_where_it_is_from() -> None:
    """Parts that add up, id, version and hash of the data."""
    details = fold(chat(0, "a", usage=USAGE), valuation=Valuation(Asked()))["cost_details"]

    assert details == {
        "currency": "USD",
        "input": "0.02",
        "output": "0.03",
        "total": "0.05",
        "source": "catalog",
        "price_id": "p/m",
        "price_version": "1",
        "price_hash": "ab",
        "reason": None,
    }


def test_an_unknown_price_is_null_with_the_reason() -> None:
    """Never 0 (SYMPTOMS 14)."""
    assert money(chat(0, "a", usage=USAGE), answer=Unpriced("unknown_model")) == said(None, None, "unknown_model")


def test_an_exception_while_pricing_is_null_with_a_reason() -> None:
    """The request is not quarantined, its tokens are right (G4)."""
    ledger = Ledger(valuation=Valuation(Asked(KeyError("the user's own words")))).send(chat(0, "a", usage=USAGE)).end()

    assert ledger.dead == []
    assert (ledger.record["status"], ledger.record["token_usage"]) == ("incomplete", USAGE)
    assert ledger.record["cost_details"]["reason"] == "price_error"
    assert "own words" not in str(ledger.record)


# ---- zeros -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "answer", "expected"),
    [
        pytest.param(
            {"usage": USAGE, "cost": 0}, LIST_PRICE, said("0.05", "catalog", "gateway_zero"), id="gateway, priced"
        ),
        pytest.param(
            {"usage": OWN, "cost": 0}, LIST_PRICE, said("0.7", "provider", "gateway_zero"), id="provider knows"
        ),
        pytest.param(
            {"usage": USAGE, "cost": 0.0},
            Unpriced("unknown_model"),
            said(None, None, "gateway_zero: unknown_model"),
            id="gateway, unpriced",
        ),
        pytest.param({"usage": OWN_ZERO}, LIST_PRICE, said("0.05", "catalog", "provider_zero"), id="provider, priced"),
        pytest.param(
            {"usage": OWN_ZERO},
            Unpriced("no_price"),
            said(None, None, "provider_zero: no_price"),
            id="provider, unpriced",
        ),
        pytest.param(
            {"usage": USAGE, "cost": 0}, LIST_PRICE._replace(total=Decimal(0)), said("0", "gateway"), id="free"
        ),
        pytest.param(
            {"usage": OWN_ZERO}, LIST_PRICE._replace(total=Decimal(0)), said("0", "provider"), id="free, says provider"
        ),
    ],
)
def test_a_zero_for_what_was_used_stays_only_where_it_is_free(
    last: dict[str, Any], answer: Price | Unpriced, expected: Document
) -> None:
    """Spend = 0 with tokens was 83 % of somebody's volume (SYMPTOMS 14)."""
    assert money(chat(0, "a", finish="stop", **last), answer=answer) == expected


def test_a_zero_for_nothing_stays() -> None:
    """A request that failed before it began costs nothing."""
    assert money(error(0, cost=0)) == said("0", "gateway")
    assert money(chat(0, "a", cost=0.0)) == said("0", "gateway")


def test_a_zero_for_sound_is_overruled_too() -> None:
    """What is billed by the second has no tokens."""
    done = {"type": "duration", "seconds": 9}

    assert money(transcript(0, type_="transcript.text.done", whole="a", usage=done, cost=0)) == said(
        "0.05", "catalog", "gateway_zero"
    )


# ---- the gateway's own cache -------------------------------------------------------------------------------------


def hit(**debug: Any) -> Document:
    """An answer with usage out of the gateway's cache."""
    extra = {"cache_debug": {"cache_hit": True} | debug}
    return chunk(0, {"choices": [], "usage": dict(OWN), "extra_fields": extra})


@pytest.mark.parametrize("debug", [{"hit_type": "direct", "input_tokens": 8}, {}, {"input_tokens": 0}])
def test_an_answer_out_of_the_cache_is_free(debug: dict[str, Any]) -> None:
    """The provider was not asked, whatever usage the kept answer repeats."""
    assert money(hit(**debug)) == said("0", "gateway", "cache_hit")


def test_the_gateways_word_about_a_hit_stands() -> None:
    """Zero or not."""
    assert money(hit() | {"cost": 0}) == said("0", "gateway")
    assert money(hit() | {"cost": 0.01}) == said("0.01", "gateway")


def test_a_semantic_hit_costs_the_embedding_of_the_question() -> None:
    """Tokens, provider and model of the embedding, at its list price."""
    found = hit(hit_type="semantic", input_tokens=8, provider_used="openai", model_used="text-embedding-3-small")

    call = asked(found)

    assert (call.provider, call.model) == ("openai", "text-embedding-3-small")
    assert call.usage == {"prompt_tokens": 8, "completion_tokens": 0, "total_tokens": 8}
    assert money(found) == said("0.05", "catalog", "cache_hit")
    assert money(found, answer=Unpriced("unknown_model")) == said(None, None, "cache_hit: unknown_model")


def test_a_miss_is_priced_as_any_call() -> None:
    """cache_hit false says nothing about money."""
    missed = chunk(0, {"choices": [], "usage": USAGE, "extra_fields": {"cache_debug": {"cache_hit": False}}})

    assert money(missed) == said("0.05", "catalog")


# ---- attempts and revisions --------------------------------------------------------------------------------------


def test_each_attempt_is_priced_and_the_sum_is_exact() -> None:
    """A fallback costs what both attempts cost (SYMPTOMS 33)."""
    chunks = [usage(0, model="m0"), error(1), chat(0, "b", attempt=1, usage=USAGE, model="m1"), marker(1, attempt=1)]
    prices = Asked()

    record = fold(*chunks, valuation=Valuation(prices))

    assert [call.model for call in prices.calls] == ["m0", "m1"]
    assert [each["cost"] for each in record["attempts"]] == [0.05, 0.05]
    assert (record["cost"], record["cost_details"]["input"]) == (0.1, "0.04")


def test_an_attempt_without_usage_does_not_hide_the_price_of_the_other() -> None:
    """It failed before anything was used."""
    record = fold(error(0), chat(0, "b", attempt=1, usage=USAGE), valuation=Valuation(Asked()))

    assert record["cost"] == 0.05


def test_a_revision_that_gets_a_price_changes_the_cost_by_all_of_it() -> None:
    """Null counts as 0, in decimals (CONTRACT §4)."""
    ledger = Ledger(valuation=Valuation(Asked(LIST_PRICE._replace(total=Decimal("0.1"), input=None, output=None))))
    ledger.send(chat(0, "a", finish="stop")).until(10_000)
    ledger.send(usage(1), at=11_000).until(20_000)
    ledger.send(marker(2, cost=0.3), at=21_000).until(40_000)

    assert [record["cost"] for record in ledger.records] == [None, 0.1, 0.3]
    assert [record["delta"] and record["delta"]["cost"] for record in ledger.records] == [None, 0.1, 0.2]


# ---- what is asked -----------------------------------------------------------------------------------------------


def test_a_call_names_who_when_and_how() -> None:
    """The time is that of the request, so that a replay finds the same price."""
    fields = {"choices": [], "usage": USAGE, "service_tier": "flex"}
    call = asked(chunk(0, fields, provider="openai", model="gpt-5", start_timestamp=moment(-500)))

    assert call == Call(
        provider="openai",
        model="gpt-5",
        stream_type="chat.completion",
        at=datetime(2025, 12, 31, 23, 59, 59, 500_000, UTC),
        usage=USAGE,
        service_tier="flex",
        units=Units(),
    )


@pytest.mark.parametrize(
    ("chunks", "units"),
    [
        pytest.param(
            [chat(0, "a", usage={**USAGE, "prompt_audio_seconds": 9})], Units(seconds=Decimal(9)), id="mistral"
        ),
        pytest.param([chat(0, "a", usage={**USAGE, "audio_seconds": -1})], Units(), id="no negative sound"),
        pytest.param(
            [text(0, "a", finish="stop"), chunk(1, {"usage": USAGE}, stream_type="text.completion")], Units(), id="text"
        ),
        pytest.param(
            [speech(0, b"a", usage={"input_tokens": 1, "output_tokens": 2, "input_chars": 5})],
            Units(5),
            id="characters",
        ),
        pytest.param(
            [speech(0, b"a", usage={"input_tokens": 1, "output_tokens": 2, "audio_seconds": 1.5})],
            Units(seconds=Decimal("1.5")),
            id="speech",
        ),
        pytest.param([speech(0, b"a", raw_request={"input": "Hello"})], Units(5), id="characters of the request"),
        pytest.param([speech(0, b"a", raw_request={"input": {"input": "Héllo 😀"}})], Units(7), id="an object"),
        pytest.param([speech(0, b"a", raw_request={"text": "abc", "input": 5})], Units(3), id="another name"),
        pytest.param([speech(0, b"a", usage=USAGE, raw_request={"input": []})], Units(), id="no text"),
        pytest.param(
            [speech(0, usage={"input_tokens": 1, "output_tokens": 2, "input_chars": -1})], Units(), id="silence"
        ),
        pytest.param(
            [transcript(0, type_="transcript.text.done", usage={"type": "duration", "seconds": 27})],
            Units(seconds=Decimal(27)),
            id="transcription by duration",
        ),
        pytest.param(
            [
                chunk(
                    0,
                    {"type": "transcript.text.done", "text": "a", "duration": 8.47},
                    stream_type="audio.transcription",
                )
            ],
            Units(seconds=Decimal("8.47")),
            id="length of the sound",
        ),
        pytest.param(
            [image(0, 0, "YQ==", done=True), image(0, 1, "Yg==", done=True), image(0, 2, "Yw==")],
            Units(images=2),
            id="images",
        ),
        pytest.param(
            [chunk(0, {"b64_json": "YQ=="}, stream_type="image.generation", image_index=0)],
            Units(images=1),
            id="pieces",
        ),
        pytest.param(
            [image(0, 0, "YQ==", usage=USAGE), error(1, stream_type="image.generation", image_index=0)],
            Units(),
            id="a preview of what failed",
        ),
    ],
)
def test_what_was_used_beside_tokens_is_counted(chunks: list[Document], units: Units) -> None:
    """Characters, seconds, images: what some models are billed by."""
    assert asked(*chunks).units == units


def search(index: int, **item: Any) -> Document:
    """An item of the Responses API that is done."""
    return event(index, "response.output_item.done", fields={"output_index": index, "item": {"id": f"i{index}"} | item})


def test_calls_of_the_providers_tools_are_counted() -> None:
    """Searches are billed beside the tokens, looking at a page that was found is not, nor is what failed."""
    items = [
        search(0, type="web_search_call", status="completed", action={"type": "search", "query": "q"}),
        search(1, type="web_search_call", status="completed", action={"type": "open_page"}),
        search(2, type="web_search_call", status="completed"),
        search(3, type="web_search_call", status="failed"),
        search(4, type="file_search_call", status="completed"),
        search(5, type="image_generation_call", status="completed"),
        search(6, type="code_interpreter_call", status="completed"),
        search(7, type="message", content=[]),
        search(8, type=["odd"]),
    ]
    done = event(9, "response.completed", fields={"response": {"usage": {"input_tokens": 5, "output_tokens": 2}}})

    call = asked(*items, done)

    assert call.units.tools == {
        "web_searches": 2,
        "file_searches": 1,
        "image_generations": 1,
        "code_executions": 1,
    }


def test_a_response_without_tools_has_no_units() -> None:
    """Nor one without items."""
    done = {"response": {"usage": {"input_tokens": 5, "output_tokens": 2}}}

    assert asked(search(0, type="message"), event(1, "response.completed", fields=done)).units == Units()
    assert asked(event(0, "response.completed", fields=done)).units == Units()
