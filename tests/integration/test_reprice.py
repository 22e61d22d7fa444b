"""`reprice` on a real Kafka: what a worker has made and revised is valued anew, once, and its deltas add up."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka.structs import TopicPartition

from pipeline.core.rows import Outgoing
from pipeline.ops.correction import Guard, amended
from pipeline.ops.correction.amendment import ALTERED, FOREIGN
from pipeline.ops.correction.guard import WINDOW
from pipeline.ops.correction.restless import LATE
from pipeline.ops.reprice import KINDS, STATED_COST, Order, Tally, reprice
from pipeline.ops.reprice.basis import ATTEMPTS
from pipeline.ops.reprice.flow import ELSEWHERE
from pipeline.ops.reprice.refold import DIFFERS, GONE
from pipeline.ops.reprice.revaluation import Outcome
from pipeline.pricing import valuation
from pipeline.settings import Settings
from pipeline.testing.chunk import USAGE, Document, chat, encoded, marker, usage
from pipeline.topics.partitioner import partition_of
from pipeline.topics.selection import Selection
from tests.integration.engine.harness import ROOT, committed, running, send
from tests.integration.ledgers import play, put, records
from tests.kafka import forget
from tests.ledger import fold

pytestmark = pytest.mark.usefixtures("ledger_topics")

LATER: Final = 100_000_000
"""ms after which nothing is revised, whatever the settings."""
OF: Mapping[str, Any] = {"provider": "ours", "model": "m"}
OTHER: Mapping[str, Any] = {"provider": "ours", "model": "n"}


def overlay(path: Path, factor: float) -> Path:
    """Prices of two models in a file."""
    path.write_text(
        f'[models."ours/m"]\ninput = {2 * factor}\noutput = {8 * factor}\n'
        f'[models."ours/n"]\ninput = {3 * factor}\noutput = {12 * factor}\n'
    )
    return path


def request(name: str, *, of: Mapping[str, Any] = OF, **last: Any) -> list[Document]:
    """A request that no late chunk revises."""
    told = {"request_id": name, **of}
    return [chat(0, "a", **told), usage(1, USAGE, **told, **last), marker(2, request_id=name)]


def fallback(name: str) -> list[Document]:
    """Two attempts with usage: of the record alone nobody can tell who stated what."""
    told: dict[str, Any] = {"request_id": name, "finish": "stop", "usage": USAGE}
    return [
        chat(0, "a", attempt=0, **told, **OF),
        chat(0, "b", attempt=1, **told, **OTHER),
        marker(1, request_id=name, attempt=1),
    ]


def valued(settings: Settings, prices: Path, *, later: int = LATER, worker: bool = False, **changes: Any) -> Tally:
    """Reprice as if it were so many ms later."""
    values = valuation(settings.model_copy(update={"price_overlay": prices}))
    now = int(time.time() * 1_000) + later
    options: dict[str, Any] = {
        "selection": Selection(),
        "kinds": frozenset({*KINDS, STATED_COST}),
        "models": (),
        "valuation": values,
        "override": False,
        "guard": Guard(settings.policy(), settings.clock_slack, now, worker),
        "execute": True,
    }
    return asyncio.run(reprice(settings, Order(**(options | changes)), lambda _: None, lambda _: None))


def counts(tally: Tally) -> dict[str, int]:
    """Requests by outcome."""
    return {outcome.value: count for outcome, count in tally.total.counts.items() if count}


def adds_up(revisions: list[Document]) -> bool:
    """Whether the first cost and all deltas are the latest cost, exactly."""
    deltas = [Decimal(repr(record["delta"]["cost"])) for record in revisions if record["delta"]]
    return sum(deltas, Decimal(repr(revisions[0]["cost"] or 0))) == Decimal(repr(revisions[-1]["cost"] or 0))


def test_what_a_worker_made_and_revised_is_corrected_once(settings: Settings, tmp_path: Path) -> None:
    """A late-revised request goes on at revision 2; each costs what the worker would have said with the other list."""
    cheap, dear = overlay(tmp_path / "cheap.toml", 1), overlay(tmp_path / "dear.toml", 1.5)
    brisk = settings.model_copy(update={"finish_grace": 300, "clock_slack": 1_000, "price_overlay": cheap})
    late = [chat(0, "a", finish="stop", request_id="late", **OF), usage(1, USAGE, request_id="late", **OF)]
    made = {
        "plain": request("plain"),
        "late": late,
        "fallback": fallback("fallback"),
        "stated": request("stated", cost=0.5),
        "unknown": request("unknown", of={"provider": "ours", "model": "x"}),
    }
    chunks = [chunk for name, found in made.items() for chunk in (found[:1] if name == "late" else found)]
    with running(brisk, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        asyncio.run(send(brisk, ((str(chunk["request_id"]), encoded(chunk)) for chunk in chunks)))
        asyncio.run(committed(brisk, brisk.record_topic, at_least=len(made)))
        asyncio.run(send(brisk, iter([("late", encoded(late[1]))])))
        asyncio.run(committed(brisk, brisk.record_topic, at_least=len(made) + 1))
        early = valued(brisk, dear, later=0, worker=True)
        rest = valued(brisk, dear, worker=True)
        again = valued(brisk, dear, worker=True)
        worker.terminate()
    asyncio.run(send(brisk, iter([("late", encoded(chat(2, "b", request_id="late")))])))
    waiting = valued(brisk, cheap, worker=True, selection=Selection(request_ids=frozenset({"late"})))
    found = records(brisk)
    values = valuation(brisk.model_copy(update={"price_overlay": dear}))

    assert counts(early) == {"changed": 2, "held": 1, "stated": 1, "no_price": 1}
    assert early.reasons[Outcome.HELD, WINDOW] == 1
    assert early.held_until is not None
    assert (early.sent, rest.sent, again.sent, waiting.sent) == (2, 1, 0, 0)
    assert waiting.reasons == {(Outcome.HELD, LATE): 1}
    assert {name: [each["revision"] for each in revisions] for name, revisions in found.items()} == {
        "plain": [0, 1],
        "late": [0, 1, 2],
        "fallback": [0, 1],
        "stated": [0],
        "unknown": [0],
    }
    for name, revisions in found.items():
        expected = fold(*made[name], valuation=values)
        assert [revisions[-1][field] for field in ("cost", "cost_details", "attempts")] == [
            expected[field] for field in ("cost", "cost_details", "attempts")
        ]
        assert adds_up(revisions), name
        assert revisions[-1]["supersedes"] == (revisions[-2]["record_id"] if len(revisions) > 1 else None)


def test_a_record_whose_chunks_are_gone_or_give_another_is_left_alone(settings: Settings, tmp_path: Path) -> None:
    """Nothing is shared out by guess: it says why."""
    dear = overlay(tmp_path / "dear.toml", 1.5)
    play(settings, fallback("r-1"), valuation=valuation(settings))
    capture = valued(settings.model_copy(update={"capture": "metadata"}), dear, execute=False)
    place = TopicPartition(settings.chunk_topic, partition_of(b"r-1", settings.partitions))

    told = valued(settings, dear, execute=False)
    asyncio.run(forget(settings, place.topic, place.partition, 1))
    gone = valued(settings, dear)

    assert counts(told) == {"changed": 1}
    assert capture.reasons == {(Outcome.NOT_REPRICEABLE, DIFFERS): 1}
    assert gone.reasons == {(Outcome.NOT_REPRICEABLE, GONE): 1}
    assert ATTEMPTS not in {reason for _, reason in gone.reasons}
    assert [each["revision"] for each in records(settings)["r-1"]] == [0]


def test_what_is_no_record_of_this_ledger_is_left_alone(settings: Settings, tmp_path: Path) -> None:
    """Garbage, a record that somebody changed, one of another ledger, one on another partition: each is told."""
    dear = overlay(tmp_path / "dear.toml", 1.5)
    (record,) = play(settings, request("r-1"))
    foreign = fold(*request("r-2"))
    number = record["source"]["partition"]
    changed = amended({**record, "revision": 4}, {**record, "cost": 9.0}, ledger=settings.ledger, limit=1 << 20)
    assert changed is not None
    forged = json.dumps(json.loads(changed.value or b"") | {"cost": 8.0}).encode()
    planted = [b"nonsense", b"[]", b'{"request_id": 1}', json.dumps(foreign).encode(), forged]
    rows = {number: [Outgoing(b"x", value, []) for value in planted]}
    rows[1 - number] = [Outgoing(b"r-1", json.dumps(record).encode(), [])]
    asyncio.run(put(settings, rows))
    tally = valued(settings, dear)

    assert (tally.sent, tally.unreadable, tally.problem) == (0, 3, True)
    assert tally.reasons == {(Outcome.NOT_REPRICEABLE, why): 1 for why in (FOREIGN, ALTERED, ELSEWHERE)}
    assert tally.rows == {}


def command(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The whole program, with settings from its environment."""
    names = ("bootstrap_servers", "ledger", "chunk_topic", "record_topic")
    variables = {f"STREAMLEDGER_{name.upper()}": str(getattr(settings, name)) for name in names}
    return subprocess.run(
        [sys.executable, "-m", "pipeline", "reprice", "--without-worker", *arguments],
        env=os.environ | variables | {"PYTHONPATH": str(ROOT), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_tells_first_and_sends_when_told(settings: Settings, tmp_path: Path) -> None:
    """Dry by default; exit 1 where something has no price; corrections as lines; a label chooses."""
    prices = ("--price-overlay", str(overlay(tmp_path / "prices.toml", 1)))
    out = tmp_path / "corrections.jsonl"
    play(
        settings,
        request("r-1", of={**OF, "labels": {"tenant": "a"}}),
        request("r-2", of={**OTHER, "labels": {"tenant": "b"}}),
        request("r-3", of={"provider": "ours", "model": "x", "labels": {"tenant": "b"}}),
    )
    dry = command(settings, *prices, "--label", "tenant=a", "--out", str(out))
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    unsent = {name: len(revisions) for name, revisions in records(settings).items()}
    sent = command(settings, *prices, "--only", "unpriced", "--execute", "--json")
    told = json.loads(sent.stdout)
    again = command(settings, *prices, "--model", "m", "--model", "n*", "--execute", "--json")

    assert (dry.returncode, dry.stderr) == (0, "")
    assert "dry run: 1 corrections would be sent" in dry.stdout
    assert [(line["request_id"], line["revision"], line["cost"]) for line in lines] == [("r-1", 1, 0.000026)]
    assert unsent == {"r-1": 1, "r-2": 1, "r-3": 1}
    assert (sent.returncode, told["sent"]) == (1, 2)
    assert told["reasons"] == [{"outcome": "no_price", "reason": "unknown_provider", "requests": 1}]
    assert (told["total"]["delta"], told["total"]["unpriced_before"], told["total"]["unpriced_after"]) == (
        "0.000065",
        3,
        1,
    )
    assert (again.returncode, json.loads(again.stdout)["sent"]) == (0, 0)
    assert {name: revisions[-1]["cost"] for name, revisions in records(settings).items()} == {
        "r-1": 0.000026,
        "r-2": 0.000039,
        "r-3": None,
    }
