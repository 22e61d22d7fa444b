"""The live page in a real browser, over a real Kafka and a real worker."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.async_api import expect

from pipeline.testing import chat, speech

if TYPE_CHECKING:
    from tests.e2e.conftest import Site, Visit

LABELS = {"team": "search"}
CONNECTED = re.compile("^(live|connected)$")
"""A Kafka that a busy machine holds up for seconds is none of these tests' matter; that of an outage is stricter."""
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def story(name: str) -> list[dict[str, object]]:
    """A stream of ten chunks of which one is lost, ending with usage and finish."""
    stream = chat(name, provider="openai", model="gpt-4o", labels=LABELS)
    words = ("Once ", "upon ", "a ", "time ", "there ", "was ", "a ", "bill")
    return stream.text(*words).usage(1_200, 64).finish("stop").chunks


@pytest.fixture(scope="module", autouse=True)
def ledger_with_everything(site: Site) -> None:
    """One of each that has a shape of its own: whole, with gap and repeat, in error, unpriced, open, refused."""
    whole, holed = story("whole"), story("holed")
    broken = chat("broken", provider="anthropic", model="claude-sonnet-4-5").text("Well").error("cut")
    site.ledger.send(
        *whole,
        *holed[:3],
        holed[1],
        *holed[4:],
        *broken.chunks,
        *speech("spoken", provider="acme", model="nobody-prices-it").audio(b"abc").finish().chunks,
        *story("waiting")[:4],
        b'{"request_id": "bad"}',
    )
    site.ledger.records.of("holed")
    site.ledger.records.of("broken")
    site.ledger.dead_letters(at_least=1)


def test_a_stream_is_seen_to_grow_and_to_collapse_into_its_record(site: Site) -> None:
    """Without a reload: dots come one by one, then the box with status, tokens and USD; nothing asks another server."""
    chunks = story("growing")

    async def work(visit: Visit) -> None:
        await visit.go("/")
        await expect(visit.page.locator("#pulse")).to_have_text(CONNECTED)
        row = visit.page.get_by_role("row").filter(has_text="growing")
        for sent in (2, 5):
            await asyncio.to_thread(site.ledger.send, *chunks[max(sent - 3, 0) : sent])
            await expect(row.get_by_role("img")).to_have_accessible_name(_words("growing", f"{sent} chunks", "open"))
        await expect(row.get_by_role("cell").last).to_contain_text("open")
        await asyncio.to_thread(site.ledger.send, *chunks[5:])
        await expect(row.get_by_role("cell").last).to_contain_text("success")
        await expect(row.get_by_role("cell").last).to_contain_text("1,200 → 64 tok")
        await expect(row.get_by_role("cell").last).to_contain_text("$0.00364")

    site.visit(work)


def _words(*parts: str) -> re.Pattern[str]:
    """These parts in this order."""
    return re.compile(".*".join(map(re.escape, parts)))


def test_what_went_wrong_is_seen_by_shape_and_said_in_words(site: Site) -> None:
    """Gap, repeat, error and a missing price, each in the picture and in its text."""

    async def work(visit: Visit) -> None:
        await visit.go("/")
        picture = {
            name: visit.page.get_by_role("row").filter(has=visit.page.get_by_role("link", name=name, exact=True))
            for name in ("holed", "broken", "spoken", "unended")
        }
        await expect(picture["holed"].get_by_role("img")).to_have_accessible_name(
            _words("request holed", "gap 3", "1 duplicate", "success")
        )
        await expect(picture["holed"].locator(".gap")).to_have_count(1)
        await expect(picture["holed"].locator(".rings")).to_have_count(1)
        await expect(picture["broken"].locator(".cross")).to_have_count(1)
        await expect(picture["broken"].get_by_role("cell").last).to_contain_text("error")
        await expect(picture["spoken"].get_by_role("cell").last).to_contain_text("unpriced")
        await asyncio.to_thread(site.ledger.send, *story("unended")[:4])  # one of the beginning may have expired by now
        await expect(picture["unended"].locator(".wait")).to_have_count(1)

    site.visit(work)


