"""Which records the worker may still revise by itself: a correction of them would take the same revision twice.

A late chunk makes a revision until `revise_window` after the close, and the worker sends it `finish_grace` after the
last of them: but by its own clock, the append times of what it has read. So beside the wall clock either the worker has
passed that time, or there is no late chunk (`restless`). Of a record that was made under other settings nobody knows
the window: it waits for as long as a closed request is remembered. Pure; time arrives as an argument. Imports the
core's policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pipeline.core.policy import Policy

MARGIN: Final = 60_000
"""ms on top: for sending what was closed, and for clocks of brokers that take a partition over from each other."""

WINDOW: Final = "a late chunk may still revise it"


class Standing(NamedTuple):
    """How far the worker has come with a partition of the chunk topic.

    Attributes:
        clock: append time of the last chunk that it has committed, ms; None if it is not kept any more.
        running: its group has members.
    """

    clock: int | None
    running: bool


class Held(NamedTuple):
    """Why a record can't be corrected now, and from when on (ms; None: no time is known)."""

    reason: str
    until: int | None


class Doubt(NamedTuple):
    """Its time is over, but the worker has not passed it: free only if no chunk of it came late.

    Attributes:
        until: when that time was over, ms.
        source: of the record.
    """

    until: int
    source: Mapping[str, Any]


@dataclass(frozen=True)
class Guard:
    """Decides by one moment.

    Attributes:
        policy: of the ledger's worker.
        slack: clock_slack of the settings, ms: how far clocks of workers and brokers may be apart.
        now: wall clock, ms: read before anything is asked of Kafka.
        worker: whether one runs on this ledger or ever will; without one, time alone decides.
    """

    policy: Policy
    slack: int
    now: int
    worker: bool = True

    def judge(self, record: Mapping[str, Any], appended: int, standing: Standing) -> Held | Doubt | None:
        """Whether a record may be corrected: None if so.

        Args:
            record: the latest revision.
            appended: append time of the request's first known record, ms: never before its close.
            standing: of its partition.
        """
        policy = self.policy
        ours = record["config_digest"] == policy.digest
        if (record["closed_by"] == "final" and record["complete"]) or (ours and policy.late_policy != "revise"):
            return None  # the worker refuses late chunks of these (CONTRACT §4)
        window = policy.revise_window if ours else max(policy.revise_window, policy.marker_retention)
        until = appended + window + policy.finish_grace + self.slack + MARGIN
        if self.now < until:
            return Held(WINDOW, until)
        passed = standing.running and standing.clock is not None and standing.clock >= until
        return None if passed or not self.worker else Doubt(until, record["source"])
