"""What speaks against a worker's being ready, in words for whoever is on call. Pure; imports nothing of the project.

Ready is a worker that the group knows, whose partitions are all restored, and of which each that has something to do
does it. One without a partition is ready too: it is there to take over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A partition that the group gave the worker.

    Attributes:
        number: its.
        restored: whether it takes chunks.
        share: of its changelog that is read.
        stalls: how often in a row the broker said that chunks wait, and none came.
        age: seconds since when something waits for a commit.
        lost: whether another owner has come, and the group does not say so yet.
    """

    number: int
    restored: bool
    share: float = 1.0
    stalls: int = 0
    age: float = 0.0
    lost: bool = False


@dataclass(frozen=True)
class State:
    """A worker at one moment.

    Attributes:
        reached: whether Kafka has answered, and the topics are right.
        stopping: whether it was told to end.
        joined: whether the group knows it and wants nothing of it.
        settled: whether what the group gave it is taken over.
        patience: seconds that something may wait for a commit.
        silence: seconds since Kafka last answered.
        quiet: seconds that it may be silent.
        parts: its partitions.
    """

    reached: bool
    stopping: bool = False
    joined: bool = False
    settled: bool = False
    patience: float = 10.0
    silence: float = 0.0
    quiet: float = 6.0
    parts: tuple[Part, ...] = ()


def against(state: State) -> list[str]:
    """Reasons for not being ready, the first one first; none if it is."""
    if state.stopping:
        return ["stopping"]
    if not state.reached:
        return ["waiting for Kafka"]
    return list(_reasons(state))


def _reasons(state: State) -> Iterator[str]:
    if state.silence > state.quiet:
        yield f"Kafka does not answer for {state.silence:.0f} s"
    if not state.joined:
        yield "not in the group: it gives partitions out, or can't be reached"
    restoring = [part for part in state.parts if not part.restored and not part.lost]
    for part in restoring:
        yield f"partition {part.number} restores, {int(part.share * 100)} %"
    if state.joined and not state.settled and not restoring:
        yield "partitions are taken over"
    for part in state.parts:
        if part.lost:
            yield f"partition {part.number} was taken over by another worker"
        elif part.stalls:
            yield f"partition {part.number} stands still: chunks wait and none arrives"
        elif part.age > state.patience:
            yield f"partition {part.number} commits nothing: something waits for {part.age:.0f} s"