def test_filters_narrow_the_list_while_one_types(site: Site) -> None:
    """The field keeps the focus, the address can be sent to a colleague, and the list goes on living."""

    async def work(visit: Visit) -> None:
        await visit.go("/open?status=any")
        rows = visit.page.get_by_role("rowheader")
        await expect(rows.filter(has_text="broken")).to_have_count(1)
        field = visit.page.get_by_label("Model")
        await field.press_sequentially("claude-sonnet-4-5")
        await expect(rows).to_have_text(["broken"])
        await expect(field).to_be_focused()
        await expect(visit.page).to_have_url(_words("model=claude-sonnet-4-5"))
        sent = chat("cut-too", model="claude-sonnet-4-5", provider="anthropic").text("Hm").error("cut").chunks
        await asyncio.to_thread(site.ledger.send, *sent)
        await expect(rows).to_have_count(2)
        await expect(field).to_be_focused()
        await expect(visit.page.locator("#pulse")).to_have_text(CONNECTED)
        await field.fill("gpt-nothing")
        await expect(visit.page.get_by_text("No request fits these filters.")).to_be_visible()

    site.visit(work)


def test_filters_work_without_scripts(site: Site) -> None:
    """A form is a form, and a request is read whole."""

    async def work(visit: Visit) -> None:
        await visit.go("/open")
        await visit.page.get_by_label("Status").select_option("error")
        await visit.page.get_by_label("Request id").fill("broke")
        await visit.page.get_by_role("button", name="Filter").click()
        await expect(visit.page.get_by_role("rowheader").first).to_contain_text("broken")
        await visit.page.get_by_role("link", name="broken", exact=True).click()
        await visit.page.get_by_role("link", name="Read its chunks").click()
        await expect(visit.page.get_by_text("Proved.")).to_be_visible()

    site.visit(work, java_script_enabled=False)


def test_a_request_shows_its_chunks_its_answer_its_cost_and_that_they_agree(site: Site) -> None:
    """From Kafka, folded anew: the record byte for byte, the lines of the price, the offsets to look at."""

    async def work(visit: Visit) -> None:
        await visit.go("/")
        await visit.page.get_by_role("link", name="whole").click()
        page = visit.page
        await expect(page.get_by_text("Its chunks, folded again, give its record byte for byte.")).to_be_visible()
        await expect(page.get_by_role("heading", level=1)).to_have_text("whole")
        await expect(page.get_by_role("row").filter(has_text="input tokens")).to_contain_text("0.003")
        await expect(page.get_by_role("row").filter(has_text="output tokens")).to_contain_text("0.00064")
        await expect(page.locator("pre.text")).to_have_text("Once upon a time there was a bill")
        await expect(page.get_by_text("streamledger explain whole --partition")).to_be_visible()
        await expect(page.get_by_role("region", name="Timeline").get_by_role("row")).to_have_count(11)

    site.visit(work)


def test_a_request_that_does_not_exist_is_said_to(site: Site) -> None:
    """With where to look next, and no failure in the console."""

    async def work(visit: Visit) -> None:
        await visit.go("/requests/nobody%2Fknows")
        await expect(visit.page.get_by_text("neither a record in partition")).to_be_visible()
        await expect(visit.page.get_by_role("heading", level=1)).to_have_text("nobody/knows")

    site.visit(work)


def test_money_and_dead_letters_have_their_pages(site: Site) -> None:
    """By model, provider and label; reasons with what to do."""

    async def work(visit: Visit) -> None:
        await visit.go("/money")
        await expect(visit.page.get_by_role("region", name="By team").get_by_role("rowheader").first).to_have_text(
            "search"
        )
        await expect(visit.page.get_by_role("region", name="By model")).to_contain_text("gpt-4o")
        await visit.go("/dead")
        await expect(visit.page.get_by_role("heading", name="invalid")).to_be_visible()
        await expect(visit.page.get_by_text("streamledger dead ls --reason invalid --list")).to_be_visible()

    site.visit(work)


def test_the_keyboard_is_enough(site: Site) -> None:
    """Skip link, pages, pause and a request are reached by Tab, seen by their focus, and kept while the page lives."""

    async def work(visit: Visit) -> None:
        page = visit.page
        await visit.go("/")
        await expect(page.locator("#pulse")).to_have_text(CONNECTED)
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        for name in ("Streamledger", "Live", "In flight", "Money", "Dead letters"):
            await page.keyboard.press("Tab")
            await expect(page.get_by_role("link", name=name, exact=True).first).to_be_focused()
        await page.keyboard.press("Tab")
        pause = page.locator("#pause")
        await expect(pause).to_be_focused()
        assert await pause.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await page.keyboard.press("Enter")
        await expect(page.locator("#pulse")).to_have_text(re.compile("paused, as of .* UTC"))
        before = await page.locator("#strips").inner_text()
        await asyncio.to_thread(site.ledger.send, *story("unseen")[:3])
        await page.wait_for_timeout(1_200)
        assert await page.locator("#strips").inner_text() == before
        await page.keyboard.press("Space")
        await expect(page.get_by_role("row").filter(has_text="unseen")).to_have_count(1)
        link = page.get_by_role("row").filter(has_text="unseen").get_by_role("link")
        for _ in range(20):
            await page.keyboard.press("Tab")
            if await link.evaluate("found => found === document.activeElement"):
                break
        await asyncio.to_thread(site.ledger.send, *story("unseen")[3:])
        await expect(page.get_by_role("row").filter(has_text="unseen").get_by_role("cell").last).to_contain_text(
            "success"
        )
        await expect(link).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("unseen")

    site.visit(work)


