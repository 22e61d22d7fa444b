"""`streamledger top` and what is behind it, on a real Kafka with a real worker: its numbers are those of the topics."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from statistics import median_low
from typing import Any, Final

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.ops.live import Live, Snapshot
from pipeline.settings import Settings
from pipeline.testing import Ledger, chat, completion, interleave, speech
from pipeline.testing.stream import Stream
from pipeline.testing.topic import append, messages
from tests.kafka import forget
from tests.terminal import terminal

SECONDS = 90.0


def environment(settings: Settings) -> dict[str, str]:
    """The settings of a ledger, for a command."""
    names = ("bootstrap_servers", "ledger", "chunk_topic", "record_topic", "dead_topic")
    return {f"STREAMLEDGER_{name.upper()}": str(getattr(settings, name)) for name in names}


def said(settings: Settings, *flags: str) -> str:
    """What it prints, once."""
    result = CliRunner().invoke(main, ["top", "--once", *flags], env=environment(settings))
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


NAMED: Final = {"provider": "openai", "model": "gpt-4o"}


def traffic() -> tuple[list[Stream], dict[str, Any]]:
    """Streams that end, one way or another, and the chunk of one that was cut."""
    whole = [
        *(
            chat(f"r-{number}", **NAMED, labels={"team": f"t{number % 2}"})
            .text("SECRET", "b", "c")
            .usage(10 + number, 5)
            .finish()
            .duplicated(0.5, seed=number)
            for number in range(8)
        ),
        speech("r-8", provider="openai", model="tts-1").audio(b"ab", b"cd").usage(7, 42).finish(),
        completion("r-9", **NAMED).text("a", "b", "c", "d").lost(2).usage(3, 4).finish(),
        chat("r-10", **NAMED).text("a").error("SECRET"),
    ]
    cut = {**chat("r-cut", **NAMED).text("a", "b").chunks[0], "is_final": True}
    return whole, cut


@pytest.mark.usefixtures("streamledger_worker")
@pytest.mark.streamledger(finish_grace="300ms", late_policy="dead_letter")
def test_its_numbers_are_the_sums_of_the_records(streamledger_ledger: Ledger) -> None:
    """Open, closed, cut, repeated, with gaps, refused: as JSON, as text and on a screen of 80 columns."""
    ledger, settings = streamledger_ledger, streamledger_ledger.settings
    whole, cut = traffic()
    ledger.send(*interleave(*whole, seed=3), cut)
    records = ledger.records.wait("r-cut", *(stream.request_id for stream in whole))
    ledger.send({**whole[0].chunks[0], "chunk_index": 700, "attempt": 9})
    ledger.dead_letters(1)
    ledger.send(
        *(chat(f"open-{number}", **NAMED, labels={"team": "t1"}).text("SECRET", "b").chunks[0] for number in "ab")
    )

    told = json.loads(said(settings, "--json", "--by", "label.team", "--requests", "99", "--window", "10m"))
    headline, found = told["headline"], list(records.values())
    assert told["trouble"] is None
    assert told["ledger"] == settings.ledger
    assert headline["requests"] == len(found) == 12
    for name, count in counted(found).items():
        assert headline[name] == count, name
    assert Decimal(headline["cost"]) == cost(found) > 0
    assert (headline["late"], headline["dead"], headline["behind"]) == (1, 1, 0)
    assert [(row["reason"], row["request_id"]) for row in told["dead"]] == [("late", "r-0")]
    for rows in told["money"].values():
        assert sum(Decimal(row["cost"]) for row in rows) == cost(found)
        assert sum(row["requests"] for row in rows) == len(found)
    assert {row["key"] for row in told["money"]["label.team"]} == {"t0", "t1", None}
    strips = {strip["request_id"]: strip for strip in told["strips"]}
    for request_id, record in records.items():
        strip = strips[request_id]
        assert strip["box"]["record_id"] == record["record_id"]
        assert strip["duplicates"] >= record["duplicate_count"]  # some repeats come after the record
        assert strip["chunks"] - strip["duplicates"] == record["chunk_count"] + (request_id == "r-0")
        assert len(strip["dots"]) == strip["chunks"]
        place = [strip[name] for name in ("partition", "first_offset")]
        assert place == [record["source"][name] for name in ("partition", "first_offset")]
    assert strips["r-9"]["gaps"] == [{"attempt": 0, "first": 2, "last": 2, "image": None}]
    open_now = {name for name, strip in strips.items() if strip["box"] is None}
    assert (open_now, headline["open"]) == ({"open-a", "open-b"}, 2)

    text = said(settings, "--label", "team=t1", "--by", "model")
    assert "requests 4 " in text
    assert "SECRET" not in text + json.dumps(told)
    screen_ends_with_q(settings)


def counted(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The figures of the headline, out of records."""
    usages = [record["token_usage"] or {} for record in records]
    return {
        "tokens_in": sum(usage.get("prompt_tokens") or 0 for usage in usages),
        "tokens_out": sum(usage.get("completion_tokens") or 0 for usage in usages),
        "unpriced": sum(record["cost"] is None for record in records),
        "incomplete": sum(record["status"] == "incomplete" for record in records),
        "errors": sum(record["status"] == "error" for record in records),
        "duplicates": sum(record["duplicate_count"] for record in records),
        "gaps": sum(len(record["missing_indexes"]) for record in records),
        "latency_ms": median_low(record["latency"] for record in records),
        "first_token_ms": median_low(record["time_to_first_token"] for record in records),
    }


def cost(records: Sequence[Mapping[str, Any]]) -> Decimal:
    """USD, exact."""
    return sum((Decimal(each["cost_details"]["total"]) for each in records if each["cost"] is not None), Decimal(0))


def screen_ends_with_q(settings: Settings) -> None:
    """On a terminal, until a key ends it."""
    with terminal(["-m", "pipeline", "top", "--interval", "100ms"], environment(settings)) as top:
        top.until(lambda screen: "requests 12" in screen)
        assert top.press(b"q") == 0
    assert b"SECRET" not in top.shown


@pytest.mark.usefixtures("ledger_topics")
def test_what_retention_took_is_passed_over_and_a_topic_made_anew_is_read_anew(settings: Settings) -> None:
    """A position before the first record that is kept, and one behind the end, do not hold it up."""
    topic = settings.chunk_topic

    async def looked() -> None:
        await append(settings, topic, messages([chat("r-1").text("a", "b", "c").cut(3)], partition=0))
        await forget(settings, topic, 0, before=1)
        for position in (0, 7):
            ledger = Live(settings)
            ledger._positions = {topic: {0: position, 1: 0}}
            task = asyncio.create_task(ledger.run())
            now = await _until(ledger, lambda now: now.headline.open == 1 and now.trouble is None)
            assert [(strip.chunks, strip.first_offset) for strip in now.strips] == [(2, 1)]
            task.cancel()
            await asyncio.wait([task])

    asyncio.run(looked())


async def _until(ledger: Live, holds: Callable[[Snapshot], bool]) -> Snapshot:
    """The first snapshot for which it holds."""
    version = 0
    async with asyncio.timeout(SECONDS):
        while not holds(now := ledger.snapshot()):
            version = await ledger.changed(version, 1.0)
    return now
