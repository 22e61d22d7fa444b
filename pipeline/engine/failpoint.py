"""Named points at which a test can make the worker die, fail or hang; all are off unless the environment arms them.

STREAMLEDGER_FAILPOINTS="name[@n][:probability][:action], ..." arms points: `@n` waits for the n-th pass, the action is
`kill` (SIGKILL, the default), `raise` (a broken invariant, which ends the process), `bug` (any other exception, which
in the core belongs to its request), `stop` (SIGSTOP) or `hang` (block the event loop). Names are a closed list, so that
a test can't wait for a point that is not there. Those of CORE lie in the pure core, which knows nothing of them: `seam`
puts them there when one is armed. Imports the standard library and `pipeline.errors`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pipeline.errors import InvariantBroken, UsageError

VARIABLE: Final = "STREAMLEDGER_FAILPOINTS"

Action = Literal["kill", "raise", "bug", "stop", "hang"]

_TRANSACTION: Final = ("begin", "send", "offsets", "delivery", "commit")
"""Steps of one transaction; `checkpoint` sends rows, markers, records and dead letters in their own steps."""

CORE: Final = ("decode", "admit", "dead_letter", "late", "fold", "revision", "sweep")
"""Steps of the core: a chunk read, admitted, refused, come late; a request folded, revised; its segments given up."""

# fmt: off
NAMES: Final = frozenset({
    *(f"{step}.{when}" for step in CORE for when in ("before", "after")),
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
    "restore.before_distrust", "restore.after_distrust", "restore.before_drop_aside", "restore.after_drop_aside",
    "revoke.before", "revoke.after_checkpoint", "revoke.after",
})
# fmt: on
"""Points of a worker."""

COMMANDS: Final = frozenset(
    f"{scope}.{when}_{step}"
    for scope in ("correction", "erase")
    for when in ("before", "after")
    for step in _TRANSACTION
    if step != "offsets"
)
"""Points of commands that send corrections or erase: they arm none by themselves."""

HANG_SECONDS: Final = 3_600.0


class Bug(Exception):
    """What a point armed with `bug` raises; nobody catches it by name."""


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
        name, point = _parse(entry)
        _armed[name] = point


def arm_from(environ: Mapping[str, str]) -> None:
    """Arm what the environment names."""
    arm(environ.get(VARIABLE, ""))


def armed() -> AbstractSet[str]:
    """Names of the armed points."""
    return _armed.keys()


def failpoint(name: str) -> None:
    """Pass a point: nothing happens unless it is armed.

    Raises:
        InvariantBroken: Armed with `raise`.
        Bug: Armed with `bug`.
    """
    if _armed and name in _armed:
        _pass(name, _armed[name])


def _pass(name: str, point: Armed) -> None:
    point.passed += 1
    if point.pass_number not in (0, point.passed):
        return
    if int.from_bytes(os.urandom(4), "big") >= point.probability * (1 << 32):
        return
    if point.action == "raise":
        raise InvariantBroken(f"failpoint {name}")
    if point.action == "bug":
        raise Bug(f"failpoint {name}")
    if point.action == "hang":
        time.sleep(HANG_SECONDS)
        return
    os.kill(os.getpid(), signal.SIGSTOP if point.action == "stop" else signal.SIGKILL)


def _parse(entry: str) -> tuple[str, Armed]:
    target, *options = entry.split(":")
    name, _, number = target.partition("@")
    if name not in NAMES | COMMANDS:
        raise UsageError(f"unknown failpoint {name!r} in {VARIABLE}", hint="pipeline/engine/failpoint.py lists them")
    point = Armed()
    try:
        point.pass_number = int(number or 0)
        for option in options:
            if option in get_args(Action):
                point.action = option  # type: ignore[assignment]  # one of its values, as the line above checks
            else:
                point.probability = float(option)
    except ValueError:
        hint = "name[@n][:probability][:kill|raise|bug|stop|hang]"
        raise UsageError(f"can't read the failpoint {entry!r} in {VARIABLE}", hint=hint) from None
    return name, point
