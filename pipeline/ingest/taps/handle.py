"""What a tap needs of a publisher, sync or async, and how it learns which of the two it was given.

Owns the faces, so that taps depend on no implementation. Imports the standard library and the error tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from pipeline.errors import UsageError


class Handle(Protocol):
    """An open request, or the pen of one: its methods do their work at once, or return what has to be awaited."""

    @property
    def request_id(self) -> str:
        """Whose chunks they are."""
        ...

    def chunk(self, response: dict[str, Any] | None = None, **fields: Any) -> Any:
        """Publish one chunk; a field that is left out stays as it was, and indexes count on."""
        ...

    def error(self, error: BaseException | dict[str, Any], *, final: bool = True) -> Any:
        """Publish an error."""
        ...

    def close(self) -> Any:
        """Publish the end."""
        ...


class Pen(Handle, Protocol):
    """Of a request that a tap has opened, to be called by what was handed over and nobody else.

    Attributes:
        skip_by: Says what is to be done when so many frames found no room.
    """

    skip_by: Callable[[int], Iterable[Callable[[], Any]]]

    def skip(self, count: int) -> None:
        """Leave so many indexes empty."""
        ...


class Relay(Protocol):
    """A request that a tap has opened: it takes what is seen, and how it is read, to the publisher's thread."""

    @property
    def pen(self) -> Pen:
        """Whose methods that calls."""
        ...

    def hand(self, ask: Callable[[Any], Iterable[Callable[[], Any]]], what: Any, weight: int) -> bool:
        """Hand it over at once; False if there is no room."""
        ...

    def press(
        self, ask: Callable[[Any], Iterable[Callable[[], Any]]], what: Any, weight: int, *, last: bool = False
    ) -> None:
        """Hand it over, waiting for room."""
        ...

    async def press_async(
        self, ask: Callable[[Any], Iterable[Callable[[], Any]]], what: Any, weight: int, *, last: bool = False
    ) -> None:
        """The same without blocking the event loop."""
        ...


def waits(target: Any) -> bool:
    """Whether a publisher, or an open request, is of the async kind."""
    return hasattr(target, "__aenter__")


def matched(target: Any, *, wanted: bool) -> Any:
    """The publisher or request, if it is of the stream's kind.

    Raises:
        UsageError: it is of the other kind, or no publisher at all.
    """
    if not hasattr(target, "request") and not hasattr(target, "chunk"):
        raise UsageError(
            f"a {type(target).__name__} is no publisher", hint="tap(stream, publisher) or tap(stream, request)"
        )
    if waits(target) != wanted:
        raise UsageError(
            f"a{'n async' if wanted else ' sync'} stream with {type(target).__name__}",
            hint=f"give it {'an AsyncPublisher' if wanted else 'a Publisher'} or a request of one",
        )
    return target


def opened(target: Any, arguments: dict[str, Any]) -> tuple[Handle | Pen, Relay | None]:
    """What writes the request that a stream belongs to, and the way to it, if the tap has opened it and ends it.

    A request that the caller has opened is ended by the caller, who may go on with its next attempt.

    Raises:
        UsageError: arguments for a request that is open already.
    """
    if hasattr(target, "chunk"):
        return target, None
    relay: Relay = target.relay(**arguments)
    return relay.pen, relay