def test_landmarks_and_names_are_there_for_screen_readers(site: Site) -> None:
    """One main, one banner, a named navigation, tables with captions, and a summary that is polite."""

    async def work(visit: Visit) -> None:
        for path in ("/", "/open", "/money", "/dead", "/requests/whole"):
            await visit.go(path)
            page = visit.page
            for role in ("main", "banner", "contentinfo"):
                await expect(page.get_by_role(role)).to_have_count(1)
            await expect(page.get_by_role("navigation", name="Pages")).to_have_count(1)
            await expect(page.get_by_role("heading", level=1)).to_have_count(1)
            assert await page.locator("[aria-live=polite]").count() == 1
            nameless = "a, button, input:not([type=hidden]), select"
            for control in await page.locator(nameless).all():
                await expect(control).not_to_have_accessible_name("")

    site.visit(work)


def test_a_server_that_stands_still_is_not_taken_for_live(site: Site) -> None:
    """Nothing ends a stream that hangs: the page notices by itself, says as of when it is, and comes back."""

    async def work(visit: Visit) -> None:
        pulse = visit.page.locator("#pulse")
        await visit.page.clock.install()
        await visit.go("/")
        await expect(pulse).to_have_text(CONNECTED)
        os.kill(site.pid, signal.SIGSTOP)
        try:
            await visit.page.clock.fast_forward(20_000)
            await expect(pulse).to_have_text(re.compile(r"no answer, as of \d\d:\d\d:\d\d UTC"))
        finally:
            os.kill(site.pid, signal.SIGCONT)
        await expect(pulse).to_have_text(CONNECTED)

    site.visit(work)


@pytest.mark.parametrize(("width", "schemes"), [(1_280, SCHEMES), (390, SCHEMES[:1])])
def test_no_page_breaks_a_rule_of_accessibility(
    site: Site, width: int, schemes: tuple[Literal["light", "dark"], ...]
) -> None:
    """All rules of axe-core that a machine can judge (WCAG 2, best practices), in light and in dark colours."""
    rules = resources.files(pytest.importorskip("axe_playwright_python")).joinpath("axe.min.js").read_text("utf-8")

    async def work(visit: Visit) -> None:
        for path in ("/", "/open?status=any", "/money", "/dead", "/requests/holed", "/nowhere"):
            await visit.go(path)
            if path == "/requests/holed":
                await expect(visit.page.get_by_text("Proved.")).to_be_visible()
            await visit.page.evaluate(rules)
            for scheme in schemes:
                await visit.page.emulate_media(color_scheme=scheme)
                found = await visit.page.evaluate("axe.run({resultTypes: ['violations']})")
                broken = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]
                assert broken == [], (path, scheme)
        visit.wrong = [each for each in visit.wrong if "404" not in each]  # of /nowhere; a browser logs it by itself

    site.visit(work, viewport={"width": width, "height": 900}, reduced_motion="reduce")


@pytest.mark.parametrize("width", [1_280, 390])
def test_every_page_fits_its_window(site: Site, screenshots: Path | None, width: int) -> None:
    """At a desk and in a hand nothing scrolls sideways or spills; pictures, light and dark, are left if asked for."""

    async def work(visit: Visit) -> None:
        paths = {
            "live": "/",
            "flight": "/open?status=any",
            "money": "/money",
            "dead": "/dead",
            "request": "/requests/holed",
        }
        for name, path in paths.items():
            await visit.go(path)
            if name == "request":
                await expect(visit.page.get_by_text("Proved.")).to_be_visible()
            assert await visit.sideways() <= 0, name
            assert await visit.spilling() == [], name
            if screenshots is None:
                continue
            for scheme in SCHEMES:
                await visit.page.emulate_media(color_scheme=scheme)
                await visit.page.screenshot(path=screenshots / f"{name}-{scheme}-{width}.png", full_page=True)

    site.visit(work, viewport={"width": width, "height": 900}, reduced_motion="reduce")
