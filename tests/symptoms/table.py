"""The README's table of symptoms, made from the docstrings of the tests: `python -m tests.symptoms.table`.

A docstring is a sentence, what the record or the program does; a paragraph `Threads: …`, where it was reported; and
maybe one `Still to come: …`, what a later part of the project adds.  The table has a row for each test.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).parent
BEGIN: Final = "<!-- symptoms -->"
END: Final = "<!-- /symptoms -->"
HEAD: Final = ("| symptom | thread | test | result |", "| --- | --- | --- | --- |")
COUNT: Final = {"symptom": 45, "ask": 15}
"""How many there are of each kind."""

_NAME: Final = re.compile(r"test_(symptom|ask)_(\d\d)_(\w+)")
_DOCSTRING: Final = re.compile(
    r"(?P<result>.+)\. Threads: (?P<threads>\S+.*#\d+.*?)\.(?: Still to come: (?P<open>.+)\.)?"
)
_LIVE: Final = "live"
"""Name of the fixture that runs on Kafka."""


class Row(NamedTuple):
    """One test."""

    kind: str
    number: int
    words: str
    threads: str
    module: str
    live: bool
    result: str

    @property
    def line(self) -> str:
        """As Markdown."""
        title = f"{'ask ' if self.kind == 'ask' else ''}{self.number} {self.words}"
        where = f"`{self.module}`{', on Kafka' if self.live else ''}"
        return f"| {title} | {self.threads} | {where} | {self.result} |"


def rows() -> list[Row]:
    """All tests, symptoms before asks, by number.

    Raises:
        ValueError: a docstring is no sentence with its threads.
    """
    found = [row for path in sorted(HERE.glob("test_*.py")) for row in _of(path)]
    return sorted(found, key=lambda row: (row.kind == "ask", row.number, row.live, row.words))


def table() -> str:
    """The whole table, without a line end."""
    return "\n".join((*HEAD, *(row.line for row in rows())))


def _of(path: Path) -> Iterator[Row]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and (name := _NAME.fullmatch(node.name)):
            kind, number, words = name.groups()
            text = " ".join((ast.get_docstring(node) or "").split())
            said = _DOCSTRING.fullmatch(text)
            if said is None:
                raise ValueError(f"{path.name}: {node.name}: no sentence with its threads: {text}")
            to_come = f"; still to come: {said['open']}" if said["open"] else ""
            live = any(argument.arg == _LIVE for argument in node.args.args)
            yield Row(
                kind, int(number), words.replace("_", " "), said["threads"], path.name, live, said["result"] + to_come
            )


if __name__ == "__main__":
    print(table())  # noqa: T201  it is what the command is for
