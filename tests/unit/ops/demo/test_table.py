"""The figures of the demo are counted from records, nothing else."""

from decimal import Decimal
from typing import Any

from pipeline.ops.demo.table import render, rows


def record(
    kind: str, ttft: int, *, cost: float | None = None, status: str = "success", tokens: int = 0
) -> dict[str, Any]:
    """As much of a record as the table looks at."""
    usage = {"prompt_tokens": tokens, "completion_tokens": 2 * tokens} if tokens else None
    return {"stream_type": kind, "time_to_first_token": ttft, "cost": cost, "status": status, "token_usage": usage}


RECORDS = [
    record("chat.completion", 300, cost=0.1, tokens=1_000),
    record("chat.completion", 100, cost=0.2, tokens=500),
    record("chat.completion", 200, status="incomplete"),
    record("audio.transcription", 50, status="error"),
]


def test_there_is_a_row_for_each_kind_that_occurs_and_a_total() -> None:
    """In a fixed order; kinds without records have no row."""
    assert [row.kind for row in rows(RECORDS)] == ["chat", "transcription", "total"]
    assert [row.requests for row in rows(RECORDS)] == [3, 1, 4]


def test_money_adds_up_as_it_was_written() -> None:
    """0.1 and 0.2 are 0.3, and what has no price is counted apart, never as 0."""
    chat, transcription, total = rows(RECORDS)

    assert (chat.cost, chat.priced) == (Decimal("0.3"), 2)
    assert (transcription.cost, transcription.priced) == (None, 0)
    assert total.as_json()["cost"] == "0.3"
    assert transcription.as_json()["cost"] is None


def test_tokens_are_sums_and_unknown_where_nobody_stated_them() -> None:
    """A kind without usage shows no zero."""
    chat, transcription, _ = rows(RECORDS)

    assert (chat.tokens_in, chat.tokens_out) == (1_500, 3_000)
    assert (transcription.tokens_in, transcription.tokens_out) == (None, None)


def test_time_to_first_token_is_the_median() -> None:
    """A value that occurred, so that it can be looked up."""
    assert [row.ttft for row in rows(RECORDS)] == [200, 50, 100]


def test_the_table_is_aligned() -> None:
    """Numbers stand at the right, and every line fits a terminal."""
    lines = render(rows(RECORDS))

    assert lines == [
        "kind           requests  tokens in    out  cost USD  TTFT p50  state",
        "chat                  3      1,500  3,000    0.3000    200 ms  2 ok  1 incomplete",
        "transcription         1          –      –         –     50 ms  1 error",
        "total                 4      1,500  3,000    0.3000    100 ms  2 ok  1 incomplete  1 error",
    ]


def test_no_record_at_all_is_a_table_too() -> None:
    """When everything is lost the demo says so instead of failing."""
    (total,) = rows([])

    assert (total.requests, total.cost, total.ttft) == (0, None, None)
    assert len(render([total])) == 2
