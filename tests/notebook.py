"""Publishers that write down what a tap asks of them, for tests of taps alone."""

from __future__ import annotations

from typing import Any, Self


class Notes:
    """What one request was asked for, in order.

    Attributes:
        opened: Arguments it was opened with.
        chunks: Arguments of each chunk, its payload under `response`.
        errors: Each error with whether it was final.
        closed: How often it was closed.
        calls: Names of all calls.
    """

    request_id = "r"
    skip_by: Any = None

    def __init__(self, opened: dict[str, Any], broken: type[Exception] | None = None) -> None:
        """Begin; every chunk raises `broken`."""
        self.opened, self._broken = opened, broken
        self.chunks: list[dict[str, Any]] = []
        self.errors: list[tuple[Any, bool]] = []
        self.calls: list[str] = []

    @property
    def closed(self) -> int:
        """How often it was closed."""
        return self.calls.count("close")

    @property
    def payloads(self) -> list[Any]:
        """The payloads of all chunks."""
        return [chunk["response"] for chunk in self.chunks]

    @property
    def kinds(self) -> list[str]:
        """The type of each error: of an exception its own, of a mapping that in `error`."""
        return [error["error"]["type"] if isinstance(error, dict) else type(error).__name__ for error, _ in self.errors]

    def chunk(self, response: Any = None, **arguments: Any) -> None:
        """Write down a chunk."""
        if self._broken is not None:
            raise self._broken
        self.calls.append("chunk")
        self.chunks.append({"response": response, **arguments})

    def error(self, error: Any, *, final: bool = True) -> None:
        """Write down an error."""
        self.calls.append("error")
        self.errors.append((error, final))

    def close(self) -> None:
        """Write down the end."""
        self.calls.append("close")

    def skip(self, count: int) -> None:
        """Write down that so many were left out."""
        self.calls.append(f"skip {count}")


class Relayed:
    """A request that does what is handed over at once, so that a test sees it where it happens."""

    def __init__(self, notes: Notes) -> None:
        """Of these."""
        self.pen = notes

    def hand(self, ask: Any, what: Any, weight: int) -> bool:
        """Do it; its weight is that of its bytes."""
        assert weight >= len(what if isinstance(what, bytes) else ())
        for call in ask(what):
            call()
        return True

    def press(self, ask: Any, what: Any, weight: int, *, last: bool = False) -> None:
        """Do it."""
        assert last or isinstance(what, bytes)
        self.hand(ask, what, weight)

    async def press_async(self, ask: Any, what: Any, weight: int, *, last: bool = False) -> None:
        """Do it."""
        self.press(ask, what, weight, last=last)


class AsyncNotes:
    """The async face of notes."""

    request_id = "r"

    def __init__(self, notes: Notes) -> None:
        """Of these."""
        self._notes = notes

    async def chunk(self, response: Any = None, **arguments: Any) -> None:
        """Write down a chunk."""
        self._notes.chunk(response, **arguments)

    async def error(self, error: Any, *, final: bool = True) -> None:
        """Write down an error."""
        self._notes.error(error, final=final)

    async def close(self) -> None:
        """Write down the end."""
        self._notes.close()

    async def __aenter__(self) -> Self:
        return self


class Notebook:
    """A sync publisher of notes."""

    def __init__(self, broken: type[Exception] | None = None) -> None:
        """Begin; every chunk raises `broken`."""
        self.notes: list[Notes] = []
        self._broken = broken

    @property
    def only(self) -> Notes:
        """The notes of the only request."""
        (notes,) = self.notes
        return notes

    def request(self, **arguments: Any) -> Any:
        """Open a request."""
        self.notes.append(Notes(arguments, self._broken))
        return self.notes[-1]

    def relay(self, **arguments: Any) -> Relayed:
        """Open a request of a tap."""
        self.notes.append(Notes(arguments, self._broken))
        return Relayed(self.notes[-1])


class AsyncNotebook(Notebook):
    """An async publisher of notes."""

    def request(self, **arguments: Any) -> Any:
        """Open a request."""
        return AsyncNotes(super().request(**arguments))

    async def __aenter__(self) -> Self:
        return self
