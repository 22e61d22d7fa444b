"""`streamledger` as its users have it: `chunks` and `fold` in this process, through the door of the console script.

Owns how documents become lines and lines documents again.  Every record is held to the contract on its way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.testing.chunk import Document, marker
from tests.ledger import START, valid

Line = Mapping[str, Any] | str
"""A chunk, or a line that is none."""


class Folded(NamedTuple):
    """What `fold` gave out."""

    records: list[Document]
    dead: list[Document]

    def of(self, request_id: str = "r-1") -> list[Document]:
        """Records of one request, in the order in which they came."""
        return [record for record in self.records if record["request_id"] == request_id]

    @property
    def reasons(self) -> list[str]:
        """Why chunks were refused."""
        return [letter["reason"] for letter in self.dead]


def run(*arguments: str, stdin: str = "") -> Result:
    """A command; settings of the developer's own environment are left out."""
    environment = {name: None for name in os.environ if name.startswith("STREAMLEDGER_")}
    return CliRunner(env=environment).invoke(main, list(arguments), input=stdin)


def chunks(provider: str, recording: str, *options: str, request_id: str = "r-1") -> list[Document]:
    """The chunks of a provider's stream."""
    result = run("chunks", "--provider", provider, "--request-id", request_id, *options, stdin=recording)
    assert result.exit_code == 0, result.stderr

    return [json.loads(line) for line in result.stdout.splitlines()]


def fold(lines: Iterable[Line], *options: str) -> Folded:
    """Records and dead letters; the exit status says whether there were any of these."""
    text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
    result = run("fold", *options, stdin=text)
    assert result.exit_code in (0, 1), result.stderr
    dead = [json.loads(line) for line in result.stderr.splitlines()]
    assert result.exit_code == bool(dead)

    return Folded([valid(line.encode()) for line in result.stdout.splitlines()], dead)


def record(lines: Iterable[Line], *options: str) -> Document:
    """The only record of lines of which none is refused."""
    folded = fold(lines, *options)
    assert folded.dead == []
    (only,) = folded.records
    return only


def streamed(provider: str, recording: str, *options: str) -> Document:
    """The record of a provider's stream: `chunks | fold`."""
    return record(chunks(provider, recording), *options)


def placed(*sent: tuple[int, Line]) -> list[Document]:
    """Chunks with their place on a topic, and with it the clock: (ms of append time, chunk)."""
    return [
        {**chunk, "_kafka": {"topic": "llm.chunks", "partition": 0, "offset": offset, "timestamp": START + at}}
        for offset, (at, chunk) in enumerate(sent)
        if isinstance(chunk, Mapping)
    ]


def clock(at: int) -> tuple[int, Document]:
    """A chunk of another request, which tells what time it is."""
    return at, marker(0, request_id=f"clock-{at}")


def prices(folder: Path, text: str) -> tuple[str, str]:
    """The option that makes an overlay file count."""
    path = folder / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return "--set", f"price_overlay={path}"
