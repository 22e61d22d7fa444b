"""docker/prometheus: rules that Prometheus takes, on names that exist, each of them shown firing and resolving."""

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from schemas.deadletter import DeadLetterReason
from schemas.record import ClosedBy, Status
from tests.promql import names, promtool, unknown

PROMETHEUS: Final = Path(__file__).parents[3] / "docker/prometheus"


def read(name: str) -> dict[str, Any]:
    """A file of the folder."""
    content: dict[str, Any] = yaml.safe_load((PROMETHEUS / name).read_text(encoding="utf-8"))
    return content


RULES: Final[list[dict[str, Any]]] = [rule for group in read("alerts.yaml")["groups"] for rule in group["rules"]]
TESTS: Final[list[dict[str, Any]]] = read("alerts_test.yaml")["tests"]
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Prometheus' own checker."""
    return subprocess.run([promtool(), *arguments], capture_output=True, text=True, check=False, cwd=PROMETHEUS)


def test_prometheus_takes_the_rules() -> None:
    """What Prometheus would refuse at its start is found here."""
    checked = run("check", "rules", "alerts.yaml")

    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"{len(RULES)} rules found" in checked.stdout


def test_each_alert_fires_resolves_and_is_silent_in_a_restart() -> None:
    """Prometheus' own rule tests hold, on its own clock."""
    tested = run("test", "rules", "alerts_test.yaml")

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_no_alert_is_without_a_rule_test() -> None:
    """Every alert has a test in which it is silent, fires, and is silent again."""
    proven = set()
    for test in TESTS:
        name = test["name"].partition(":")[0]
        fires = [
            any(f'"{name}"' in sample["labels"] for sample in at["exp_samples"]) for at in test["promql_expr_test"]
        ]
        if True in fires and not fires[0] and not fires[-1]:
            proven.add(name)

    assert proven == {rule["alert"] for rule in RULES}


@each_rule
def test_an_alert_asks_for_what_exists(rule: dict[str, Any]) -> None:
    """A renamed metric or label fails a test, not a night."""
    assert unknown(rule["expr"]) == []


def test_alerts_select_values_that_exist() -> None:
    """A value that no record or dead letter ever has would be an alert that never fires."""
    words: dict[str, set[str]] = {"status": {*Status}, "closed_by": {*ClosedBy}, "reason": {*DeadLetterReason}}
    asked = [
        (label, value)
        for rule in RULES
        for label, values in re.findall(r'\b(status|closed_by|reason) *!?=~? *"([^"]+)"', rule["expr"])
        for value in values.split("|")
    ]

    assert {label for label, _ in asked} == set(words)
    assert [(label, value) for label, value in asked if value not in words[label]] == []


@each_rule
def test_an_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    """Whoever is woken reads what it is, what to do, and where more stands; and knows whether it can wait."""
    notes = rule["annotations"]

    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert notes["runbook_url"] == f"docker/RUNBOOK.md#{rule['alert'].lower()}"
    assert len(notes["summary"]) < 160
    assert len(notes["description"]) < 400


def test_alerts_have_names_of_their_own() -> None:
    """Routing, silences and the runbook go by name."""
    alerts = [rule["alert"] for rule in RULES]

    assert sorted(set(alerts)) == sorted(alerts)
    assert [alert for alert in alerts if not re.fullmatch(r"([A-Z][a-z]+)+", alert)] == []


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("rate(streamledger_chunk_total[5m])", ["no series streamledger_chunk_total"]),
        ('streamledger_lag_seconds{topic="x"}', ["streamledger_lag_seconds has no label topic"]),
        ("sum by (model) (streamledger_lag_seconds)", ["nothing in it has the label model"]),
        ("streamledger_checkpoint_seconds > 1", ["no series streamledger_checkpoint_seconds"]),
        ('absent(upp{job="a"}) or on (job, instance) up == 0', ["no series upp"]),
    ],
)
def test_a_wrong_name_is_found(expression: str, wrong: list[str]) -> None:
    """The check above can fail: on the name of a series, of a selecting label, and of a grouping one."""
    assert unknown(expression) == wrong


def test_functions_and_words_are_no_series() -> None:
    """Only what is looked up by name counts: quantiles, offsets, modifiers and texts do not."""
    expression = (
        'histogram_quantile(0.99, sum by (le) (rate(streamledger_checkpoint_seconds_bucket{job=~"a|b"}[5m] offset 1h)))'
        " > bool 2 and on (job) min(up) unless up == 0"
    )

    assert set(names(expression).series) == {"streamledger_checkpoint_seconds_bucket", "up"}
    assert names(expression).grouped == {"le", "job"}
