"""How a request ended and what closed it (CONTRACT §2, §4)."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """How a request, or one attempt of it, ended."""

    SUCCESS = "success"
    ERROR = "error"
    INCOMPLETE = "incomplete"


class ClosedBy(StrEnum):
    """The rule of CONTRACT §4 that closed a revision."""

    FINAL = "final"
    FINISH = "finish"
    ERROR = "error"
    EXPIRY = "expiry"
    LIMIT = "limit"
    LATE = "late"
