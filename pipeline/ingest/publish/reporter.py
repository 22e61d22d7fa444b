"""Nothing is dropped without a word: reports to the caller's callback, or to the log.

Owns that a flood of reports does not become a flood of log events, and that a callback that fails harms nobody. Imports
the log, the errors and this package's reports.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from pipeline.errors import StreamledgerError
from pipeline.ingest.publish.stats import Kind, Report
from pipeline.log import get_logger

LOG_SECONDS: Final = 1.0
"""Shortest time between two log events of one kind; what came between is counted in the next."""

_log = get_logger(__name__)


class Reporter:
    """Where reports go; from any thread.

    Attributes:
        refused: Chunks that were reported as refused.
    """

    def __init__(self, tell: Callable[[Report], None] | None) -> None:
        """Report to `tell`, else to the log."""
        self._tell = tell
        self._lock = threading.Lock()
        self._logged: dict[Kind, float] = {}
        self._unsaid: dict[Kind, int] = {}
        self.refused = 0

    def __call__(self, report: Report) -> None:
        """Tell it."""
        with self._lock:
            if report.kind == "refused":
                self.refused += report.chunks
            unsaid = 0 if self._tell is not None else self._due(report)
        if self._tell is None:
            if unsaid:
                _write(report, unsaid)
            return
        try:
            self._tell(report)
        except Exception as error:  # noqa: BLE001  the caller's code, and nothing of ours depends on it
            _log.error("publisher.on_report_failed", exc_info=error)

    def error(self, kind: Kind, error: StreamledgerError, *, request_id: str | None = None, chunks: int = 1) -> None:
        """Tell an error of the project's tree."""
        self(Report(kind, error.message, error.hint or "", request_id or error.request_id, chunks))

    def _due(self, report: Report) -> int:
        """How many chunks a log event would be about now; 0 while it is not time."""
        chunks = self._unsaid.pop(report.kind, 0) + report.chunks
        moment = time.monotonic()
        if moment - self._logged.get(report.kind, -LOG_SECONDS) < LOG_SECONDS:
            self._unsaid[report.kind] = chunks
            return 0
        self._logged[report.kind] = moment
        return max(chunks, 1)


def _write(report: Report, chunks: int) -> None:
    _log.warning(
        f"publisher.{report.kind}",
        reason=report.reason,
        hint=report.hint,
        request_id=report.request_id,
        chunks=chunks,
    )
