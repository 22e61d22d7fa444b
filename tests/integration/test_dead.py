"""Dead letters on a real Kafka: each way back, each at most once, and what stays (CONTRACT §3, §4)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.errors import Fenced
from pipeline.ops.dead import Choice
from pipeline.ops.dead.letter import Letter
from pipeline.ops.dead.request import ASLEEP, PAST
from pipeline.ops.dead.verdict import Outcome
from pipeline.settings import Settings
from pipeline.testing.chunk import chat, encoded, marker, usage
from schemas.deadletter import HEADER_REDRIVE, Way
from tests.dead import LONG_AFTER, keyed, on_topic, outcomes, put, records, sent_back, size
from tests.integration.engine.harness import ROOT, committed, running
from tests.kafka import forget

pytestmark = pytest.mark.usefixtures("ledger_topics")

SECRET = "planted-secret-words"


@pytest.fixture
def brisk(settings: Settings) -> Settings:
    """Requests fall silent after a minute; what has ended is closed after a third of a second."""
    return settings.model_copy(update={"finish_grace": 300, "session_window": 60_000, "clock_slack": 1_000})


def broken(index: int, **envelope: Any) -> tuple[bytes, bytes]:
    """A chunk whose timestamp is none, and the same mended."""
    whole = chat(index, "b", **envelope)
    return encoded(whole | {"timestamp": "yesterday"}), encoded(whole)


def place(letters: list[Letter], request_id: str) -> str:
    """Where the one letter of a request lies."""
    (letter,) = [each for each in letters if each.request_id == request_id]
    return str(letter.place)


def text(record: dict[str, Any]) -> str:
    """What a record's message says."""
    return str(record["output_message"]["content"])


OLD, OLD_MENDED = broken(1, request_id="old")


async def prepared(brisk: Settings) -> list[Letter]:
    """A letter of each way, and its request as it has to be for that."""
    await put(brisk, keyed(chat(0, "a", request_id="open")))
    await put(brisk, [(name.encode(), broken(1, request_id=name)[0]) for name in ("open", "young")])
    for name in ("young", "old"):
        await put(brisk, keyed(chat(0, "a", request_id=name), chat(2, "c", finish="stop", request_id=name)))
    await put(brisk, [(b"old", OLD)])  # after all that is in its record: the worker has passed it, as its letter tells
    whole = [chat(0, "a", finish="stop", request_id="late"), marker(1, request_id="late")]
    await put(brisk, keyed(*whole, usage(2, request_id="late", cost=0.5)))
    await put(brisk, [(b"elsewhere", encoded(chat(0, "k", finish="stop", is_final=True, request_id="keyed")))])
    letters, _ = await on_topic(brisk, letters=5)
    found = await records(brisk, at_least=3)
    assert {name: len(got) for name, got in found.items()} == {"young": 1, "old": 1, "late": 1}
    return letters


async def rehearsed(brisk: Settings) -> None:
    """Without --execute the same is told, and nothing is sent."""
    before = await size(brisk)
    report = await sent_back(brisk, execute=False)
    assert outcomes(report)["late"] == "correction"
    assert report.corrections[0].delta["cost"] == 0.5
    hours_later = await sent_back(brisk, repair_key=True, later=LONG_AFTER, execute=False)
    assert outcomes(hours_later)["keyed"] == "chunks"  # the worker is there and has read everything
    assert await size(brisk) == before


async def as_chunks(brisk: Settings, letters: list[Letter]) -> None:
    """An open request takes its chunk, a young one is revised by the worker, a wrong key is repaired."""
    report = await sent_back(brisk, place(letters, "open"), value=broken(1, request_id="open")[1])
    assert outcomes(report) == {"open": "chunks"}
    await put(brisk, keyed(chat(2, "c", finish="stop", is_final=True, request_id="open")))
    report = await sent_back(brisk, place(letters, "young"), value=broken(1, request_id="young")[1])
    assert outcomes(report) == {"young": "chunks"}
    report = await sent_back(brisk, place(letters, "elsewhere"))
    assert [verdict.outcome for verdict in report.verdicts] == [Outcome.REFUSED]
    report = await sent_back(brisk, place(letters, "elsewhere"), repair_key=True)
    assert outcomes(report) == {"keyed": "chunks"}
    found = await records(brisk, at_least=6)
    assert [text(each) for each in found["open"]] == ["abc"]
    assert [(text(each), each["closed_by"]) for each in found["young"]] == [("ac", "finish"), ("abc", "late")]
    assert [text(each) for each in found["keyed"]] == ["k"]


