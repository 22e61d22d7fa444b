# ruff: noqa: INP001 (a program, run by its path)
"""The dashboard of Grafana out of panels.yaml.

    python docker/grafana/generate.py            writes dashboards/streamledger.json

Owns variables, places and looks; titles, texts and queries are panels.yaml's. A test holds the JSON to both.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

HERE: Final = Path(__file__).parent
DASHBOARD: Final = HERE / "dashboards/streamledger.json"
PANELS: Final = HERE / "panels.yaml"

SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
RUNBOOK: Final = "/public/runbook.txt"
"""Where compose.yaml has Grafana show docker/RUNBOOK.md; the dashboard's variable says otherwise elsewhere."""
WIDTH: Final = 24


def variables() -> list[dict[str, Any]]:
    """What can be chosen at the top."""
    instance = 'instance=~"$instance"'
    models = "streamledger_latency_seconds_count"
    return [
        {"label": "Data source", "name": "datasource", "query": "prometheus", "type": "datasource"},
        _choice("ledger", "Ledger", "label_values(streamledger_build, ledger)"),
        # Without a value for all: all workers are those of the ledgers chosen.
        _choice("instance", "Worker", 'label_values(streamledger_build{ledger=~"$ledger"}, instance)', all_value=None),
        _choice("provider", "Provider", f"label_values({models}{{{instance}}}, provider)"),
        _choice("model", "Model", f'label_values({models}{{{instance}, provider=~"$provider"}}, model)'),
        {
            "current": {"text": RUNBOOK, "value": RUNBOOK},
            "description": "Where docker/RUNBOOK.md is published.",
            "label": "Runbook",
            "name": "runbook",
            "query": RUNBOOK,
            "type": "textbox",
        },
    ]


def _choice(name: str, label: str, query: str, all_value: str | None = ".*") -> dict[str, Any]:
    """A variable whose values Prometheus knows."""
    return {
        "allValue": all_value,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": SOURCE,
        "includeAll": True,
        "label": label,
        "multi": True,
        "name": name,
        "query": {"qryType": 1, "query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "type": "query",
    }


def panels() -> list[dict[str, Any]]:
    """Rows and panels, each in its place."""
    made: list[dict[str, Any]] = []
    top = 0
    for row in yaml.safe_load(PANELS.read_text(encoding="utf-8")):
        place = {"h": 1, "w": WIDTH, "x": 0, "y": top}
        made.append({"collapsed": False, "gridPos": place, "panels": [], "title": row["row"], "type": "row"})
        height = 4 if row["panels"][0].get("stat") else 8
        top, left = top + 1, 0
        for panel in row["panels"]:
            width = panel.get("width", 8)
            if left + width > WIDTH:
                top, left = top + height, 0
            made.append({"gridPos": {"h": height, "w": width, "x": left, "y": top}, **_panel(panel)})
            left += width
        top += height
    return [{"id": number, **panel} for number, panel in enumerate(made, 1)]


def _panel(panel: dict[str, Any]) -> dict[str, Any]:
    """A panel without its place."""
    alert = panel.get("runbook")
    link = {"targetBlank": True, "title": f"Runbook: {alert}", "url": f"${{runbook}}#{str(alert).lower()}"}
    return {
        "datasource": SOURCE,
        "description": panel["text"],
        "links": [link] if alert else [],
        "targets": [
            {
                "datasource": SOURCE,
                "expr": line["expr"],
                "legendFormat": line["legend"],
                "refId": chr(ord("A") + number),
            }
            for number, line in enumerate(panel["lines"])
        ],
        "title": panel["title"],
        "type": "stat" if panel.get("stat") else "timeseries",
        **_look(panel),
    }


def _look(panel: dict[str, Any]) -> dict[str, Any]:
    """Units, limits and colours."""
    stat, limit, stack = panel.get("stat", False), panel.get("limit"), panel.get("stack", False)
    steps: list[dict[str, Any]] = [{"color": "green" if stat else "transparent", "value": None}]
    if limit is not None:
        steps.append({"color": "red", "value": limit})
    defaults: dict[str, Any] = {"thresholds": {"mode": "absolute", "steps": steps}, "unit": panel["unit"]}
    if not panel.get("signed"):
        defaults["min"] = 0
    if stat:
        options: dict[str, Any] = {
            "colorMode": "none" if limit is None else "value",
            "graphMode": "area",
            "reduceOptions": {"calcs": ["lastNotNull"]},
        }
    else:
        defaults["custom"] = {
            "fillOpacity": 20 if stack else 0,
            "lineWidth": 1,
            "showPoints": "never",
            "stacking": {"mode": "normal" if stack else "none"},
            "thresholdsStyle": {"mode": "off" if limit is None else "line"},
        }
        options = {
            "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {"fieldConfig": {"defaults": defaults, "overrides": []}, "options": options}


def dashboard() -> str:
    """The file's text."""
    content = {
        "annotations": {"list": []},
        "description": "Chunks in, records out: every stage of Streamledger in the order in which data flows.",
        "editable": False,
        "graphTooltip": 1,
        "links": [{"targetBlank": True, "title": "Runbook", "type": "link", "url": "${runbook}"}],
        "panels": panels(),
        "refresh": "15s",
        "schemaVersion": 39,
        "tags": ["streamledger"],
        "templating": {"list": variables()},
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "utc",
        "title": "Streamledger",
        "uid": "streamledger",
        "version": 1,
    }
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    DASHBOARD.write_text(dashboard(), encoding="utf-8")
