"""Named points at which a test can make the worker die, fail or hang; all are off unless the environment arms them.

STREAMLEDGER_FAILPOINTS="name[@n][:probability][:action], ..." arms points: `@n` waits for the n-th pass, the action is
`kill` (SIGKILL, the default), `raise`, `stop` (SIGSTOP) or `hang` (block the event loop). Names are a closed list, so
that a test can't wait for a point that is not there. Imports the standard library and `pipeline.errors`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pipeline.errors import InvariantBroken, UsageError

VARIABLE: Final = "STREAMLEDGER_FAILPOINTS"

Action = Literal["kill", "raise", "stop", "hang"]

_TRANSACTION: Final = ("begin", "send", "offsets", "delivery", "commit")
"""Steps of one transaction; `checkpoint` sends rows, markers, records and dead letters in their own steps."""

# fmt: off
NAMES: Final = frozenset({
    "apply.before", "apply.after",
    "expire.before", "expire.after",
    "finalize.before", "finalize.after",
    "snapshot.before", "snapshot.after",
    *(f"checkpoint.{when}_{step}" for when in ("before", "after") for step in _TRANSACTION),
    *(f"checkpoint.{when}_send_{what}" for when in ("before", "after")
      for what in ("requests", "markers", "records", "dead_letters")),
    "checkpoint.before_store", "checkpoint.after_store", "checkpoint.before_drop", "checkpoint.after_drop",
    *(f"fence.{when}_{step}" for when in ("before", "after") for step in _TRANSACTION if step != "offsets"),
    "assign.before", "assign.after",
    "restore.before_init", "restore.after_init", "restore.after_fence",
    "restore.read_0", "restore.read_50", "restore.read_99", "restore.before_load", "restore.after_load",
    "revoke.before", "revoke.after_checkpoint", "revoke.after",
})
# fmt: on

HANG_SECONDS: Final = 3_600.0


@dataclass
class Armed:
    """One armed point and how often it was passed."""

    probability: float = 1.0
    action: Action = "kill"
    pass_number: int = 0
    passed: int = 0


_armed: dict[str, Armed] = {}


def arm(spec: str) -> None:
    """Arm the points of a specification; an empty one disarms all.

    Raises:
        UsageError: An unknown name or action, or a number that is none.
    """
    _armed.clear()
    for entry in filter(None, (part.strip() for part in spec.split(","))):
        name, armed = _parse(entry)
        _armed[name] = armed


def arm_from(environ: Mapping[str, str]) -> None:
    """Arm what the environment names."""
    arm(environ.get(VARIABLE, ""))


def failpoint(name: str) -> None:
    """Pass a point: nothing happens unless it is armed.

    Raises:
        InvariantBroken: Armed with `raise`.
    """
    if _armed and name in _armed:
        _pass(name, _armed[name])


def _pass(name: str, armed: Armed) -> None:
    armed.passed += 1
    if armed.pass_number not in (0, armed.passed):
        return
    if int.from_bytes(os.urandom(4), "big") >= armed.probability * (1 << 32):
        return
    if armed.action == "raise":
        raise InvariantBroken(f"failpoint {name}")
    if armed.action == "hang":
        time.sleep(HANG_SECONDS)
        return
    os.kill(os.getpid(), signal.SIGSTOP if armed.action == "stop" else signal.SIGKILL)


def _parse(entry: str) -> tuple[str, Armed]:
    target, *options = entry.split(":")
    name, _, number = target.partition("@")
    if name not in NAMES:
        raise UsageError(f"unknown failpoint {name!r} in {VARIABLE}", hint="pipeline/engine/failpoint.py lists them")
    armed = Armed()
    try:
        armed.pass_number = int(number or 0)
        for option in options:
            if option in get_args(Action):
                armed.action = option  # type: ignore[assignment]  # one of its values, as the line above checks
            else:
                armed.probability = float(option)
    except ValueError:
        hint = "name[@n][:probability][:kill|raise|stop|hang]"
        raise UsageError(f"can't read the failpoint {entry!r} in {VARIABLE}", hint=hint) from None
    return name, armed