async def as_corrections(brisk: Settings, letters: list[Letter]) -> None:
    """Requests closed too long ago for the worker, once nothing else can revise their records."""
    held = await sent_back(brisk, place(letters, "old"), value=OLD_MENDED, later=brisk.revise_window)
    assert outcomes(held) == {"old": "held"}
    assert held.problem
    report = await sent_back(brisk, place(letters, "old"), value=OLD_MENDED, later=LONG_AFTER)
    assert outcomes(report) == {"old": "correction"}
    report = await sent_back(brisk)
    assert outcomes(report)["late"] == "correction"
    found = await records(brisk, at_least=8)
    assert [(each["revision"], text(each)) for each in found["old"]] == [(0, "ac"), (1, "abc")]
    first, second = found["late"]
    assert (first["cost"], second["cost"], second["delta"]["cost"]) == (None, 0.5, 0.5)
    assert second["supersedes"] == first["record_id"]
    assert (second["chunk_count"], second["closed_by"], text(second)) == (3, "late", "a")
    assert second["source"]["first_offset"] == first["source"]["first_offset"]
    assert second["source"]["last_offset"] == first["source"]["last_offset"] + 1


async def once_more(brisk: Settings) -> None:
    """All of it again: nothing happens, and that is no problem."""
    before = await size(brisk)
    report = await sent_back(brisk, later=LONG_AFTER)
    assert set(outcomes(report).values()) == {"done before"}
    assert not report.problem
    assert await size(brisk) == before
    letters, receipts = await on_topic(brisk, letters=5, receipts=5)
    assert {receipt.of for receipt in receipts} == {letter.place for letter in letters}
    assert sorted(receipt.way for receipt in receipts) == [Way.CHUNKS] * 3 + [Way.CORRECTION] * 2


async def scenario(brisk: Settings) -> None:
    """One after the other, on one ledger."""
    letters = await prepared(brisk)
    await rehearsed(brisk)
    await as_chunks(brisk, letters)
    await as_corrections(brisk, letters)
    await once_more(brisk)


