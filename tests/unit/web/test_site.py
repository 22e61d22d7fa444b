"""The site over a hand-made snapshot: pages, filters, the door, and what every answer carries."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from pipeline.settings import Settings
from pipeline.web.access import Access
from pipeline.web.shield import POLICY
from pipeline.web.site import application
from tests.unit.web.snapshots import HEADLINE, NOW, Shown, box, snapshot, strip

TOKEN = "0123456789abcdef"
CONTENT = "fedcba9876543210"
HOME = "http://127.0.0.1:8420"

NASTY = 'a/../b?c=<script>alert("x")</script>&\u202e%2f'
"""A request id that a browser, a path and a page could each misread."""

Work = Callable[[httpx.AsyncClient], Awaitable[Any]]


def visit(work: Work, source: Shown | None = None, base: str = HOME, **settings: Any) -> Any:
    """Do something with a client of the site; without a source, one of two requests."""
    shown = source or Shown(snapshot(strip(), strip("r2", box=None)))
    made = Settings(**settings)

    async def run() -> Any:
        app, close = application(shown, made, Access(made, time.monotonic))
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            try:
                return await work(client)
            finally:
                close()

    return asyncio.run(run())


def get(path: str, source: Shown | None = None, base: str = HOME, **headers: str) -> httpx.Response:
    """One answer of an open site."""
    found: httpx.Response = visit(lambda client: client.get(path, headers=headers), source, base)
    return found


class TestPages:
    """What is shown."""

    @pytest.mark.parametrize("path", ["/", "/open", "/money", "/dead", "/requests/r1", "/api/snapshot", "/nowhere"])
    def test_every_answer_tells_the_browser_to_trust_nothing(self, path: str) -> None:
        """Pages, JSON and failures have the policy; no page has a script or style of its own."""
        answer = get(path)

        assert answer.status_code == (404 if path == "/nowhere" else 200)
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<style|\sstyle=|<script>|\son\w+=|hx-on|javascript:", answer.text)
        assert not re.search(r"""(src|href|action)="(https?:)?//""", answer.text)

    def test_a_strip_is_one_row_with_its_words(self) -> None:
        """The picture has a text for who does not see it, and the box what it costs."""
        page = get("/").text

        assert 'aria-label="request r1, chat, openai/gpt-4o, 6 chunks, first token after 180 ms, gap 3–4' in page
        assert "$0.0012" in page
        assert "10 → 5 tok" in page

    @pytest.mark.parametrize("path", ["/", "/open", "/money", "/dead"])
    def test_what_came_from_outside_is_text(self, path: str) -> None:
        """Ids, labels, models and details are escaped everywhere, and a link leads to the request that it names."""
        odd = strip(NASTY, model=NASTY, labels={NASTY: NASTY}, box=box(cost=None, unpriced_reason=NASTY))
        given = snapshot(odd, ledger=NASTY, trouble=NASTY)
        dead = tuple(replace(row, detail=NASTY, request_id=NASTY) for row in given.dead)
        page = get(path, Shown(replace(given, dead=dead), labels=(NASTY,))).text

        assert "<script>alert" not in page
        assert page.count("&lt;script&gt;") > 1

    def test_a_link_to_an_odd_request_leads_to_it(self) -> None:
        """One segment of the path, whatever stands in the id."""
        shown = Shown(snapshot(strip(NASTY)))
        link = re.search(r'<a class="name" href="(/requests/[^"]+)"', get("/", shown).text)

        assert link is not None
        assert "&lt;script&gt;alert(" in get(link[1], shown).text

    def test_filters_are_asked_of_the_source(self) -> None:
        """A form without scripts does what it says; oldest first while they are open."""
        shown = Shown(snapshot())
        get("/open?provider=openai&model=gpt-4o&label=team%3Dsearch&id=r&type=responses", shown)
        get("/open?status=any", shown)
        (where, count, order, _), (anything, _, newest, _) = shown.asked

        assert (where.provider, where.model, where.labels, where.text, where.stream_type, where.status) == (
            *("openai", "gpt-4o", {"team": "search"}, "r", "responses", "open"),
        )
        assert (count, order) == (200, "oldest")
        assert (anything.status, newest) == (None, "newest")

    def test_a_filter_that_is_none_is_ignored(self) -> None:
        """A mistyped status shows what is open, not a failure."""
        shown = Shown(snapshot())
        answer = get("/open?status=odd&colour=red&label==&provider=+", shown)

        assert answer.status_code == 200
        assert shown.asked[0][0].labels == {}
        assert shown.asked[0][0].provider is None

    @pytest.mark.parametrize(
        ("path", "words"),
        [
            ("/", "streamledger demo --web"),
            ("/", "none yet"),
            ("/", "nothing to price"),
            ("/open", "Nothing is in flight."),
            ("/open?model=x", "No request fits these filters."),
            ("/money", "streamledger usage --by model"),
            ("/dead", "No dead letter in the last 15 min."),
        ],
    )
    def test_an_empty_page_says_what_to_do_next(self, path: str, words: str) -> None:
        """Nothing to show is not nothing to say."""
        nothing = replace(
            HEADLINE, requests=0, success_rate=None, latency_ms=None, unpriced=0, open=0, oldest_ms=None, dead=0
        )

        answer = get(path, Shown(snapshot(headline=nothing, dead=(), money={}), labels=()))

        assert (answer.status_code, words in answer.text) == (200, True)

    def test_trouble_is_said_on_every_page(self) -> None:
        """The past is never shown as the present."""
        shown = Shown(snapshot(strip(), trouble="no Kafka answers at kafka:9092"))

        assert all("No Kafka answers at kafka:9092" in get(path, shown).text for path in ("/", "/open", "/requests/r1"))

    def test_requests_that_no_worker_closes_are_said(self) -> None:
        """A growing number of open requests alone tells nobody that no worker runs."""
        shown = Shown(snapshot(headline=replace(HEADLINE, overdue=3)))

        assert "3 overdue</b>: is a worker running?" in get("/", shown).text
        assert "overdue" not in get("/").text

    def test_what_is_not_read_yet_is_said_on_every_page(self) -> None:
        """Right after a start sums are of a part only, and nothing is promised of what nobody has read."""
        shown = Shown(snapshot(strip(), headline=replace(HEADLINE, behind=1_234)))
        paths = ("/", "/open", "/money", "/dead", "/requests/r1")
        blind = Shown(snapshot(dead=(), trouble="no Kafka answers"))

        assert all("Still reading: 1,234 messages to go" in get(path, shown).text for path in paths)
        assert not any("Still reading" in get(path).text for path in paths)
        assert "Every chunk found its request" not in get("/dead", blind).text

    def test_unpriced_is_never_shown_as_free(self) -> None:
        """Without a cost the box says so, with its reason."""
        given = snapshot(strip(box=box(cost=None, unpriced_reason="no_usage")))
        row = replace(given.money["model"][0], requests=2, unpriced=2, cost=Decimal(0))
        page = get("/", Shown(given)).text
        money = get("/money", Shown(replace(given, money={"model": (row,)}))).text

        assert "unpriced" in page
        assert "no usage" in page
        assert '<span class="unpriced">unpriced</span>' in money
        assert "0.00<" not in money

    def test_dead_letters_say_what_to_do(self) -> None:
        """The commands are those that exist, and nothing is sent back that can't be."""
        page = get("/dead").text

        assert "streamledger dead show 0:4" in page
        assert "streamledger dead redrive --reason key_mismatch --repair-key" in page
        assert "redrive --reason invalid" not in page

    def test_json_has_money_as_text_and_every_number_of_the_page(self) -> None:
        """Programs read what people see."""
        told = json.loads(get("/api/snapshot").text)

        assert told["headline"]["cost"] == "0.0012"
        assert [each["box"] and each["box"]["status"] for each in told["strips"]] == ["success", None]
        assert told["money"]["model"][0]["key"] == "gpt-4o"
        assert told["taken_at"] == NOW

    def test_a_request_page_is_there_at_once_and_its_chunks_come_behind(self) -> None:
        """Reading Kafka takes seconds: the page does not wait for it, and has a link for who has no scripts."""
        page = get("/requests/r1").text

        assert 'hx-get="/requests/r1?part=report"' in page
        assert 'href="/requests/r1?part=all"' in page


