"""Money and attempts of a record (CONTRACT §2): usage, cost, and what is summed."""

from typing import Any

import pytest

from pipeline.core.policy import Policy
from pipeline.testing.chunk import (
    USAGE,
    Document,
    cancelled,
    chat,
    chunk,
    error,
    event,
    marker,
    moment,
    usage,
)
from tests.ledger import fold

POLICY = Policy()
SENT_AT: dict[str, Any] = {"start_timestamp": moment(0)}


def cost(record: Document) -> tuple[float | None, str | None, str | None]:
    """cost, and total and reason of its details."""
    details = record["cost_details"] or {}
    return record["cost"], details.get("total"), details.get("reason")


# ---- money -------------------------------------------------------------------------------------------------------


def test_unknown_usage_and_cost_are_null() -> None:
    """Never zeros (SYMPTOMS 4)."""
    record = fold(chat(0, "a", finish="stop"))

    assert (record["token_usage"], record["usage_source"], cost(record)) == (None, None, (None, None, "no_usage"))


def test_usage_without_a_price_says_so() -> None:
    """Null with the reason."""
    record = fold(chat(0, "a", usage=USAGE))

    assert (record["token_usage"], record["usage_source"], cost(record)) == (
        USAGE,
        "provider",
        (None, None, "no_price_list"),
    )


def test_the_gateways_cost_is_kept_to_the_digit() -> None:
    """As a number and as exact text."""
    record = fold(chat(0, usage=USAGE, cost=1e-7))

    assert cost(record) == (1e-7, "0.0000001", None)
    assert record["cost_details"]["source"] == "gateway"


def test_a_cost_of_0_is_a_value() -> None:
    """Not unknown (S-META-4)."""
    assert fold(chat(0, cost=0.0))["cost"] == 0.0


def test_the_providers_own_cost_is_used_where_the_gateway_has_none() -> None:
    """With its parts, when they add up."""
    own = {"total_cost": 0.3, "input_cost": 0.1, "output_cost": 0.2}

    details = fold(chat(0, usage={**USAGE, "cost": own}))["cost_details"]

    assert (details["source"], details["input"], details["output"], details["total"]) == (
        "provider",
        "0.1",
        "0.2",
        "0.3",
    )


# ---- attempts ----------------------------------------------------------------------------------------------------


def two_attempts(**second: Any) -> list[Document]:
    """An attempt that failed, with usage and cost, and one that answered."""
    return [
        chat(0, "bad", model="m0", provider="p0", labels={"k": "a"}, usage={"total_tokens": 3}, cost=0.1),
        error(1),
        chat(0, "good", attempt=1, model="m1", provider="p1", labels={"k": "b", "l": "c"}),
        chat(1, finish="stop", attempt=1, usage=USAGE, is_final=True, **({"cost": 0.2} | second)),
    ]


def test_one_attempt_is_not_listed() -> None:
    """Attempts is null."""
    assert fold(chat(0, "a"))["attempts"] is None
    assert fold(chat(0, "a", attempt=0))["attempts"] is None


def test_a_single_higher_attempt_is_not_listed_either() -> None:
    """Null when there was one (CONTRACT §2), whatever its number."""
    assert fold(chat(0, "a", attempt=2))["attempts"] is None


def test_a_fallback_that_only_failed_does_not_hide_what_came_before() -> None:
    """Shown is the highest attempt with content or a finish_reason of the provider's (CONTRACT §2)."""
    record = fold(chat(0, "part"), error(1, "first"), error(0, "second", attempt=1, is_final=True))

    assert record["output_message"]["content"] == "part"
    assert (record["status"], record["error_details"]["error"]["message"]) == ("error", "first")
    assert [each["status"] for each in record["attempts"]] == ["error", "error"]


def test_output_is_of_the_highest_attempt_and_money_of_all() -> None:
    """The sum is what the caller pays, the answer is what the caller saw (SYMPTOMS 33)."""
    record = fold(*two_attempts())

    assert (record["output_message"]["content"], record["finish_reason"], record["status"]) == (
        "good",
        "stop",
        "success",
    )
    assert (record["model"], record["provider"], record["labels"]) == ("m1", "p1", {"k": "a", "l": "c"})
    assert record["token_usage"] == {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 10}
    assert cost(record) == (0.3, "0.3", None)
    assert record["error_details"] is None


def test_each_attempt_is_listed_with_its_own_bill() -> None:
    """Number, provider, model, status, finish, usage and cost."""
    first, second = fold(*two_attempts())["attempts"]

    assert first == {
        "number": 0,
        "provider": "p0",
        "model": "m0",
        "status": "error",
        "finish_reason": "error",
        "token_usage": {"total_tokens": 3},
        "cost": 0.1,
    }
    assert (second["number"], second["status"], second["finish_reason"], second["cost"]) == (1, "success", "stop", 0.2)


def test_an_unpriced_attempt_makes_the_cost_unknown() -> None:
    """A sum that leaves one out would be too low."""
    record = fold(*two_attempts(cost=None))

    assert cost(record) == (None, None, "no_price_list")
    assert [each["cost"] for each in record["attempts"]] == [0.1, None]


@pytest.mark.parametrize(
    ("first", "status"),
    [
        pytest.param([chat(0, "a", finish="stop")], "success", id="finished"),
        pytest.param([chat(0, "a")], "incomplete", id="cut off"),
        pytest.param([chat(0, "a"), error(1)], "error", id="failed"),
        pytest.param([cancelled(0)], "incomplete", id="cancelled"),
    ],
)
def test_the_status_of_an_attempt_is_its_own(first: list[Document], status: str) -> None:
    """How each attempt ended, by itself."""
    assert fold(*first, chat(0, "b", attempt=1))["attempts"][0]["status"] == status


def test_an_attempt_that_the_provider_cut_is_incomplete() -> None:
    """Its terminal event says so."""
    cut = event(0, "response.incomplete", fields={"response": {"status": "incomplete"}})

    assert fold(cut, event(0, "x", attempt=1))["attempts"][0]["status"] == "incomplete"


def test_output_is_of_the_highest_attempt_that_has_any() -> None:
    """One that only began shows the one before it (CONTRACT §2)."""
    record = fold(chat(0, "kept", finish="stop"), chat(0, attempt=1), usage(1, attempt=1))

    assert (record["output_message"]["content"], record["finish_reason"]) == ("kept", "stop")
    assert record["token_usage"] == USAGE


def test_without_any_output_the_highest_attempt_is_shown() -> None:
    """And its status."""
    record = fold(chat(0), chat(0, attempt=1))

    assert (record["output_message"], record["status"]) == ({"role": "assistant", "content": None}, "incomplete")


def test_a_floating_marker_belongs_to_the_highest_attempt() -> None:
    """Its cost is that attempt's (CONTRACT §1)."""
    record = fold(chat(0, "a", usage=USAGE, cost=0.1), chat(0, "b", attempt=1), marker(1, cost=0.4))

    assert [each["cost"] for each in record["attempts"]] == [0.1, 0.4]
    assert cost(record) == (0.5, "0.5", None)


def test_raws_and_the_raw_request_are_of_all_attempts() -> None:
    """Nothing of a failed attempt is lost."""
    payload = {"choices": [], "extra_fields": {"raw_response": "one"}}
    record = fold(
        chunk(0, payload), chunk(0, {**payload, "extra_fields": {"raw_response": "two"}}, attempt=1, raw_request=[1])
    )

    assert (record["raw_response"], record["raw_request"]) == ("one\n\ntwo", [1])
