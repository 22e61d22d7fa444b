"""What a revaluation comes to: exact sums by model, reasons, and whether somebody has to look."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from pipeline.ops.reprice import Tally, render
from pipeline.ops.reprice.revaluation import Outcome, Verdict


def record(total: str | None, model: str | None = "m", provider: str | None = "p") -> dict[str, Any]:
    """As much of a record as is counted."""
    cost = None if total is None else float(total)
    return {"provider": provider, "model": model, "cost": cost, "cost_details": {"total": total}}


def tallied() -> Tally:
    """One of each outcome."""
    tally = Tally()
    tally.add(record("0.1"), Verdict(Outcome.CHANGED, record=record("0.3")))
    tally.add(record("0.2"), Verdict(Outcome.SAME))
    tally.add(record(None), Verdict(Outcome.CHANGED, record=record("0.05")))
    tally.add(record("0.7", "n"), Verdict(Outcome.HELD, "a late chunk may still revise it", record("1.7")))
    tally.add(record(None, "n"), Verdict(Outcome.NO_PRICE, "unknown_model"))
    tally.add(record("0.4", None, None), Verdict(Outcome.STATED))
    tally.hold(1_700_000_000_000)
    tally.hold(1_600_000_000_000)
    tally.hold(None)
    return tally


def text(tally: Tally, width: int = 160) -> str:
    """As it is printed."""
    sink = io.StringIO()
    render(tally, Console(file=sink, width=width, highlight=False))
    return sink.getvalue()


def test_a_narrow_terminal_cuts_neither_an_amount_nor_a_model() -> None:
    """`openai…` is every model, and 0.0228 is not 0.0228988."""
    tally = Tally()
    tally.add(record("0.0228988", "gpt-4o-mini-2024-07-18", "openai"), Verdict(Outcome.SAME))
    printed = text(tally, 40)

    assert "openai/gpt-4o-mini-2024-07-18" in printed
    assert printed.count("0.0228988") == 2


def test_sums_are_exact_and_held_ones_are_not_in_them() -> None:
    """0.1 and 0.2 and nothing are 0.3; what waits is told apart."""
    told = tallied().as_json()

    total = told["total"]
    assert (total["old_cost"], total["new_cost"], total["delta"], total["held_delta"]) == ("1.4", "1.65", "0.25", "1")
    assert (total["requests"], total["unpriced_before"], total["unpriced_after"]) == (6, 2, 1)
    assert [(row["provider"], row["model"], row["delta"]) for row in told["models"]] == [
        (None, None, "0"),
        ("p", "m", "0.25"),
        ("p", "n", "0"),
    ]
    assert told["held_until"] == "2023-11-14T22:13:20.000000Z"


def test_what_could_not_be_priced_or_not_yet_is_a_problem() -> None:
    """With the reason; what others stated and what is the same is none."""
    tally = tallied()
    fine = Tally()
    fine.add(record("0.2"), Verdict(Outcome.SAME))
    fine.add(record("0.2"), Verdict(Outcome.STATED))

    assert tally.problem
    assert [(each["outcome"], each["requests"]) for each in tally.as_json()["reasons"]] == [
        ("held", 1),
        ("no_price", 1),
    ]
    assert not fine.problem


def test_what_is_no_record_is_a_problem() -> None:
    """Somebody writes to the topic of the bills."""
    forged, garbage = Tally(), Tally(unreadable=1)
    forged.refuse("its digest does not hold")

    assert forged.problem
    assert garbage.problem


def test_the_table_says_what_changes_and_what_to_do() -> None:
    """By model, with a total, and when to come again."""
    said = text(tallied())

    assert [line.split()[0] for line in said.splitlines()[:5]] == ["model", "–", "p/m", "p/n", "total"]
    assert "no_price: 1 (unknown_model)" in said
    assert "run again after 2023-11-14T22:13:20Z" in said
    assert "dry run: 2 corrections would be sent; --execute sends them" in said


def test_a_run_that_sent_says_how_many() -> None:
    """And one that found nothing says that."""
    assert "sent: 3 corrections" in text(Tally(sent=3))
    assert "No record of this range is meant." in text(Tally())
    assert "unreadable: 2 of the range are no records" in text(Tally(unreadable=2))
