"""What builders share whose usage travels in the closing event. Imports this room's streams and the errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from pipeline.errors import UsageError
from pipeline.testing.chunk import Document
from pipeline.testing.stream import Stream


@dataclass(frozen=True, kw_only=True, repr=False)
class ClosingStream(Stream):
    """A stream that ends with an event of its own."""

    counts: Document | None = None
    """Usage that the closing event of this attempt will carry."""

    def usage(self, prompt: int, completion: int, **details: Any) -> Self:
        """Usage for the closing event.

        Args:
            prompt: Tokens in.
            completion: Tokens out.
            details: Of the usage, such as `input_tokens_details={"cached_tokens": 3}`.

        Raises:
            UsageError: that event is there already.
        """
        if any(each.end is not None for each in self.steps if each.attempt == self.number):
            text = f"the usage of a {self.stream_type} stream travels in its closing event"
            raise UsageError(text, hint="say usage() before the end")
        counts = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
        return replace(self, counts=counts | details)

    def attempt(self, **envelope: Any) -> Self:
        """From here on a fallback or retry, with its own `provider` and `model` if they are given."""
        return replace(super().attempt(**envelope), counts=None)

    def _close(self, payload: Document, **said: Any) -> Self:
        """The closing event, with the usage."""
        payload, said = self._counted(payload, said)
        return self._add({"response": payload}, **said)

    def _counted(self, payload: Document, said: Document) -> tuple[Document, Document]:
        """What has the usage, and what it adds to the record, with the usage if there is one."""
        if self.counts is None:
            return payload, said
        tokens = self.counts["input_tokens"], self.counts["output_tokens"]
        return {**payload, "usage": self.counts}, {**said, "tokens": tokens}
