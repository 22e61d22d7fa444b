"""The live page: streams, requests, money and dead letters in a browser, read from the topics and written nowhere.

Public face: `serve` runs it until a signal, `application` is its ASGI application over anything that gives snapshots.
Needs the extra [web]. May import `pipeline.ops` and what lies below; only `pipeline.cli` imports it.
"""

from __future__ import annotations

from pipeline.web.server import serve
from pipeline.web.site import Source, application

__all__ = ["Source", "application", "serve"]
