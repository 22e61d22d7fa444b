"""docker/RUNBOOK.md: a section for each alert and no other, in one form, with commands that exist."""

import re
from pathlib import Path
from typing import Final

import click
import pytest
import yaml

from tests.commands import parsed, shown

DOCKER: Final = Path(__file__).parents[3] / "docker"
RUNBOOK: Final = (DOCKER / "RUNBOOK.md").read_text(encoding="utf-8")
SECTIONS: Final = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
GROUPS: Final = yaml.safe_load((DOCKER / "prometheus/alerts.yaml").read_text(encoding="utf-8"))["groups"]
RULES: Final = [rule for group in GROUPS for rule in group["rules"]]
LINES: Final = {*shown(RUNBOOK), *(line for rule in RULES for line in shown(rule["annotations"]["description"]))}


def test_every_alert_has_a_section_and_no_section_is_left_over() -> None:
    """Who follows the link of an alert finds its section; they stand in the order of the rules."""
    assert list(SECTIONS) == [rule["alert"] for rule in RULES]


@pytest.mark.parametrize("alert", SECTIONS)
def test_a_section_answers_five_questions(alert: str) -> None:
    """What is it, where to look, why is it, what to do, whom to wake: in this order, because it is read at night."""
    assert re.findall(r"^\*\*(\w+)\*\*", SECTIONS[alert], re.MULTILINE) == ["Means", "Look", "Causes", "Do", "Wake"]


@pytest.mark.parametrize("line", sorted(LINES))
def test_a_command_of_runbook_and_alerts_is_one(line: str) -> None:
    """A command that was renamed is noticed here, not by whoever was woken."""
    parsed(line)


@pytest.mark.parametrize(
    "line",
    ["streamledger deadletters", "streamledger dead list", "streamledger dead ls --since -1h", "streamledger explain"],
)
def test_a_wrong_command_is_found(line: str) -> None:
    """The check above can fail: on commands, on those below them, on options, and on what is not given."""
    with pytest.raises(click.ClickException):
        parsed(line)
