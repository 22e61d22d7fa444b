"""Who takes part, what each promises, and how each is started; whoever is not here says why.

Owns the participants' names and the ratios that the worker has to reach. Imports its siblings and the demo's way to
give a worker its settings.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.errors import BrokerUnavailable
from pipeline.ops.bench import streams
from pipeline.ops.demo.worker import environment
from pipeline.ops.events import events
from pipeline.settings import ENV_PREFIX, Settings

WORKER: Final = "streamledger"
SCRIPTS: Final = Path(__file__).parent / "peers"
FIRST: Final = "first "
"""How the others begin the line that tells when they took their first chunk."""

PROBE: Final = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
PROBE_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Stage:
    """Where one participant runs once.

    Attributes:
        settings: Of the worker; servers, topics and interval hold for all. `ledger` is the name of the run: it is part
            of every topic that the run makes.
        home: A directory of the run's own.
        python: Interpreter that has QuixStreams.
        say: Told in one line when something takes long.
    """

    settings: Settings
    home: Path
    python: Path
    say: Callable[[str], None]

    def arguments(self) -> list[str]:
        """What the others' programs are told."""
        settings = self.settings
        where = [settings.bootstrap_servers, settings.chunk_topic, settings.record_topic, str(self.home / "state")]
        return [*where, str(settings.checkpoint_interval)]


class Command(NamedTuple):
    """How to start a program."""

    arguments: list[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Peer:
    """A participant.

    Attributes:
        name: On the command line and in the tables.
        promise: What its output is worth when something dies.
        needed: How many times as fast as it the worker has to be.
        command: How it is started.
        missing: Why it can't be; None if it can.
        small: It is so slow that it gets a load of its own.
    """

    name: str
    promise: str
    needed: float | None
    command: Callable[[Stage], Command]
    missing: Callable[[Stage], str | None]
    small: bool = False


def began(output: str) -> float | None:
    """When a participant took its first chunk, or the worker its partitions; seconds since the epoch."""
    for line in output.splitlines():
        if line.startswith(FIRST):
            return float(line.removeprefix(FIRST))
    for event in events(output, "assigned"):
        if event.get("ready") and event.get("partitions"):
            return datetime.fromisoformat(event["timestamp"]).timestamp()
    return None


def figures(output: str) -> dict[str, float]:
    """What the worker says of itself when it ends; nothing of others."""
    for event in events(output, "stopped"):
        return {name: value for name, value in event.items() if isinstance(value, int | float)}
    return {}


def _worker(stage: Stage) -> Command:
    return Command([sys.executable, "-P", "-m", "pipeline", "worker"], environment(stage.settings))


def _script(name: str, python: Callable[[Stage], str] = lambda _: sys.executable) -> Callable[[Stage], Command]:
    """A program of `peers/`, by its path."""

    def command(stage: Stage) -> Command:
        return Command([python(stage), "-P", str(SCRIPTS / name), *stage.arguments()], _surroundings(stage))

    return command


def _streams(stage: Stage) -> Command:
    return Command([*streams.prepare(stage.home, stage.say), *stage.arguments()], _surroundings(stage))


def _surroundings(stage: Stage) -> dict[str, str]:
    """Our environment without what would change the program; its temporary files go with the run."""
    unwanted = ("CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(ENV_PREFIX)}
    return {**{name: kept[name] for name in kept if name not in unwanted}, "TMPDIR": str(stage.home)}


def _no_streams(stage: Stage) -> str | None:
    """Whether it can be had is known only by having it; what is fetched stays in the cache."""
    try:
        streams.fetch(stage.say)
    except BrokerUnavailable as error:
        return error.message
    return None


def _no_quix(stage: Stage) -> str | None:
    if stage.python == Path(sys.executable) and importlib.util.find_spec("quixstreams") is not None:
        return None
    try:
        done = subprocess.run(
            [str(stage.python), "-c", PROBE, "quixstreams"], capture_output=True, check=False, timeout=PROBE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{stage.python} can't be run: {type(error).__name__}"
    if done.returncode == 0:
        return None
    return "quixstreams is not installed; name an interpreter that has it: --quix-python"


def _here(_: Stage) -> None:
    """Always there."""


PEERS: Final = (
    Peer(WORKER, "exactly once, whole fold", None, _worker, _here),
    Peer("kafka-streams", "exactly once", 1.0, _streams, _no_streams),
    Peer("quixstreams", "at least once", 2.0, _script("quix.py", lambda stage: str(stage.python)), _no_quix),
    Peer("consume", "no state", 0.5, _script("consume.py"), _here),
    Peer("plain-faust", "at least once", 40.0, _script("plain_faust.py"), _here, small=True),
)
"""In the order in which they run."""
