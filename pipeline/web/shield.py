"""What stands before every page: the header of a browser that is told to trust nothing, the host check, the door.

Owns the middleware. Imports Starlette and its sibling.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.settings import loopback
from pipeline.web.access import Access, Grant, TooManyFailures
from pipeline.web.address import host_of

COOKIE: Final = "streamledger_session"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer."""

FREE: Final = ("/static/", "/login", "/health/live")
"""What needs no login: the login itself and what it looks like, and that the process lives."""
PROGRAMS: Final = ("/api/", "/events")
"""What is never asked for by a person: no redirect to a form."""


class Shield:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        """Stand before an application."""
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in who may come in."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refused = self._refused(scope)
        await (refused or self._app)(scope, receive, with_headers)

    def _refused(self, scope: Scope) -> Response | None:
        """The answer to who may not; else the grant is in the scope's state."""
        asked = HTTPConnection(scope)
        host = asked.headers.get("host", "")
        if not self._access.guarded and not loopback(host_of(host)):
            # Another site's name that leads to this address: its scripts would read the page as their own.
            return PlainTextResponse("This page answers to localhost only; see web_token.\n", 400)
        if scope["method"] not in ("GET", "HEAD") and not _same_site(asked, host):
            return PlainTextResponse("This form was sent from another site.\n", 403)
        try:
            grant = self._grant(asked)
        except TooManyFailures as wait:
            return PlainTextResponse("Too many wrong tokens.\n", 429, {"Retry-After": str(wait.seconds)})
        scope.setdefault("state", {})["grant"] = grant
        path = scope["path"]
        if grant is not None or path.startswith(FREE):
            return None
        if path.startswith(PROGRAMS) or "authorization" in asked.headers or "hx-request" in asked.headers:
            headers = {"WWW-Authenticate": 'Bearer realm="streamledger"', "HX-Redirect": "/login"}
            return JSONResponse({"error": "show web_token: Authorization: Bearer …"}, 401, headers)
        wanted = quote(path + (f"?{asked.url.query}" if asked.url.query else ""), safe="")
        return RedirectResponse(f"/login?next={wanted}", 303)

    def _grant(self, asked: HTTPConnection) -> Grant | None:
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        if self._access.guarded and scheme.lower() == "bearer":
            return self._access.of_token(token.strip(), address_of(asked))
        return self._access.of_session(asked.cookies.get(COOKIE))


def address_of(asked: HTTPConnection) -> str:
    """Where somebody comes from, as far as it is known."""
    return asked.client.host if asked.client is not None else "unknown"


def _same_site(asked: HTTPConnection, host: str) -> bool:
    """Whether a form was sent from a page of ours: browsers say so, and programs say nothing."""
    site = asked.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = asked.headers.get("origin")
    return origin is None or origin.partition("://")[2] == host
