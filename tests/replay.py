"""A topic of chunks folded again by `streamledger fold`: what its records must be, byte for byte (CONTRACT G3).

The product is a program here: this imports the standard library only, so that an independent reader may use it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
SECONDS: Final = 300.0
DURATIONS: Final = ("_age", "_grace", "_interval", "_retention", "_slack", "_window")
"""Names of settings in ms end so; `fold` refuses one that is missing here."""


class Place(NamedTuple):
    """Where a record stood in a topic; `timestamp` is its append time in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int


@dataclass
class Folded:
    """What came out.

    Attributes:
        records: bytes of each, in the order in which they arose.
        dead: (reason, partition, offset) of the dead letters.
        passing: (partition, offset) of what is no line of `fold`; its dead letters are not among the others.
    """

    records: list[bytes] = field(default_factory=list)
    dead: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    passing: set[tuple[int, int]] = field(default_factory=set)


def line(key: bytes | None, value: bytes | None, place: Place) -> tuple[bytes, bool]:
    """A record of the chunk topic as a line of `fold`; whether it is one.

    What `fold` could not be told of (no JSON object, another key than the request id, white space that a line loses)
    becomes a line that is refused at the same place: nothing is left of it but that time had come so far.
    """
    where = json.dumps({"_kafka": place._asdict()}, separators=(",", ":")).encode()
    if not _is_line(key, value or b""):
        return where + b"\n", False
    return (value or b"")[:-1] + b"," + where[1:] + b"\n", True


def _is_line(key: bytes | None, value: bytes) -> bool:
    try:
        document = json.loads(value)
        request_id = document["request_id"].encode()
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, UnicodeEncodeError):
        return False
    return bool(request_id == key and value == value.strip() and b"\n" not in value and "_kafka" not in document)


def _told(name: str, value: Any) -> str:
    """A setting in TOML."""
    if value is None:
        return ""
    return f"{name} = {json.dumps(f'{value}ms' if name.endswith(DURATIONS) else value)}\n"


def fold(
    records: Iterable[tuple[bytes | None, bytes | None, Place]], settings: Mapping[str, Any], folder: Path
) -> Folded:
    """Fold records of chunk topics in a process of its own.

    Args:
        records: key, value and place; offsets rise within a partition.
        settings: of the worker whose records are looked for, as JSON values; those that are null are left out.
        folder: for files on the way.

    Raises:
        AssertionError: `fold` failed.
    """
    chunks, config, dead = (folder / name for name in ("chunks.jsonl", "settings.toml", "dead.jsonl"))
    folded = Folded()
    with chunks.open("wb") as sink:
        for key, value, place in records:
            made, whole = line(key, value, place)
            sink.write(made)
            if not whole:
                folded.passing.add((place.partition, place.offset))
    config.write_text("".join(_told(*each) for each in settings.items()), encoding="utf-8")
    command = (sys.executable, "-m", "pipeline", "fold", "--config", config, "--dead-letters", dead, chunks)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("STREAMLEDGER_")}
    done = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, timeout=SECONDS, check=False)
    assert done.returncode in (0, 1), done.stderr.decode(errors="replace")[-2_000:]
    folded.records = done.stdout.splitlines()
    for told_dead in map(json.loads, dead.read_bytes().splitlines()):
        source = told_dead["source"]
        if (source["partition"], source["offset"]) not in folded.passing:
            folded.dead[told_dead["reason"], source["partition"], source["offset"]] += 1
    return folded
