"""How long a sink waits for a Kafka or a database that has gone, and what it says meanwhile: one line for each trouble.

Imports errors and the log.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from pipeline.errors import BrokerFault, DatabaseAway, DatabaseHeld
from pipeline.log import get_logger

_log = get_logger(__name__)

Away = BrokerFault | DatabaseAway
FIRST_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 5.0


class Patience:
    """Pauses that grow until both answer again."""

    def __init__(self, limit: float | None) -> None:
        """`limit`: seconds after which the trouble is passed on; None: never."""
        self._limit = limit
        self._pause = FIRST_SECONDS
        self._since: float | None = None
        self._said = ""
        self._reached: set[type[Away]] = set()

    def back(self, what: type[Away]) -> None:
        """It answers: what goes wrong from now on is an outage, no wrong address."""
        self._reached.add(what)

    def over(self) -> None:
        """Work goes on."""
        if self._since is not None:
            _log.info("going on", away_seconds=round(time.monotonic() - self._since, 1))
        self._since, self._pause, self._said = None, FIRST_SECONDS, ""

    async def wait(self, gone: Away) -> None:
        """Pause, longer each time.

        Raises:
            BrokerFault, DatabaseAway: what was given, because it was never there or has been gone for too long.
        """
        now = time.monotonic()
        first = BrokerFault if isinstance(gone, BrokerFault) else DatabaseAway
        if first not in self._reached and not isinstance(gone, DatabaseHeld):
            raise gone
        self._since = now if self._since is None else self._since
        if self._limit is not None and now - self._since > self._limit:
            raise gone
        if gone.message != self._said:
            _log.warning("waiting", reason=gone.message, hint=gone.hint)
            self._said = gone.message
        await asyncio.sleep(self._pause)
        if not isinstance(gone, DatabaseHeld):  # whose opening waits for it, and would miss a short gap between others
            self._pause = min(self._pause * 2, LONGEST_SECONDS)
