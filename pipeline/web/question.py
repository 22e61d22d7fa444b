"""What a page was asked: filters, as they stand in its address.

Owns the names and bounds of query parameters. Imports the view's shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

from pipeline.ops.live.view import STATUSES, Filter

ANY: Final = "any"
LONGEST: Final = 512
"""Characters of a filter that are read: a request id has no more bytes."""


@dataclass(frozen=True)
class Question:
    """A page and its filters.

    Attributes:
        page: One of the pages that are live.
        filter: Which requests.
        given: The filters as they were written, for the form; unknown ones are left out.
    """

    page: str
    filter: Filter = field(default_factory=Filter)
    given: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """A filter as it was written; empty where it was not."""
        return self.given.get(name, "")

    @property
    def query(self) -> str:
        """As a query string again; questions with one query have one answer."""
        return urlencode({"page": self.page, **self.given})

    @property
    def name(self) -> str:
        """The query as the id of an element."""
        return "stream-" + sha256(self.query.encode()).hexdigest()[:12]

    @property
    def narrow(self) -> bool:
        """Whether anything but the status was asked for."""
        return bool(self.given.keys() - {"status"})


NAMES: Final = ("status", "provider", "model", "type", "label", "id")


def asked(page: str, query: Mapping[str, str]) -> Question:
    """Read the filters of a query; an empty one is none."""
    given = {name: query[name].strip()[:LONGEST] for name in NAMES if query.get(name, "").strip()}
    status = given.get("status", "open" if page == "open" else ANY)
    known = next((each for each in STATUSES if each == status), None)
    if known is None:
        given.pop("status", None)
        if status == ANY and page == "open":
            given["status"] = ANY
    label, _, value = given.get("label", "").partition("=")
    wanted = Filter(
        provider=given.get("provider"),
        model=given.get("model"),
        status=known,
        stream_type=given.get("type"),
        labels={label.strip(): value.strip()} if label.strip() else {},
        text=given.get("id"),
    )
    return Question(page, wanted, given)
