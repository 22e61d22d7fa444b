"""Who may see the page, and who may see content: tokens, sessions, and a limit for those who guess.

Owns the rules. Without `web_token` everybody who reaches the address is let in, which `server` allows on loopback only;
with it a browser logs in once and holds a random session id in a cookie, a program sends `Authorization: Bearer`.
Sessions live in memory and end with the process. Imports settings.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pipeline.settings import Settings

SESSION_SECONDS: Final = 12 * 3_600
"""A working day: who comes back tomorrow logs in again."""
SESSIONS: Final = 1_000
"""Kept at most; the oldest goes first."""
FAILURES: Final = 5
"""Wrong tokens from one address …"""
FAILURE_SECONDS: Final = 60.0
"""… in this time, then it has to wait so long. Tokens have 16 characters or more: this is against noise and load."""
ADDRESSES: Final = 1_024
"""Of whom failures are remembered."""


@dataclass(frozen=True)
class Grant:
    """What somebody may do.

    Attributes:
        who: Tells users apart, where each may have one of something.
        content: May see answers and tool calls.
    """

    who: str
    content: bool


class TooManyFailures(Exception):
    """This address has guessed too often; `seconds` to wait."""

    def __init__(self, seconds: int) -> None:
        """Say how long."""
        super().__init__(f"wait {seconds} s")
        self.seconds = seconds


class Access:
    """The door of one server."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        """`clock` counts seconds and never steps back."""
        self._tokens = [
            (token.get_secret_value().encode(), content)
            for token, content in (
                (settings.web_token, settings.web_content),
                (settings.web_content_token, True),
            )
            if token is not None
        ]
        self._open_to_all = Grant("local", settings.web_content)
        self._clock = clock
        self._sessions: OrderedDict[str, tuple[Grant, float]] = OrderedDict()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    @property
    def guarded(self) -> bool:
        """Whether a token is asked for."""
        return bool(self._tokens)

    def of_session(self, session: str | None) -> Grant | None:
        """What the holder of a cookie may do; None if it is nobody's."""
        if not self.guarded:
            return self._open_to_all
        grant, until = self._sessions.get(session or "", (None, 0.0))
        return grant if self._clock() < until else None

    def of_token(self, token: str, address: str) -> Grant | None:
        """What the holder of a token may do.

        Raises:
            TooManyFailures: from this address came too many wrong ones.
        """
        if not self.guarded:
            return self._open_to_all
        self._wait(address)
        # Every token is compared, and in constant time: how long it takes says nothing about any of them.
        given = token.encode(errors="replace")
        fits = [(hmac.compare_digest(given, known), content) for known, content in self._tokens]
        if not any(fit for fit, _ in fits):
            self._fail(address)
            return None
        self._failures.pop(address, None)
        content = any(fit and content for fit, content in fits)
        return Grant("content token" if content else "token", content)

    def log_in(self, token: str, address: str) -> str | None:
        """A new session for a token; None for a wrong one.

        Raises:
            TooManyFailures: from this address came too many wrong ones.
        """
        grant = self.of_token(token, address)
        if grant is None:
            return None
        session = secrets.token_urlsafe(32)
        while len(self._sessions) >= SESSIONS:
            self._sessions.popitem(last=False)
        self._sessions[session] = (Grant(session, grant.content), self._clock() + SESSION_SECONDS)
        return session

    def log_out(self, session: str | None) -> None:
        """End a session."""
        self._sessions.pop(session or "", None)

    def _wait(self, address: str) -> None:
        failures, until = self._failures.get(address, (0, 0.0))
        left = until - self._clock()
        if left <= 0:
            self._failures.pop(address, None)
        elif failures >= FAILURES:
            raise TooManyFailures(int(left) + 1)

    def _fail(self, address: str) -> None:
        failures, until = self._failures.pop(address, (0, self._clock() + FAILURE_SECONDS))
        while len(self._failures) >= ADDRESSES:
            self._failures.popitem(last=False)
        until = until if failures + 1 < FAILURES else self._clock() + FAILURE_SECONDS
        self._failures[address] = (failures + 1, until)
