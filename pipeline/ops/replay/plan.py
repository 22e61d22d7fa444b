"""The directory in which a replay works: its plan, kept so that a replay that was killed goes on as it was meant.

Offsets are looked up once: `-1h` and the end of the topic mean the same when a replay goes on as when it began. Owns
the plan's file and the lock that keeps a second process out. Imports the order, the prices and the errors.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from pipeline.errors import UsageError
from pipeline.ops.replay.order import Order, Share
from pipeline.pricing import price_list
from pipeline.sinks.target import replaced

FILE: Final = "plan.json"
LOCK: Final = "lock"


class Plan(msgspec.Struct, frozen=True):
    """What was decided when a replay began.

    Attributes:
        asked: fingerprint of the order.
        now: wall clock in ms.
        shares: the partitions.
    """

    asked: str
    now: int
    shares: list[Share]


@contextlib.contextmanager
def workplace(kept: Path | None) -> Iterator[Path]:
    """A directory for the block; a named one stays if the block fails, to be gone on with.

    Raises:
        UsageError: it is no directory of a replay, or another process works in it.
    """
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="streamledger-replay-") as folder:
            yield Path(folder)
        return
    kept.mkdir(parents=True, exist_ok=True)
    if any(kept.iterdir()) and not (kept / LOCK).exists():
        raise UsageError(f"{kept} is in use for something else", hint="name an empty directory")
    with (kept / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another replay works in {kept}", hint="wait for it, or stop it") from None
        yield kept
    shutil.rmtree(kept)


def load(order: Order) -> Plan | None:
    """The plan of the replay that was begun here; None if none was.

    Raises:
        UsageError: it is that of another one.
    """
    path = order.work / FILE
    if not path.exists():
        return None
    plan = msgspec.json.decode(path.read_bytes(), type=Plan)
    if plan.asked != fingerprint(order):
        text = f"{order.work} holds a replay of other settings, prices, range or outputs"
        raise UsageError(text, hint="give it the same arguments, or begin anew with another --resume directory")
    return plan


def save(order: Order, shares: Sequence[Share]) -> Plan:
    """Keep a plan, whole or not at all."""
    plan = Plan(fingerprint(order), order.now, list(shares))
    with replaced(order.work / FILE) as draft:
        draft.write_bytes(msgspec.json.encode(plan))
    return plan


def fingerprint(order: Order) -> str:
    """Of all that decides what a replay gives."""
    settings, selection, prices = order.settings, order.selection, price_list(order.settings)
    said = [
        (settings.chunk_topic, settings.record_topic, settings.policy().digest, settings.marker_retention),
        (prices.catalog.version, prices.catalog.hash, prices.overlay and prices.overlay.hash),
        [None if bound is None else bound.text for bound in (selection.since, selection.until)],
        None if selection.partitions is None else sorted(selection.partitions),
        None if selection.request_ids is None else sorted(selection.request_ids),
        sorted(selection.labels.items()),
        (order.look_back, order.look_ahead, order.first_index, order.diff, order.rows, order.traces),
    ]
    return sha256(msgspec.json.encode(said)).hexdigest()