def test_each_way_back_is_gone_once(brisk: Settings, tmp_path: Path) -> None:
    """Open joins, young revises, old and late are corrected, a wrong key is repaired; the second run does nothing."""
    with running(brisk, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        asyncio.run(scenario(brisk))
        again = json.loads(command(brisk, "redrive", "--execute", "--json"))
        assert (again["executed"], again["outcomes"]["done before"]) == (True, 5)
        figures = json.loads(command(brisk, "ls", "--json"))
        assert (figures["letters"], figures["waiting"]) == (5, 0)
        late = json.loads(command(brisk, "show", "late", "--json"))
        assert [each["redriven"] for each in late] == ["correction"]
        assert "redriven (correction)" in command(brisk, "ls", "--list", "--reason", "late")
        assert worker.terminate()[0] == 0


def test_what_would_be_refused_again_is_not_sent(brisk: Settings, tmp_path: Path) -> None:
    """Each such letter is told with its reason, and neither topic gets a byte; --value mends a letter's own request."""
    settings = brisk.model_copy(update={"max_chunk_bytes": 4_096})
    with running(settings, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        asyncio.run(refusals(settings, {"request_id": "r"}))
        commands(settings, tmp_path)
        assert worker.terminate()[0] == 0


async def refusals(brisk: Settings, request: dict[str, Any]) -> None:
    """One of each reason that the worker gives by itself."""
    other = encoded(chat(0, SECRET, **request) | {"stream_type": "text.completion"})
    newer = encoded(chat(1, "b", request_id="newer") | {"schema_version": 9})
    large = encoded(chat(0, "x" * (brisk.max_chunk_bytes + 1), request_id="large"))
    done = [chat(0, "a", finish="stop", request_id="again"), marker(1, request_id="again")]
    await put(brisk, [(b"text", b"no json"), (b"gone", None), (b"newer", newer), (b"large", large)])
    await put(brisk, [*keyed(chat(0, "a", **request)), (b"r", other), *keyed(chat(0, SECRET, **request))])
    await put(brisk, keyed(*done, chat(0, "z", request_id="again", sent=9e9)))
    await put(brisk, keyed(chat(9, "end", finish="stop", **request)))
    letters, _ = await on_topic(brisk, letters=7)
    reasons = {letter.reason for letter in letters}
    assert reasons == {
        *("not_json", "unsupported_version", "oversize", "stream_type_conflict", "request_id_reused", "conflict"),
    }
    await records(brisk, at_least=2)
    before = await size(brisk)
    report = await sent_back(brisk)
    assert report.problem
    assert {verdict.outcome for verdict in report.verdicts} == {Outcome.REFUSED}
    assert all(verdict.why for verdict in report.verdicts)
    assert SECRET not in json.dumps(report.as_json())
    foreign = await sent_back(brisk, place(letters, "large"), value=encoded(chat(0, "a", request_id="other")))
    assert "another request" in str(foreign.verdicts[0].why)
    reused = await sent_back(brisk, place(letters, "again"), value=encoded(chat(7, "a", request_id="again")))
    assert reused.verdicts[0].outcome is Outcome.REFUSED
    assert await size(brisk) == before
    raised = brisk.model_copy(update={"max_chunk_bytes": 8_192})
    assert outcomes(await sent_back(raised, place(letters, "large"), execute=False)) == {"large": "chunks"}
    await forget(brisk, brisk.record_topic, 0)
    (unknown,) = (await sent_back(raised, place(letters, "large"))).verdicts
    assert (unknown.outcome, unknown.why) == (Outcome.REFUSED, PAST)


def command(settings: Settings, *arguments: str, status: int = 0) -> str:
    """What a command of the group prints."""
    names = ("bootstrap_servers", "ledger", "chunk_topic", "record_topic", "dead_topic", "max_chunk_bytes")
    given = [f"--set={name}={getattr(settings, name)}" for name in names]
    result = CliRunner().invoke(main, ["dead", arguments[0], *given, *arguments[1:]])
    assert result.exit_code == status, result.output
    return result.output


def commands(settings: Settings, folder: Path) -> None:
    """The commands on this ledger: content comes out only where it is asked for."""
    told = partial(command, settings)
    listed = [json.loads(line) for line in told("ls", "--list", "--json").splitlines()]
    conflict = next(row for row in listed if row["reason"] == "conflict")
    figures = json.loads(told("ls", "--json"))
    assert (figures["letters"], figures["waiting"], figures["foreign"]) == (7, 7, 0)
    assert sum(row["letters"] for row in figures["reasons"]) == 7
    quiet = [
        told("ls"),
        told("ls", "--list"),
        told("ls", "--reason", "conflict", "--request-id", "r"),
        told("show", conflict["place"]),
        told("show", "r", "--json"),
        told("redrive", status=1),
        told("redrive", "--execute", "--reason", "conflict", "--json", status=1),
    ]
    assert not any(SECRET in each for each in quiet)
    assert "What to do:" in quiet[3]
    assert json.loads(quiet[-1])["outcomes"]["refused"] == 1
    assert SECRET in told("show", conflict["place"], "--content")
    target = folder / "value"
    assert SECRET not in told("show", conflict["place"], "--value", str(target))
    assert json.loads(target.read_bytes())["response"]["choices"][0]["delta"]["content"] == SECRET
    told("show", "r", "--value", str(target), status=2)
    told("show", "nobody", status=1)
    told("redrive", "0:999", status=1)


def test_a_quarantined_request_is_folded_anew(brisk: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the fault is mended its letters give the whole record, as a revision; originals are taken where kept."""
    with running(brisk, tmp_path / "log", failpoints="fold.before@1:bug") as worker:
        worker.wait_for("assigned")
        monkeypatch.setattr("pipeline.ops.dead.resending.BATCH", 2)
        asyncio.run(quarantined(brisk))
        assert worker.terminate()[0] == 0


async def quarantined(brisk: Settings) -> None:
    """Part of the letters first, the rest later, in two transactions; a repeat in the range counts for nothing."""
    made = [chat(0, "a", request_id="q"), chat(0, "a", request_id="q"), chat(1, "b", finish="stop", request_id="q")]
    await put(brisk, keyed(*made, usage(2, request_id="q", cost=0.25), marker(3, request_id="q")))
    letters, _ = await on_topic(brisk, letters=4)
    assert {letter.detail for letter in letters} == {"rebuilt"}
    assert (await records(brisk, at_least=1))["q"][0]["status"] == "error"
    assert set(outcomes(await sent_back(brisk)).values()) == {"held"}
    first, *rest = sorted(letters, key=lambda letter: letter.source.offset)
    await sent_back(brisk, str(first.place), later=LONG_AFTER)
    assert [text(each) for each in (await records(brisk, at_least=2))["q"][1:]] == ["a"]
    await sent_back(brisk, *(str(letter.place) for letter in rest), later=LONG_AFTER)
    third, last = (await records(brisk, at_least=4))["q"][2:]
    assert (last["revision"], text(last), last["chunk_count"], last["cost"]) == (3, "ab", 4, 0.25)
    assert last["status"] == "success"
    assert (third["delta"]["cost"], last["delta"]["cost"]) == (0.25, 0)
    assert last["source"]["first_offset"] == first.source.offset
    _, receipts = await on_topic(brisk, receipts=4)
    assert {receipt.value for receipt in receipts} == {value for _, value in keyed(*made)} | {
        encoded(usage(2, request_id="q", cost=0.25)),
        encoded(marker(3, request_id="q")),
    }


KILLED = """
import asyncio, json, sys
from pipeline.engine.failpoint import arm
from pipeline.settings import Settings
from tests.dead import sent_back
arm(sys.argv[2])
asyncio.run(sent_back(Settings(**json.loads(sys.argv[1])), repair_key=True))
"""

GONE, KEPT = "late-0", ("late-1", "late-2")
KEYED = [f"k{number}" for number in range(30)]


async def filled(settings: Settings) -> None:
    """Thirty letters under wrong keys, and three late ones: the chunks of the first one's record are gone."""
    for name in (GONE, *KEPT):
        await put(settings, keyed(chat(0, "a", finish="stop", request_id=name), marker(1, request_id=name)))
        await put(settings, keyed(usage(2, request_id=name, cost=0.5)))
    made = [chat(0, "a", finish="stop", is_final=True, request_id=name) for name in KEYED]
    await put(settings, [(b"wrong", encoded(each)) for each in made])
    await on_topic(settings, letters=33)
    first = (await records(settings, at_least=3))[KEPT[0]][0]["source"]["first_offset"]
    await forget(settings, settings.chunk_topic, 0, first)


async def asleep(settings: Settings) -> None:
    """Hours later nothing is sent to a worker that is away: it might have forgotten the request when it reads it."""
    report = await sent_back(settings, repair_key=True, later=LONG_AFTER, execute=False)
    told = {verdict.request_id: verdict for verdict in report.verdicts}
    assert {(told[name].outcome, told[name].why) for name in KEYED} == {(Outcome.REFUSED, ASLEEP)}
    assert {told[name].outcome for name in KEPT} == {Outcome.CORRECTION}


def killed_at(settings: Settings, point: str) -> None:
    """A redrive of everything in a process of its own, which dies there."""
    script = [sys.executable, "-c", KILLED, settings.model_dump_json(), f"{point}:kill"]
    ended = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == -9, ended.stderr


async def two_at_once(settings: Settings) -> None:
    """Of the letters under wrong keys: the later run fences the earlier one, or finds what it did."""
    choice = Choice(reasons=frozenset({"key_mismatch"}))
    runs = [sent_back(settings, choice=choice, repair_key=True) for _ in range(2)]
    ended = await asyncio.gather(*runs, return_exceptions=True)
    assert all(isinstance(each, Fenced) for each in ended if isinstance(each, BaseException)), ended


async def each_once(settings: Settings) -> None:
    """Every letter but one has a receipt and went back once; that one's record is as it was."""
    report = await sent_back(settings, repair_key=True)
    (stays,) = report.of(Outcome.REFUSED)
    assert stays.request_id == GONE
    assert "not kept" in str(stays.why)
    assert len(report.of(Outcome.CORRECTION)) == 1
    letters, receipts = await on_topic(settings, letters=33, receipts=32)
    assert sorted(receipt.of for receipt in receipts) == sorted({letter.place for letter in letters} - {stays.place})
    there = await committed(settings, settings.chunk_topic)
    back = Counter(each.key for each in there if HEADER_REDRIVE in dict(each.headers))
    assert back == Counter(name.encode() for name in KEYED)
    found = await records(settings)
    assert {name: len(got) for name, got in found.items()} == {GONE: 1, KEPT[0]: 2, KEPT[1]: 2}


def test_each_goes_back_once_whatever_dies(brisk: Settings, tmp_path: Path) -> None:
    """SIGKILL before and after commits, two runs at once, chunks past retention: nothing twice, nothing lost.

    The worker was away all the time, and makes one record of each request that came back.
    """
    with running(brisk, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        asyncio.run(filled(brisk))
        assert worker.terminate()[0] == 0
    asyncio.run(asleep(brisk))
    killed_at(brisk, "correction.before_commit@1")
    asyncio.run(two_at_once(brisk))
    killed_at(brisk, "correction.after_commit@1")
    asyncio.run(each_once(brisk))
    with running(brisk, tmp_path / "again.log"):
        found = asyncio.run(records(brisk, at_least=35))
    assert all([each["revision"] for each in found[name]] == [0] for name in KEYED)
