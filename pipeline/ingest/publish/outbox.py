"""The bounded buffer between the threads that publish and the one that sends.

Owns the order of chunks, the bounds, who waits for room and for how long, and when the sender has to be woken. What
taps hand over is in it as they saw it, until the sender has it made into chunks. Imports items, pens and policy of this
package.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from threading import get_ident
from typing import Final

from pipeline.ingest.publish.item import Item
from pipeline.ingest.publish.pen import OVERHEAD, Deferred, Entry, size
from pipeline.ingest.publish.policy import Policy

OVER: Final = 2
"""Times the bounds up to which a chunk still gets in after its wait: a moment's congestion must not cost a bill."""


class Outbox:
    """Chunks in memory. Those that are being sent count until Kafka or the spool has them.

    Attributes:
        accepted: Count of chunks since the beginning; what is not translated yet counts as one.
        longest_wait: Longest wait for room, in seconds.
        size: Bytes in memory now.
        held: Chunks in memory now.
    """

    def __init__(self, policy: Policy, wake: Callable[[], None]) -> None:
        """Begin empty; `wake` is called from any thread when the sender sleeps and there is something to send."""
        self._policy = policy
        self._wake = wake
        self._lock = _Guard()
        self._entries: deque[Entry] = deque()
        self._inside: deque[Entry] = deque()
        self._ready: deque[Item] = deque()
        self._waiting: list[Callable[[], None]] = []
        self._in_vain = False
        self._asleep = True
        self.accepted = self.size = self.held = 0
        self.longest_wait = 0.0

    def put(self, item: Entry) -> bool:
        """Take a chunk, waiting for room as long as the budget allows; False if there is none even then."""
        if self.offer(item):
            return True
        start = time.monotonic()
        left = self._policy.budget
        while left > 0 and not self._in_vain:
            room = threading.Event()
            self._when_room(room.set)
            room.wait(left)
            if self.offer(item):
                return self._waited(start)
            left = start + self._policy.budget - time.monotonic()
        return self._late(item, start)

    async def put_async(self, item: Entry) -> bool:
        """The same without blocking the event loop; at once where there is room."""
        if self.offer(item):
            return True
        start = time.monotonic()
        left = self._policy.budget
        loop = asyncio.get_running_loop()
        while left > 0 and not self._in_vain:
            room: asyncio.Future[None] = loop.create_future()
            self._when_room(partial(_tell, loop, room))
            await asyncio.wait((room,), timeout=left)
            if self.offer(item):
                return self._waited(start)
            left = start + self._policy.budget - time.monotonic()
        return self._late(item, start)

    def offer(self, item: Entry, times: int = 1) -> bool:
        """Take a chunk if the bounds, so many times, leave room; never waits."""
        guard, thread = self._lock, get_ident()
        if guard.holder == thread:  # garbage collection inside the lock ended a request
            self._inside.append(item)
            return True
        policy = self._policy
        guard.lock.acquire()  # all in place: this is what every chunk of every stream pays
        try:
            guard.holder = thread
            if self.size >= times * policy.buffer_bytes or self.held >= times * policy.buffer_chunks:
                return False
            self._entries.append(item)
            self.held += 1
            self.size += item.weight + OVERHEAD if type(item) is Deferred else size(item)
            self.accepted += 1
            asleep, self._asleep = self._asleep, False
        finally:
            guard.holder = 0
            guard.lock.release()
        if asleep:
            self._wake()
        return True

    def take(self, most_bytes: int, most: int) -> list[Item]:
        """The oldest chunks, in order; they go on counting until `free` or `put_back`."""
        self.tell(most - len(self._ready))
        taken: list[Item] = []
        total = 0
        while self._ready and len(taken) < most and (not taken or total + size(self._ready[0]) <= most_bytes):
            item = self._ready.popleft()
            total += size(item)
            taken.append(item)
        return taken

    def tell(self, most: int) -> None:
        """Make chunks of up to so many of the oldest that were put; on the sender's thread, as all of taking."""
        with self._lock:
            while self._inside:
                inner = self._inside.popleft()
                self._entries.append(inner)
                self.held += 1
                self.size += size(inner)
                self.accepted += 1
            entries = [self._entries.popleft() for _ in range(min(most, len(self._entries)))]
        held = total = 0
        for entry in entries:
            if type(entry) is Deferred:
                items = entry.pen.items(entry)
                held += len(items) - 1
                total += sum(map(size, items)) - size(entry)
                self._ready.extend(items)
            else:
                self._ready.append(entry)  # type: ignore[arg-type]
        if held or total:
            self._count(held, total, held)

    def put_back(self, items: Sequence[Item]) -> None:
        """What was taken, as it was; the next to be taken again."""
        self._ready.extendleft(reversed(items))

    def free(self, items: Sequence[Item]) -> None:
        """Forget chunks that were taken: Kafka or the spool has them."""
        self._count(-len(items), -sum(map(size, items)), 0)

    def _count(self, held: int, total: int, accepted: int) -> None:
        """Take over what has changed, and tell who waits if there is room."""
        with self._lock:
            self.held += held
            self.size += total
            self.accepted += accepted
            if self._full():
                return
            self._in_vain = False
            waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell()

    def sleep(self) -> bool:
        """From now on whoever puts wakes the sender; False if there is something already."""
        with self._lock:
            self._asleep = not self.waiting
            return self._asleep

    @property
    def waiting(self) -> bool:
        """Whether there are chunks that were not taken."""
        return bool(self._ready or self._entries or self._inside)

    @property
    def untold(self) -> int:
        """How many were put of which no chunks are made yet."""
        return len(self._entries) + len(self._inside)

    @property
    def made(self) -> int:
        """How many chunks were made since the beginning."""
        with self._lock:
            return self.accepted - len(self._entries)

    @property
    def told(self) -> int:
        """How many chunks are ready to be taken."""
        return len(self._ready)

    @property
    def half_full(self) -> bool:
        """Whether the spool should make room before anybody has to wait."""
        return 2 * self.size >= self._policy.buffer_bytes or 2 * self.held >= self._policy.buffer_chunks

    def _full(self) -> bool:
        return self.size >= self._policy.buffer_bytes or self.held >= self._policy.buffer_chunks

    def _when_room(self, tell: Callable[[], None]) -> None:
        """Have `tell` called, once, when there is room: now, if there is."""
        with self._lock:
            if self._full():
                self._waiting.append(tell)
                return
        tell()

    def _late(self, item: Entry, start: float) -> bool:
        """The end of a wait in vain: in over the bounds, or not at all."""
        self._in_vain = True
        self._waited(start)
        return self.offer(item, OVER)

    def _waited(self, start: float) -> bool:
        self.longest_wait = max(self.longest_wait, time.monotonic() - start)
        return True


class _Guard:
    """A lock that knows whether the running thread has it.

    Attributes:
        lock: The lock.
        holder: Number of the thread that has it; 0 is none.
    """

    def __init__(self) -> None:
        """Begin open."""
        self.lock = threading.Lock()
        self.holder = 0

    def __enter__(self) -> None:
        self.lock.acquire()
        self.holder = get_ident()

    def __exit__(self, *_: object) -> None:
        self.holder = 0
        self.lock.release()


def _tell(loop: asyncio.AbstractEventLoop, room: asyncio.Future[None]) -> None:
    """Wake a task from another thread; its loop may have ended since."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(lambda: None if room.done() else room.set_result(None))
