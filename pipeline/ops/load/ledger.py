"""The ledger file and the figures of a load: a line for each request, once its chunks have arrived.

Imports its siblings and the standard library.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

from pipeline.errors import UsageError
from pipeline.ops.load.piece import Json
from pipeline.ops.load.request import Request

SUFFIXES: Final = (".jsonl", ".ndjson")
"""What `streamledger reconcile` takes for JSON lines."""


@dataclass
class Sum:
    """What was sent of a kind of stream."""

    requests: int = 0
    chunks: int = 0
    bytes: int = 0


@dataclass
class Ledger:
    """What was sent.

    Attributes:
        kinds: Sums by stream type.
        states: Requests by what became of them.
        troubles: Requests by what befell them.
    """

    file: TextIO | None = None
    kinds: dict[str, Sum] = field(default_factory=dict)
    states: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)

    def note(self, request: Request) -> None:
        """Note a request."""
        kind = self.kinds.setdefault(request.template.kind, Sum())
        kind.requests += 1
        kind.chunks += request.chunks
        kind.bytes += request.size
        self.states[request.state] += 1
        if request.route.trouble is not None:
            self.troubles[request.route.trouble] += 1
        if self.file is not None:
            self.file.write(json.dumps(request.row(), ensure_ascii=False) + "\n")

    @property
    def requests(self) -> int:
        """All of them."""
        return sum(each.requests for each in self.kinds.values())

    def as_json(self) -> Json:
        """The figures."""
        return {
            "by_stream_type": {kind: vars(each) for kind, each in sorted(self.kinds.items())},
            "states": dict(sorted(self.states.items())),
            "troubles": dict(sorted(self.troubles.items())),
        }


@contextmanager
def ledger(path: Path | None) -> Iterator[Ledger]:
    """A ledger, with a file if one is named.

    Raises:
        UsageError: `reconcile` would not read a file of that name.
    """
    if path is None:
        yield Ledger()
        return
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--ledger {path}: not .jsonl", hint="name it so, then `reconcile --usage-file` can read it")
    with path.open("w", encoding="utf-8") as file:
        yield Ledger(file)
