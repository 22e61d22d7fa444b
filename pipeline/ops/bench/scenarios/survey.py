"""The chosen scenarios in turn on a broker of their own, and what came out of them as table or JSON.

Owns names and order. Imports its siblings, the site and the errors.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.errors import FOUND_PROBLEM, OK, FoundProblem
from pipeline.ops.bench.scenarios.expiry import expiry
from pipeline.ops.bench.scenarios.figure import Outcome
from pipeline.ops.bench.scenarios.ground import Ground
from pipeline.ops.bench.scenarios.latency import latency
from pipeline.ops.bench.scenarios.memory import memory
from pipeline.ops.bench.scenarios.partitions import partitions, scaling
from pipeline.ops.bench.scenarios.replays import replays
from pipeline.ops.bench.scenarios.restore import restore
from pipeline.ops.bench.scenarios.sinks import sinks
from pipeline.ops.bench.scenarios.volume import volume
from pipeline.ops.bench.site import machine, site
from pipeline.ops.broker import KAFKA_VERSION
from pipeline.settings import Settings

RATE: Final = 20_000

SCENARIOS: Final[Mapping[str, Callable[[Ground], Awaitable[list[Outcome]]]]] = {
    "latency": latency,
    "bytes": volume,
    "memory": memory,
    "restore": restore,
    "expiry": expiry,
    "partitions": partitions,
    "scaling": scaling,
    "replay": replays,
    "sinks": sinks,
}
"""In the order in which they run."""


@dataclass(frozen=True)
class Survey:
    """What to measure.

    Attributes:
        scenarios: Names; none: all.
        quick: Small loads: figures are shown, not judged.
        rate: Chunks a second where a scenario has a pace.
        tiny: A few seconds each, for tests.
    """

    scenarios: Sequence[str] = ()
    quick: bool = False
    rate: int = RATE
    tiny: bool = False


def survey(settings: Settings, choice: Survey, *, as_json: bool) -> int:
    """Measure and print.

    Args:
        settings: Of the worker, but for names, topics and the way to Kafka.
        choice: What to measure.
        as_json: Print one JSON object instead of tables.

    Returns:
        Exit status: 1 if a scenario came to no end or, with the full loads, a target is missed.

    Raises:
        BrokerUnavailable: There is no Kafka.
        UsageError: This system does not tell what processes use.
    """
    with site() as ours:
        outcomes = asyncio.run(_all(Ground(settings, ours, choice.quick, choice.rate, choice.tiny), choice.scenarios))
    judged = not choice.quick and not choice.tiny
    sys.stdout.write(
        (json.dumps(as_object(outcomes, judged=judged)) if as_json else as_text(outcomes, judged=judged)) + "\n"
    )
    return OK if passed(outcomes, judged=judged) else FOUND_PROBLEM


async def _all(ground: Ground, names: Sequence[str]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for name, scenario in SCENARIOS.items():
        if names and name not in names:
            continue
        try:
            outcomes += await scenario(ground)
        except FoundProblem as error:
            outcomes.append(Outcome(name, failed=error.message))
            ground.site.steps.say(f"{name}: failed, {error.message}")
    return outcomes


def passed(outcomes: Sequence[Outcome], *, judged: bool) -> bool:
    """Whether all came to an end and, if they are judged, every target is reached."""
    return all(
        each.failed is None and (not judged or all(figure.reached for figure in each.figures)) for each in outcomes
    )


def as_object(outcomes: Sequence[Outcome], *, judged: bool) -> dict[str, Any]:
    """All figures."""
    return {
        "passed": passed(outcomes, judged=judged),
        "judged": judged,
        "machine": _machine(),
        "kafka": KAFKA_VERSION,
        "scenarios": [outcome.as_json() for outcome in outcomes],
    }


def as_text(outcomes: Sequence[Outcome], *, judged: bool) -> str:
    """The tables and the conditions."""
    lines = [f"Kafka {KAFKA_VERSION} on {_machine()}, which broker, worker and generator share"]
    for outcome in outcomes:
        lines += ["", *outcome.as_text()]
    return "\n".join(lines if judged else [*lines, "", "small loads: targets are shown, not judged"])


def _machine() -> str:
    return f"{machine()}, load average {os.getloadavg()[0]:.1f}"