class TestDoor:
    """Who is let in."""

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", ""])
    def test_another_name_for_this_machine_is_refused(self, host: str) -> None:
        """Without a token a page of another site could be led here by its own name."""
        assert get("/api/snapshot", Host=host).status_code == 400

    @pytest.mark.parametrize("host", ["localhost:8420", "127.0.0.1:8420", "[::1]:8420", "LOCALHOST"])
    def test_this_machines_own_names_are_answered(self, host: str) -> None:
        """Whatever the port."""
        assert get("/health/live", Host=host).status_code == 200

    def test_with_a_token_nobody_gets_further_than_the_login(self) -> None:
        """Pages lead to it, programs are told what to show; a name of one's own is served."""

        async def work(client: httpx.AsyncClient) -> list[tuple[int, str | None]]:
            paths = ("/", "/open?model=x", "/events", "/api/snapshot", "/requests/r1?part=report", "/static/page.css")
            answers = [await client.get(path) for path in paths]
            return [(answer.status_code, answer.headers.get("location")) for answer in answers]

        assert visit(work, base="https://ledger.example", web_token=TOKEN) == [
            (303, "/login?next=%2F"),
            (303, "/login?next=%2Fopen%3Fmodel%3Dx"),
            (401, None),
            (401, None),
            (303, "/login?next=%2Frequests%2Fr1%3Fpart%3Dreport"),
            (200, None),
        ]

    def test_a_browser_logs_in_once_and_out_again(self) -> None:
        """The cookie is for this site alone, no script reads it, and it is worth nothing after the logout."""

        async def work(client: httpx.AsyncClient) -> None:
            answer = await client.post("/login", data={"token": TOKEN, "next": "/money"})
            cookie = answer.headers["set-cookie"].lower()
            assert (answer.status_code, answer.headers["location"]) == (303, "/money")
            assert all(word in cookie for word in ("httponly", "samesite=strict", "secure"))
            assert TOKEN not in cookie
            session = dict(client.cookies)
            assert (await client.get("/money")).status_code == 200
            assert (await client.post("/logout")).status_code == 303
            assert (
                await client.get("/money", headers={"Cookie": "; ".join(map("=".join, session.items()))})
            ).is_redirect

        visit(work, base="https://ledger.example", web_token=TOKEN)

    @pytest.mark.parametrize(
        "wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "/login", "x", "/\n/"]
    )
    def test_a_login_leads_nowhere_else(self, wanted: str) -> None:
        """A link to the login can't send who uses it to another site."""

        async def work(client: httpx.AsyncClient) -> str:
            answer = await client.post("/login", data={"token": TOKEN, "next": wanted})
            return answer.headers["location"]

        assert visit(work, web_token=TOKEN) == "/"

    def test_wrong_tokens_are_refused_and_then_slowed_down(self) -> None:
        """In words, with a time to wait; programs too."""

        async def work(client: httpx.AsyncClient) -> list[int]:
            bearer = {"Authorization": "Bearer wrong"}
            codes = [(await client.post("/login", data={"token": "wrong"})).status_code for _ in range(4)]
            codes.append((await client.get("/api/snapshot", headers=bearer)).status_code)
            last = await client.post("/login", data={"token": TOKEN})
            assert "Wait" in last.text
            assert int(last.headers["retry-after"]) > 0
            return [*codes, last.status_code, (await client.get("/api/snapshot", headers=bearer)).status_code]

        assert visit(work, web_token=TOKEN) == [401, 401, 401, 401, 401, 429, 429]

    def test_programs_show_the_token(self) -> None:
        """As `Authorization: Bearer`."""
        headers = {"Authorization": f"bearer {TOKEN}"}

        assert visit(lambda client: client.get("/api/snapshot", headers=headers), web_token=TOKEN).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}],
    )
    def test_forms_of_other_sites_are_refused(self, headers: dict[str, str]) -> None:
        """Nobody is logged in or out from outside."""
        answer = visit(lambda client: client.post("/login", data={"token": TOKEN}, headers=headers), web_token=TOKEN)

        assert answer.status_code == 403

    def test_a_login_form_is_small(self) -> None:
        """What is larger is not read."""
        answer = visit(lambda client: client.post("/login", content=b"token=" + b"x" * 10_000), web_token=TOKEN)

        assert answer.status_code == 413

    def test_nothing_can_be_written(self) -> None:
        """Every page refuses whatever is no reading."""

        async def work(client: httpx.AsyncClient) -> set[int]:
            methods = ("POST", "PUT", "DELETE", "PATCH")
            return {(await client.request(method, "/open")).status_code for method in methods}

        assert visit(work) == {405}

    def test_a_fault_of_ours_tells_nothing_and_keeps_the_policy(self) -> None:
        """A page for people, without a traceback."""
        shown = Shown(snapshot(strip(box=box(cost=Decimal("NaN")))))
        answer = get("/", shown)

        assert answer.status_code == 500
        assert answer.headers["content-security-policy"] == POLICY
        assert "Decimal" not in answer.text
