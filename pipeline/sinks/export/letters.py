"""Events that a receiver refused, kept in a file with the reason.  Imports formats."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import BinaryIO

from pipeline.sinks.export.format import Event, Format


class Letters:
    """A file of dead letters, JSON lines {id, request_id, status, reason, event}; what it holds is added to."""

    def __init__(self, path: Path) -> None:
        """Open it."""
        self._file: BinaryIO = path.open("ab", buffering=0)

    def put(self, event: Event, form: Format, *, status: int, reason: str) -> None:
        """Keep an event; it is on the disk when this returns, so that a position may pass it."""
        head = {"id": event.id, "request_id": event.request_id, "status": status, "reason": reason}
        text = json.dumps(head, ensure_ascii=False)[:-1].encode() + b', "event": ' + form.line(event) + b"}\n"
        self._file.write(text)
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
