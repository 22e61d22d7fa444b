"""The Grafana dashboard: generated from its panels, on names that exist, in an order and with words for every panel."""

import json
import re
import runpy
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from tests.promql import promtool, unknown

DOCKER: Final = Path(__file__).parents[3] / "docker"
GRAFANA: Final = DOCKER / "grafana"
DASHBOARD: Final[dict[str, Any]] = json.loads((GRAFANA / "dashboards/streamledger.json").read_text(encoding="utf-8"))
PANELS: Final[list[dict[str, Any]]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES: Final[dict[str, dict[str, Any]]] = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
QUERIES: Final[list[str]] = [target["expr"] for panel in PANELS for target in panel["targets"]]
LOOKUPS: Final = [
    match
    for variable in VARIABLES.values()
    if variable["type"] == "query"
    for match in re.findall(r"^label_values\((.+), (\w+)\)$", variable["query"]["query"])
]


def filled(expression: str) -> str:
    """The query as Grafana sends it: variables and intervals are filled in."""
    return re.sub(r"\$(\w+)", lambda match: "1m" if match[1].startswith("__") else "x", expression)


def test_the_file_is_what_the_panels_give() -> None:
    """Nobody edits the JSON by hand: `python docker/grafana/generate.py` makes it."""
    made = runpy.run_path(str(GRAFANA / "generate.py"))["dashboard"]()

    assert (GRAFANA / "dashboards/streamledger.json").read_text(encoding="utf-8") == made


def test_panels_ask_for_what_exists() -> None:
    """A renamed metric, label or variable fails a test, not a look at an empty panel."""
    wrong = {query: unknown(filled(query)) for query in QUERIES}

    assert {query: words for query, words in wrong.items() if words} == {}
    assert {name for query in QUERIES for name in re.findall(r"\$(?!__)(\w+)", query)} <= set(VARIABLES)


def test_prometheus_takes_the_queries(tmp_path: Path) -> None:
    """Each query is PromQL: promtool reads it as a rule."""
    rules = [{"record": f"query:{number}", "expr": filled(query)} for number, query in enumerate(QUERIES)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    checked = subprocess.run([promtool(), "check", "rules", file], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr


def test_variables_look_up_labels_that_exist() -> None:
    """Each list to choose from is filled by a series that has the label."""
    assert {label for _, label in LOOKUPS} == {"ledger", "instance", "provider", "model"}
    assert [wrong for series, label in LOOKUPS for wrong in unknown(f"sum by ({label}) ({filled(series)})")] == []


def test_every_panel_says_what_it_means_and_in_which_unit() -> None:
    """A panel is read by somebody who did not write it, and leads on to what to do."""
    alerts = set(re.findall(r"- alert: (\w+)", (DOCKER / "prometheus/alerts.yaml").read_text(encoding="utf-8")))
    links = [re.fullmatch(r"Runbook: (\w+)", link["title"]) for panel in PANELS for link in panel["links"]]

    assert [panel["title"] for panel in PANELS if len(panel["description"]) < 20] == []
    assert [panel["title"] for panel in PANELS if not panel["fieldConfig"]["defaults"]["unit"]] == []
    assert links
    assert {link and link[1] for link in links} <= alerts


def test_panels_lie_side_by_side_in_the_order_of_the_flow() -> None:
    """No panel covers another, none is out of the grid, and ids are unique."""
    taken = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]

    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
    assert len(set(ids)) == len(ids)
    assert [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"] == [
        "Now",
        "Chunks in",
        "Open requests",
        "Records out",
        "What went wrong",
        "Money",
        "What callers feel",
        "Worker",
        "Sinks",
    ]
