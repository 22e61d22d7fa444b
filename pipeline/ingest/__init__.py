"""Provider streams → chunks: a module per provider format, the recordings they come in, the publisher, taps of clients.

May import `schemas`, `pipeline.core` and `pipeline.errors`; `publish` also settings, log and aiokafka, `taps` the log
and, in the module of that name, litellm. Nothing is kept between requests, but for what a publisher has not delivered
yet. Names are listed here and loaded when asked for (PEP 562): who translates a recording waits for no publisher, and
the other way round.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pipeline.ingest.format import Format, Part, Stream
    from pipeline.ingest.messages import Fault
    from pipeline.ingest.providers import PROVIDERS
    from pipeline.ingest.publish.policy import Policy
    from pipeline.ingest.publish.publisher import AsyncPublisher, Publisher
    from pipeline.ingest.publish.request import AsyncRequest, Request
    from pipeline.ingest.publish.stats import Report, Stats
    from pipeline.ingest.recording import INTERVAL_MS, START, chunks_of, refuse
    from pipeline.ingest.taps import tap

__all__ = [
    "INTERVAL_MS",
    "PROVIDERS",
    "START",
    "AsyncPublisher",
    "AsyncRequest",
    "Fault",
    "Format",
    "Part",
    "Policy",
    "Publisher",
    "Report",
    "Request",
    "Stats",
    "Stream",
    "chunks_of",
    "refuse",
    "tap",
]

_HOMES: Final = {
    **dict.fromkeys(("Format", "Part", "Stream"), "format"),
    "Fault": "messages",
    "PROVIDERS": "providers",
    **dict.fromkeys(("INTERVAL_MS", "START", "chunks_of", "refuse"), "recording"),
    "Policy": "publish.policy",
    **dict.fromkeys(("AsyncPublisher", "Publisher"), "publish.publisher"),
    **dict.fromkeys(("AsyncRequest", "Request"), "publish.request"),
    **dict.fromkeys(("Report", "Stats"), "publish.stats"),
    "tap": "taps",
}


def __getattr__(name: str) -> Any:
    """A public name from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"pipeline.ingest.{_HOMES[name]}"), name)
