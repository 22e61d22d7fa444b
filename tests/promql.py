"""What a PromQL expression names: series with the labels that it selects by, and labels that it groups by.

Owns the tokenizer and the labels that each series of ours has. Imports the closed list of metrics.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from typing import Final

import pytest

from pipeline.metrics import METRICS

TARGET: Final = {"job", "instance"}
"""Labels that Prometheus gives every series it scrapes."""

PROCESS: Final = {
    f"process_{name}"
    for name in (
        "cpu_seconds_total",
        "max_fds",
        "open_fds",
        "resident_memory_bytes",
        "start_time_seconds",
        "virtual_memory_bytes",
    )
}
"""What prometheus_client's ProcessCollector shows."""

_GROUPING: Final = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS: Final = _GROUPING | {"and", "or", "unless", "bool", "offset", "inf", "nan"}
_TOKEN: Final = re.compile(
    r"""(?P<text>'[^']*'|"[^"]*")|(?P<range>\[[^\]]*\])|(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)|(?P<number>\d[\w.]*)|(?P<sign>\S)""",
)


def series() -> dict[str, set[str]]:
    """Every series that a target of ours has, with its labels."""
    known = {"up": set(TARGET)} | {name: set(TARGET) for name in PROCESS}
    for metric in METRICS:
        labels = TARGET | set(metric.labels)
        if metric.kind == "histogram":
            known |= {f"{metric.exposed}_{part}": labels for part in ("sum", "count")}
            known[f"{metric.exposed}_bucket"] = labels | {"le"}
        else:
            known[metric.exposed] = labels
    return known


@dataclass
class Names:
    """What an expression names."""

    series: dict[str, set[str]] = field(default_factory=dict)
    grouped: set[str] = field(default_factory=set)


def names(expression: str) -> Names:
    """The names in an expression; functions, aggregations and words of the language are none."""
    found, opened, last = Names(), "", ""
    tokens = [(match.lastgroup, match[0]) for match in _TOKEN.finditer(expression)]
    for (kind, text), (_, following) in zip(tokens, [*tokens[1:], (None, "")], strict=True):
        if text in {"}", ")"}:
            opened = ""
        elif text == "{" or (text in _GROUPING and following == "("):
            opened = text
        elif kind != "name" or text.lower() in _WORDS:
            continue
        elif opened == "{":
            found.series[last].add(text)
        elif opened:
            found.grouped.add(text)
        elif following not in {"(", "by", "without"}:
            last = text
            found.series.setdefault(text, set())
    return found


def unknown(expression: str) -> list[str]:
    """Series and labels of an expression that no target of ours has; in words."""
    known, found = series(), names(expression)
    wrong = [f"no series {name}" for name in found.series if name not in known]
    for name, labels in found.series.items():
        wrong += [f"{name} has no label {label}" for label in sorted(labels - known.get(name, labels))]
    labels = set().union(*(known.get(name, set()) for name in found.series))
    return wrong + [f"nothing in it has the label {label}" for label in sorted(found.grouped - labels)]


def promtool() -> str:
    """Prometheus' own checker; the test is skipped where it is absent."""
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("promtool is not installed: it comes with Prometheus")
    return path
