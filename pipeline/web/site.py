"""The site: its addresses, and what is answered at each.

Owns the routes. Everything is read from a source of snapshots, requests from Kafka; nothing is written. Imports
Starlette and its siblings.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Protocol
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from pipeline.ops.live.document import document
from pipeline.ops.live.view import Filter, Snapshot, Strip
from pipeline.settings import Settings
from pipeline.web import page as pages
from pipeline.web.access import SESSION_SECONDS, Access, Grant, TooManyFailures
from pipeline.web.inquiry import Inquiry
from pipeline.web.question import Question, asked
from pipeline.web.report import report
from pipeline.web.shield import COOKIE, Shield, address_of
from pipeline.web.stream import Streams

STATIC: Final = Path(__file__).parent / "static"
LOGIN_BYTES: Final = 4_096
"""Of a login form."""
ALL_STRIPS: Final = 50
"""In /api/snapshot."""

Order = Literal["newest", "oldest"]


class Source(Protocol):
    """What gives snapshots: `pipeline.ops.live.Live`, or a test's own."""

    def snapshot(
        self, where: Filter = ..., *, strips: int = ..., order: Order = ..., money: Sequence[str] = ...
    ) -> Snapshot:
        """Everything as it is now."""
        ...

    def strip(self, request_id: str) -> Strip | None:
        """One request, as far as it is remembered."""
        ...

    async def changed(self, since: int, timeout: float) -> int:  # noqa: ASYNC109 (as `Live` has it)
        """Wait for a version above `since`, or until the time is over."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of labels that were seen."""
        ...


class Site:
    """The handlers."""

    def __init__(self, source: Source, settings: Settings, access: Access) -> None:
        """Show a source; requests are explained with the settings."""
        self._source, self._settings, self._access = source, settings, access
        self._inquiry = Inquiry(settings)
        self._streams = Streams(source, self._look)

    def close(self) -> None:
        """Let everybody go who is still being answered."""
        self._streams.close()
        self._inquiry.close()

    def routes(self) -> list[Route | Mount]:
        """Every address."""
        live = [Route(path, self._page(name)) for name, path in PATHS.items()]
        return [
            *live,
            Route("/requests/{request_id:path}", self._request),
            Route("/events", self._events),
            Route("/api/snapshot", self._snapshot),
            Route("/health/live", _alive),
            Route("/login", self._login_form),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]

    # ---- live pages --------------------------------------------------------------------------------------------

    def _page(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            question = asked(name, request.query_params)
            return HTMLResponse(pages.page(question, self._look(question), self._around(request)))

        return answer

    def _look(self, question: Question) -> Snapshot:
        """The snapshot that a page shows."""
        order: Order = "oldest" if question.page == "open" and question.filter.status == "open" else "newest"
        money = ("model", "provider", *(f"label.{name}" for name in self._source.labels))
        return self._source.snapshot(
            question.filter,
            strips=pages.STRIPS[question.page],
            order=order,
            money=money if question.page == "money" else (),
        )

    def _around(self, request: Request) -> dict[str, Any]:
        """What the frame of every page is given."""
        grant: Grant = request.state.grant
        return {"guarded": self._access.guarded, "content": grant.content, "labels": self._source.labels}

    async def _events(self, request: Request) -> Response:
        name = request.query_params.get("page", "live")
        if name not in PATHS:
            return PlainTextResponse("No such page.\n", 404)
        return self._streams.response(asked(name, request.query_params))

    async def _snapshot(self, request: Request) -> Response:
        question = asked("live", request.query_params)
        money = ("model", "provider", *(f"label.{name}" for name in self._source.labels))
        text = document(self._source.snapshot(question.filter, strips=ALL_STRIPS, money=money))
        return Response(text, media_type="application/json")

    # ---- one request -------------------------------------------------------------------------------------------

    async def _request(self, request: Request) -> Response:
        """The page of a request; what takes time comes behind it, or with it for who asks for all at once."""
        request_id = request.path_params["request_id"]
        if not request_id:
            wanted = request.query_params.get("id", "").strip()
            return RedirectResponse(f"/requests/{pages.quoted(wanted)}" if wanted else "/open", 303)
        strip = self._source.strip(request_id)
        snapshot = self._source.snapshot(strips=0, money=())
        frame = {
            **self._around(request),
            "page": "request",
            "request_id": request_id,
            "strip": strip,
            "snapshot": snapshot,
            "now": snapshot.taken_at,
            "draw": pages.Drawing([strip] if strip is not None else [], snapshot.taken_at),
            "told": None,
        }
        wanted_part = request.query_params.get("part")
        if wanted_part is None:
            return HTMLResponse(pages.simple("request", **frame))
        grant: Grant = request.state.grant
        told = await report(self._inquiry, request_id, grant, strip, snapshot.taken_at)
        name = "part/report" if wanted_part == "report" else "request"
        return HTMLResponse(pages.simple(name, **frame | {"told": told}))

    # ---- the door ----------------------------------------------------------------------------------------------

    async def _login_form(self, request: Request) -> Response:
        if not self._access.guarded:
            return RedirectResponse("/", 303)
        return HTMLResponse(pages.simple("login", wrong=False, wait=0, next=_inside(request.query_params.get("next"))))

    async def _log_in(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LOGIN_BYTES:
                return PlainTextResponse("That is no login form.\n", 413)
        given = parse_qs(body.decode(errors="replace"))
        token, wanted = given.get("token", [""])[0], _inside(given.get("next", [""])[0])
        try:
            session = self._access.log_in(token.strip(), address_of(request))
        except TooManyFailures as failures:
            text = pages.simple("login", wrong=True, wait=failures.seconds, next=wanted)
            return HTMLResponse(text, 429, {"Retry-After": str(failures.seconds)})
        if session is None:
            return HTMLResponse(pages.simple("login", wrong=True, wait=0, next=wanted), 401)
        answer = RedirectResponse(wanted, 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, session, SESSION_SECONDS, httponly=True, samesite="strict", secure=secure)
        return answer

    async def _log_out(self, request: Request) -> Response:
        self._access.log_out(request.cookies.get(COOKIE))
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE)
        return answer


PATHS: Final = {"live": "/", "open": "/open", "money": "/money", "dead": "/dead"}
"""The pages that change while they are looked at."""


def application(source: Source, settings: Settings, access: Access) -> tuple[ASGIApp, Callable[[], None]]:
    """The ASGI application, and what ends its open answers when the server ends."""
    site = Site(source, settings, access)
    app = Starlette(routes=site.routes(), exception_handlers={HTTPException: _missing, Exception: _missing})
    return Shield(app, access), site.close  # outside of what answers failures: these have the headers too


async def _alive(_: Request) -> Response:
    """That the process answers, as workers tell it; whether Kafka does is told on its pages."""
    return JSONResponse({"live": True, "reasons": []})


async def _missing(request: Request, error: Exception) -> Response:
    code = error.status_code if isinstance(error, HTTPException) else 500
    if request.url.path.startswith(("/api/", "/static/")):
        return PlainTextResponse(f"{code}\n", code)
    return HTMLResponse(pages.simple("missing", code=code), code)


def _inside(path: str | None) -> str:
    """A path on this site, and nothing that a browser could take for another one."""
    if path is None or not path.startswith("/") or path.startswith(("//", "/\\", "/login")):
        return "/"
    return path if path.isprintable() else "/"
