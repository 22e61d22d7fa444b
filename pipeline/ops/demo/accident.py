"""The worker is killed in mid-stream, as a failing machine would do it, and started again; what that did, measured.

Owns the accident, its figures and the proof that it was one: a kill with nothing unfinished would show nothing. All
figures come from the topics and from what the restarted worker says of its restore. Imports its siblings, the
errors and what `produce` answers.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import FoundProblem
from pipeline.ops.demo.reader import Reader
from pipeline.ops.demo.worker import Worker
from pipeline.ops.produce import Sent


@dataclass(frozen=True, kw_only=True)
class Accident:
    """What the kill hit, and how long it took to go on.

    Attributes:
        killed_at: Chunks in the topic when the worker was killed.
        chunks: Chunks in the topic in the end.
        records_before: Records that consumers could see by then.
        requests_open: Requests that the restarted worker found unfinished in the saved state.
        chunks_again: Chunks of the killed worker that no checkpoint held, so that they were read again.
        restore_seconds: From the assignment of the partitions to their state being there, as the worker measured it.
        silence_seconds: From the kill to the next record that consumers saw; None if none came.
    """

    killed_at: int
    chunks: int
    records_before: int
    requests_open: int
    chunks_again: int
    restore_seconds: float
    silence_seconds: float | None

    def complaints(self) -> list[str]:
        """Why it was no accident in mid-stream, a line each."""
        missed = {
            "no chunk was left to send": self.killed_at >= self.chunks,
            "no request was open in the saved state": self.requests_open == 0,
            "no record was still to come": self.silence_seconds is None,
        }
        return [f"the kill missed the middle of the stream: {what}" for what, so in missed.items() if so]

    def as_text(self) -> str:
        """In one line."""
        hit = f"worker killed at chunk {self.killed_at:,}, {self.requests_open} requests open"
        silence = self.silence_seconds
        after = "no record came" if silence is None else f"next record {silence:.1f} s after the kill"
        return f"{hit} … restarted, state restored in {self.restore_seconds:.1f} s, {after}"

    def as_json(self) -> dict[str, Any]:
        """The same and more, for programs."""
        return asdict(self)


async def strike(
    worker: Worker,
    reader: Reader,
    go_on: Callable[[], Awaitable[Sent]],
    *,
    killed_at: int,
    seconds: float,
) -> tuple[Accident, list[Any]]:
    """Kill the worker and start it again; the gateway does not wait for that.

    Args:
        worker: Ready; its data directory stays.
        reader: Of the records.
        go_on: Sends the remaining chunks.
        killed_at: Chunks in the topic now.
        seconds: Deadline for the next record, counted from the restore.

    Returns:
        The figures, and all records that were read on the way.

    Raises:
        FoundProblem: The worker ended by itself, before or after.
    """
    status, killed = worker.kill(), time.monotonic()
    if status != -signal.SIGKILL:
        raise FoundProblem(f"the worker ended by itself with status {status}", hint="its last words are above")
    # Read before the next worker lives, so that what is visible by now is the work of the killed one.
    before = await reader.rest()
    worker.start()
    sent = await go_on()
    ready = await worker.ready()
    after: list[Any] = []
    deadline = time.monotonic() + seconds
    while not after and time.monotonic() < deadline:
        worker.check()
        after = await reader.some()
    silence = round(time.monotonic() - killed, 3) if after else None
    requests_open, position = restored(worker.events("restored"))
    accident = Accident(
        killed_at=killed_at,
        chunks=killed_at + sent.chunks,
        records_before=len(before),
        requests_open=requests_open,
        chunks_again=killed_at - position,
        restore_seconds=ready["seconds"],
        silence_seconds=silence,
    )
    return accident, before + after


def restored(events: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Open requests and chunks passed, over all partitions, from a worker's `restored` events.

    A partition that was restored twice counts as it was the first time: the second time it was only handed back.
    """
    first = {event["partition"]: event for event in reversed(list(events))}
    return sum(event["open"] for event in first.values()), sum(event["position"] for event in first.values())
