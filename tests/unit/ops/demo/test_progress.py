"""Progress is visible everywhere: bars on a terminal, lines in a log."""

import io

import pytest

from pipeline.ops.demo.progress import Steps


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It does."""
        return True


def test_without_a_terminal_every_step_is_a_line() -> None:
    """And no control character: it may be a log of CI."""
    out = io.StringIO()

    with Steps(out) as steps, steps.step("kafka", "starting an embedded Kafka"):
        pass

    assert out.getvalue() == "starting an embedded Kafka\n"


def test_counts_are_told_a_few_times() -> None:
    """A hundred advances are no hundred lines."""
    out = io.StringIO()

    with Steps(out) as steps, steps.step("records", "waiting", total=60) as advance:
        for done in range(61):
            advance(done)

    assert out.getvalue().splitlines() == ["waiting", *(f"waiting: {done} of 60" for done in (15, 30, 45, 60))]


def test_a_terminal_gets_bars_that_are_gone_at_the_end() -> None:
    """Results stand on a clean screen; lines that were said stay."""
    out = Terminal()

    with Steps(out) as steps:
        with steps.step("records", "waiting", total=2) as advance:
            advance(1)
        with steps.step("stop", "stopping"):
            steps.say("something odd")

    assert "waiting" in out.getvalue()
    assert "1 of 2" in out.getvalue()
    assert "something odd" in out.getvalue()
    assert "\x1b[2K" in out.getvalue()


def test_finished_steps_are_timed() -> None:
    """How long each took is part of the result; one that failed has no time."""
    with Steps(io.StringIO()) as steps:
        with steps.step("one", "first"):
            pass
        with pytest.raises(ValueError, match="bad"), steps.step("two", "second"):
            raise ValueError("bad")

    assert set(steps.seconds) == {"one"}
    assert steps.seconds["one"] >= 0
