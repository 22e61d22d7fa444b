"""A request on its way: what was sent of it, what comes next, and what must be billed for it.

Imports its siblings and the standard library.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pipeline.ops.load.envelope import envelope
from pipeline.ops.load.fate import CANCELLED, error
from pipeline.ops.load.piece import Json, Made, Piece
from pipeline.ops.load.template import Step, Template, stamp
from pipeline.ops.load.trouble import Route

State = Literal["ended", "cut", "cancelled", "unsure"]
"""Of a request when the load is over: sent to its end, without an end on purpose, ended because the load was stopped,
or handed over without a word that it arrived."""


class Request:
    """One request.

    Attributes:
        key: Its id, as bytes.
        template: The stream that it is.
        route: Which chunks of it are sent in which order.
        begun: Milliseconds since the epoch.
        due: Where its time begins on the clock that paces the load, in milliseconds.
        at: Chunks that were sent, the late one not among them.
        size: Bytes of all that was sent.
        over: Whether nothing but a late chunk is still to come.
        late: Number of the step that came late, once it has.
        state: What became of it.
    """

    __slots__ = ("_end", "_steps", "at", "begun", "due", "key", "late", "over", "route", "size", "state", "template")

    def __init__(self, key: bytes, template: Template, route: Route, begun: int) -> None:
        """Nothing is sent yet."""
        self.key, self.template, self.route, self.begun = key, template, route, begun
        self.due, self.at, self.size, self.over = 0.0, 0, 0, False
        self.late: int | None = None
        steps = template.steps
        self._steps = (
            steps
            if isinstance(route.order, range) and len(route.order) == len(steps)
            else [steps[number] for number in route.order]
        )
        self._end = b""
        self.state: State = "cut" if route.trouble == "cut" else "ended"

    def next(self) -> bytes:
        """The chunk whose turn it is."""
        at = self.at
        self.at = at + 1
        self.over = self.at == len(self._steps)
        value = self._steps[at].value(self.key, self.begun)
        self.size += len(value)
        return value

    @property
    def wait(self) -> int:
        """Milliseconds after its beginning when the next chunk is due: that of its place, whichever chunk it is."""
        steps = self.template.steps
        return steps[min(self.at, len(steps) - 1)].offset

    def overdue(self, held: int) -> bytes:
        """The chunk that was held back."""
        self.late = held
        value = self.template.steps[held].value(self.key, self.begun)
        self.size += len(value)
        return value

    def end(self) -> bytes | None:
        """The end of a request that is stopped in its middle: an error that is final; None if nothing is missing."""
        sent = self.sent
        if self.over or len(sent) == len(set(self.route.order)):
            return None
        last = self.template.steps[max(sent)]
        index = max(step.place for number in sent if _beside(step := self.template.steps[number], last)) + 1
        piece = Piece({"error": error(CANCELLED)}, image=last.image, attempt=last.attempt, last=True)
        made = Made(self.template.kind, self.template.model, [], self.template.counts)
        at = stamp(self.begun + last.offset).decode()
        fields = envelope(self.key.decode(), made, piece, index, at)
        self._end = json.dumps(fields, separators=(",", ":")).encode()
        self.size += len(self._end)
        self.state = "cancelled"
        return self._end

    @property
    def sent(self) -> set[int]:
        """Numbers of the steps that were sent."""
        sent = set(self.route.order[: self.at])
        return sent if self.late is None else sent | {self.late}

    @property
    def chunks(self) -> int:
        """Chunks that were sent, repeats among them."""
        return self.at + (self.late is not None) + bool(self._end)

    def row(self) -> Json:
        """What must be billed, under the names that `streamledger reconcile --usage-file` knows.

        Tokens and cost are null where no chunk that was sent states them: a stream without an end has no usage, and
        what the gateway does not price is up to the price list.
        """
        template, sent = self.template, self.sent
        known = template.counted in sent and self.state != "unsure"
        counts = template.counts
        row: dict[str, Any] = {
            "request_id": self.key.decode(),
            "time": stamp(self.begun).decode(),
            "provider": template.model.provider,
            "model": template.model.name,
            "stream_type": template.kind,
            "labels": dict(template.labels),
            "prompt_tokens": counts.prompt if known else None,
            "completion_tokens": counts.completion if known else None,
            "total_tokens": counts.total if known else None,
            "cached_tokens": counts.cached if known else None,
            "cost": template.cost if template.priced in sent and self.state != "unsure" else None,
            "chunks": len(sent) + bool(self._end),
            "state": self.state,
            "trouble": self.route.trouble,
        }
        return row


def _beside(step: Step, other: Step) -> bool:
    return (step.attempt, step.image) == (other.attempt, other.image)
