"""`streamledger top`: its lines fit the terminal, its flags are checked before Kafka is asked."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from pipeline.cli.screen import View, age, screen
from pipeline.ops.live import Box, DeadRow, Gap, Headline, MoneyRow, Snapshot, Strip
from tests.unit.cli.conftest import Invoke

NOW = 1_767_225_600_000
HEADLINE = Headline(
    900, 1_234, 0.987, 1_200, 340, 1_000_000, 200_000, Decimal("12.345678"), 3, 4, 5, 6, 7, 8, 9, 45, 63_000, 2,
    1_234.5, 12.3, 0,
)  # fmt: skip
BOX = Box("id", 0, "success", "final", True, "stop", 10, 5, Decimal("0.000075"), None, 900, 100, 7)


def strip(number: int, box: Box | None = None) -> Strip:
    """A request."""
    return Strip(
        f"request-{number}-with-a-long-name", "chat.completion", "openai", "gpt-4o", {"team": "search"},
        NOW - 65_000, NOW - 1_000, 12, 1, (), 300, (Gap(0, 3, 4),), box, 0, 5, 17,
    )  # fmt: skip


def view(count: int, trouble: str | None = None) -> View:
    """A ledger with so many requests open and closed."""
    rows = tuple(MoneyRow(f"m-{each}", 3, 4, 5, Decimal("0.1"), 0, 1) for each in range(count))
    dead = (DeadRow("late", 2, NOW - 5_000, "r-1", "the revise window is over", 1, 17),) * bool(count)
    now = Snapshot(7, NOW, "main", HEADLINE, (), {"model": rows, "label.team": rows}, dead, trouble)
    return View(now, [strip(each) for each in range(count)], [strip(each, BOX) for each in range(count)])


@given(st.integers(0, 30), st.integers(20, 200), st.integers(6, 80))
@hypothesis(deadline=None)
def test_a_screen_is_never_larger_than_the_terminal(count: int, width: int, height: int) -> None:
    """No line is wider, there are no more lines than rows, and no head of a section stands alone."""
    lines = screen(view(count), ["model", "label.team"], width, height)
    assert len(lines) <= max(height, 5)
    assert all(len(line.text) <= width for line in lines)
    heads = [place for place, line in enumerate(lines) if line.style == "head"]
    assert all(place + 1 < len(lines) and lines[place + 1].text for place in heads)


def test_the_text_has_all_that_is_known() -> None:
    """Numbers, open requests with age, chunks and gaps, finished ones with their cost, money, dead letters, trouble."""
    lines = [line.text for line in screen(view(2, "no Kafka answers at x:1"), ["model"])]
    text = "\n".join(lines)
    assert "main   2026-01-01 00:00:00Z   figures of the last 15m00s" in text
    assert "requests 1,234   success 98.7%   errors 5   incomplete 4" in text
    assert "cost 12.345678 USD   unpriced 3" in text
    assert "overdue 2: no record although it is time; is a worker running?" in lines
    assert "no Kafka answers at x:1" in lines
    opened = next(line.split() for line in lines if "1m05s" in line)
    assert opened == ["request-0-with-a-long-name", "chat", "openai/gpt-4o", "1m05s", "12", "1", "team=search"]
    assert any(line.split()[2:6] == ["success", "10", "5", "0.000075"] for line in lines)
    assert any(line.split()[:5] == ["late", "2", "5s", "1:17", "the"] for line in lines)


def test_names_from_outside_do_not_steer_the_terminal() -> None:
    """Control characters are written out, long names lose their middle."""
    odd = view(1)
    odd.open[0].labels["team"] = "\x1b[2J"  # type: ignore[index]  # a dict behind its face
    assert "\x1b" not in "".join(line.text for line in screen(odd, []))
    names = [line.text.split()[0] for line in screen(odd, [], 80, 24) if line.text.startswith("request-")]
    assert names == ["request-0…ong-name"] * 2


@pytest.mark.parametrize(
    ("ms", "text"),
    [(-5, "0s"), (59_999, "59s"), (60_000, "1m00s"), (3_599_000, "59m59s"), (7_260_000, "2h01m")],
)
def test_an_age_has_two_units(ms: int, text: str) -> None:
    """Short enough for a column."""
    assert age(ms) == text


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--window", "soon"], "--window soon"),
        (["--window", "10ms"], "not between 1s and 24h"),
        (["--interval", "0s"], "no time lies between"),
        (["--label", "team"], "has no value"),
        (["--status", "late"], "'late' is not one of"),
    ],
)
def test_wrong_flags_are_bad_usage(invoke: Invoke, flags: list[str], words: str) -> None:
    """Exit 2, one line, and nothing is asked of Kafka."""
    result = invoke("top", "--once", *flags)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_no_kafka_is_exit_3(invoke: Invoke) -> None:
    """Nobody waits for a wrong address."""
    result = invoke("top", "--once", "--bootstrap-servers", "127.0.0.1:1")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "no Kafka answers at 127.0.0.1:1" in result.stderr
