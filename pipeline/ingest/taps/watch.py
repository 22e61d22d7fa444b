"""The way from a tap to its request, and a wall: nothing that goes wrong there reaches the reader of the stream.

A request that the tap has opened gets what was seen as it was seen; it is translated on the publisher's thread, so that
the reader's pays for no more than handing it over. One that its caller has opened may be called by the caller between
any two events, so for it all is done at once. Owns that choice, for sync and for async publishers. Imports this room
and the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from pipeline.ingest.taps.handle import Relay
from pipeline.ingest.taps.translation import Call
from pipeline.log import failure, get_logger

_log: Final = get_logger(__name__)

Ask = Callable[[Any], list[Call]]
"""Says what is to be done with what was seen."""

Seen = tuple[Ask, Any, int]
"""How something is read, what it is, and its bytes."""

END: Final = 64
"""Bytes of an end, about."""


class _Watch:
    """What both kinds share. After a first failure nothing more of a stream is published, nor is it after its end."""

    def __init__(self, relay: Relay | None = None) -> None:
        """Begin; without a relay all is done at once."""
        self.relay = relay
        self._over = False

    def hand(self, ask: Ask, what: Any, weight: int) -> bool:
        """Hand over what was seen; False if that takes a `press`. This is all that an event costs its reader."""
        if self._over:
            return True
        if self.relay is None:
            return False
        try:
            return self.relay.hand(ask, what, weight)
        except Exception as error:  # noqa: BLE001  the reader's stream goes on whatever happens to ours
            self._give_up(error)
            return True

    def asked(self, look: Callable[..., Iterable[Seen]], *arguments: Any) -> Iterable[Seen]:
        """What is to be handed over, by something that may fail."""
        if self._over:
            return ()
        try:
            return look(*arguments)
        except Exception as error:  # noqa: BLE001  as above
            self._give_up(error)
            return ()

    def _give_up(self, error: Exception) -> None:
        self._over = True
        _log.error("tap given up, its stream goes on", **failure(error))


class Watch(_Watch):
    """Of one stream with a sync request."""

    def press(self, ask: Ask, what: Any, weight: int, *, last: bool = False) -> None:
        """Do what `hand` could not."""
        if self._over:
            return
        self._over = last
        try:
            if self.relay is not None:
                self.relay.press(ask, what, weight, last=last)
                return
            for call in ask(what):
                call()
        except Exception as error:  # noqa: BLE001  as above
            self._give_up(error)

    def take(self, seen: Iterable[Seen]) -> None:
        """Hand all of it over."""
        for one in seen:
            if not self.hand(*one):
                self.press(*one)

    def end(self, ask: Ask, how: Any) -> None:
        """Hand the end over, once."""
        self.press(ask, how, END, last=True)


class AsyncWatch(_Watch):
    """Of one stream with an async request."""

    async def press(self, ask: Ask, what: Any, weight: int, *, last: bool = False) -> None:
        """Do what `hand` could not."""
        if self._over:
            return
        self._over = last
        try:
            if self.relay is not None:
                await self.relay.press_async(ask, what, weight, last=last)
                return
            for call in ask(what):
                await call()
        except Exception as error:  # noqa: BLE001  as above
            self._give_up(error)

    async def take(self, seen: Iterable[Seen]) -> None:
        """Hand all of it over."""
        for one in seen:
            if not self.hand(*one):
                await self.press(*one)

    async def end(self, ask: Ask, how: Any) -> None:
        """Hand the end over, once."""
        await self.press(ask, how, END, last=True)
