"""Fuzzing of everything that reads bytes of others: only errors of our tree, in bounded time and memory."""

from __future__ import annotations

import contextlib
import json
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.errors import StreamledgerError, UsageError
from pipeline.ingest import sse
from pipeline.ingest.providers import PROVIDERS
from pipeline.ingest.recording import chunks_of
from pipeline.ops.fold import fold_lines
from pipeline.ops.reconcile.usage_file import PRESETS, UsageFile
from pipeline.settings import Settings, load
from schemas.deadletter import DeadLetter
from tests.fuzz.target import fuzz
from tests.unit.schemas.decoders import verdicts


def test_chunks() -> None:
    """Whatever the bytes, the compiled and the strict decoder say the same, and only ChunkRejected refuses."""

    def target(value: bytes) -> None:
        compiled, strict = verdicts(value)
        assert compiled == strict

    fuzz("chunks", target)


def test_fold() -> None:
    """Whatever the lines, fold makes records and dead letters of them, and no chunk is in two of them."""
    policy = Settings(ledger="fuzz").policy()

    def target(value: bytes) -> None:
        lines = [line for line in value.split(b"\n") if line.strip()]
        told = list(fold_lines(lines, policy))
        letters = sum(isinstance(each, DeadLetter) for each in told)
        records = [json.loads(each) for each in told if isinstance(each, bytes)]
        latest = {each["request_id"]: each for each in records}
        kept = sum(each["chunk_count"] + each["duplicate_count"] for each in latest.values())
        assert letters + kept <= len(lines)  # what repeats a closed request is in no record
        assert bool(told) == bool(lines)

    fuzz("chunks", target)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_provider_format(provider: str) -> None:
    """Whatever a provider sends, chunks come out that both decoders take or refuse alike; else a line says why not."""

    def target(value: bytes) -> None:
        made = chunks_of(value, provider=provider, request_id="fuzz", report=lambda _: None)
        with contextlib.suppress(UsageError):
            indexes = [(chunk.get("attempt", 0), chunk.get("image_index"), chunk["chunk_index"]) for chunk in made]
            assert all(one != other for one, other in pairwise(indexes))

    fuzz("streams", target)


def test_events() -> None:
    """Whatever the text, its events hold no more than it does."""

    def target(value: bytes) -> None:
        text = value.decode(errors="replace")
        held = sum(len(line.text) for event in sse.events(value) for line in event.data)
        assert held <= len(text)

    fuzz("streams", target)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl"])
def test_usage_file(tmp_path: Path, suffix: str) -> None:
    """Whatever somebody's usage file holds, rows come of it or a UsageError."""

    def target(value: bytes) -> None:
        path = tmp_path / f"usage{suffix}"
        path.write_bytes(value)
        for preset in PRESETS:
            with contextlib.suppress(StreamledgerError):
                list(UsageFile.of(path, preset, ()).rows())

    fuzz("usage", target)


def test_settings(tmp_path: Path) -> None:
    """Whatever a settings file holds, settings come of it or a UsageError."""

    def target(value: bytes) -> None:
        path = tmp_path / "ledger.toml"
        path.write_bytes(value)
        with contextlib.suppress(StreamledgerError):
            load(config=path)

    fuzz("settings", target)
