"""How far an export has come, in a file: what is before a position has been taken by the receiver, or is a dead letter.

Owns the file: it names what it belongs to, and is replaced whole, so that a crash leaves the old or the new. Imports
errors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import UsageError

Offsets = dict[int, int]
"""Next offset by partition."""


class Positions:
    """A file of positions.

    Attributes:
        offsets: next offset by partition.
    """

    def __init__(self, path: Path, belongs: Mapping[str, str]) -> None:
        """Read what is there; `belongs` says of what they are positions.

        Raises:
            UsageError: the file is of another export, or no such file.
        """
        self._path, self._belongs = path, dict(belongs)
        self.offsets: Offsets = {}
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        found = _parsed(text)
        if found is None:
            raise UsageError(f"{path} is no file of positions", hint="name another, or remove it to begin anew")
        of, self.offsets = found
        for name, value in self._belongs.items():
            if of.get(name) != value:
                text = f"{path} has the positions of another export: {name} is {of.get(name)}, not {value}"
                raise UsageError(text, hint="one file for each export")

    def advance(self, offsets: Mapping[int, int]) -> None:
        """Store that everything before these offsets is done with."""
        self.offsets.update(offsets)
        document = {
            **self._belongs,
            "positions": {str(number): offset for number, offset in sorted(self.offsets.items())},
        }
        new = self._path.with_name(self._path.name + ".new")
        with new.open("w", encoding="utf-8") as file:
            file.write(json.dumps(document) + "\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _parsed(text: str) -> tuple[dict[str, str], Offsets] | None:
    try:
        document = json.loads(text)
        positions = document.pop("positions")
        return document, {int(number): int(offset) for number, offset in positions.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
