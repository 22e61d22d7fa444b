"""Builder of Responses API streams (WIRE §10): created, items and their deltas, the closing event with the usage.

Imports this room's streams.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pipeline.testing.chunk import RESPONSES, Document
from pipeline.testing.closing import ClosingStream

_Event = tuple[str, Document, dict[str, Any]]
"""Type, fields, and what it adds to the record."""


class ResponsesStream(ClosingStream):
    """The events of a Responses API stream; see `responses`."""

    stream_type: ClassVar[str] = RESPONSES

    def text(self, *pieces: str) -> Self:
        """A message, an event for each piece of its text."""
        number = self._items()
        name = f"msg_{number}"
        item = {"id": name, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
        place = {"output_index": number, "content_index": 0, "item_id": name}
        return self._events(
            ("output_item.added", {"output_index": number, "item": item}, {}),
            *(
                ("output_text.delta", {**place, "delta": each}, {"content": bool(each), "text": each})
                for each in pieces
            ),
        )

    def tool_call(self, name: str, *arguments: str, id: str | None = None) -> Self:  # noqa: A002 (its name on the wire)
        """A function call: its item, and an event for each piece of the arguments' JSON text."""
        number = self._items()
        item = {"id": f"fc_{number}", "type": "function_call", "status": "in_progress", "name": name, "arguments": ""}
        place = {"output_index": number, "item_id": f"fc_{number}"}
        said = {"content": True, "call": number}
        return self._events(
            (
                "output_item.added",
                {"output_index": number, "item": item | {"call_id": id or f"call_{number}"}},
                {**said, "name": name},
            ),
            *(
                ("function_call_arguments.delta", {**place, "delta": each}, {**said, "arguments": each})
                for each in arguments
            ),
        )

    def finish(self) -> Self:
        """`response.completed`."""
        return self._end("completed", {}, end="success", content=True)

    def incomplete(self, reason: str = "max_output_tokens") -> Self:
        """`response.incomplete`: the provider's own limit, which is the record's finish reason."""
        details = {"incomplete_details": {"reason": reason}}
        return self._end("incomplete", details, end="incomplete", finish=reason, content=True)

    def failed(self, message: str = "the server failed", *, code: str = "server_error") -> Self:
        """`response.failed`: an error of the provider, in the stream."""
        return self._end("failed", {"error": {"code": code, "message": message}}, end="error")

    def _end(self, name: str, fields: Document, **said: Any) -> Self:
        response = {"id": "resp_1", "object": "response", "status": name, **fields}
        response, said = self._counted(response, said)
        return self._events((name, {"response": response}, said))

    def _items(self) -> int:
        """How many items this attempt has."""
        mine = [each.fields.get("response") for each in self.steps if each.attempt == self.number]
        return sum(each is not None and each["type"] == "response.output_item.added" for each in mine)

    def _events(self, *events: _Event) -> Self:
        """Events, with the one before them that begins an attempt."""
        begin: _Event = ("created", {"response": {"id": "resp_1", "object": "response", "status": "in_progress"}}, {})
        begun = any(each.attempt == self.number for each in self.steps)
        made = self
        for name, fields, said in events if begun else (begin, *events):
            made = made._add({"response": {"type": f"response.{name}", **fields}}, **said)
        return made


def responses(request_id: str = "r-1", **envelope: Any) -> ResponsesStream:
    """Begin a stream of the Responses API.

    >>> stream = responses("r-7").text("Hel", "lo").tool_call("weather", '{"city":', '"Rome"}').usage(10, 5).finish()
    >>> stream.expected["text"], stream.expected["tool_calls"]
    ('Hello', [('weather', '{"city":"Rome"}')])

    Args:
        request_id: Of all its chunks.
        envelope: Fields of every chunk: `provider`, `model`, `labels`, `raw_request` …
    """
    return ResponsesStream(request_id=request_id, envelope=envelope)
