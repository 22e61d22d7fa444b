"""Money on a real Kafka: the worker prices what nobody priced, says once what it can't, and a replay agrees."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import Settings
from pipeline.testing import Ledger
from tests.integration.engine.harness import committed, running, send

pytestmark = pytest.mark.usefixtures("ledger_topics")

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}

GPT_4O = {"provider": "openai", "model": "gpt-4o"}
NONE = {"provider": "openai", "model": "none"}

Told = tuple[str | None, str | None, str | None]
"""Total, source and reason."""

CALLS: dict[str, tuple[dict[str, Any], Told]] = {
    "stated": (GPT_4O | {"cost": 0.5}, ("0.5", "gateway", None)),
    # 1000 × 2.50 + 100 × 10
    "listed": (GPT_4O, ("0.0035", "catalog", None)),
    # 1000 × 0.40 + 100 × 1.60, in the file below
    "own": ({"provider": "harbour", "model": "m-1"}, ("0.00056", "overlay", None)),
    "zero": (GPT_4O | {"cost": 0}, ("0.0035", "catalog", "gateway_zero")),
    "unknown-1": (NONE, (None, None, "unknown_model")),
    "unknown-2": (NONE, (None, None, "unknown_model")),
}


def chunk(request_id: str, envelope: dict[str, Any]) -> bytes:
    """A whole answer in one chunk."""
    document = {
        "request_id": request_id,
        "stream_type": "chat.completion",
        "chunk_index": 0,
        "timestamp": "2026-01-01T00:00:00Z",
        "is_final": True,
        "response": {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}], "usage": USAGE},
        **envelope,
    }
    return json.dumps(document).encode()


def test_the_worker_prices_what_nobody_priced(brisk: Settings, tmp_path: Path) -> None:
    """Own prices, list prices, an overruled zero; one warning for a model without a price, none per request."""
    overlay = tmp_path / "prices.toml"
    overlay.write_text('version = "live"\n[models."harbour/m-1"]\ninput = 0.40\noutput = 1.60', encoding="utf-8")
    settings = brisk.model_copy(update={"price_overlay": overlay})
    with running(settings, tmp_path / "log") as worker:
        asyncio.run(send(settings, ((name, chunk(name, envelope)) for name, (envelope, _) in CALLS.items())))
        values = [
            record.value or b""
            for record in asyncio.run(committed(settings, settings.record_topic, at_least=len(CALLS)))
        ]
        assert worker.terminate()[0] == 0
        warned = worker.events("no price")
    records = {record["request_id"]: record for record in map(json.loads, values)}
    details = {name: record["cost_details"] for name, record in records.items()}

    assert {name: (each["total"], each["source"], each["reason"]) for name, each in details.items()} == {
        name: told for name, (_, told) in CALLS.items()
    }
    assert (details["own"]["price_id"], details["own"]["price_version"]) == ("harbour/m-1", "live")
    assert [(event["provider"], event["model"], event["reason"]) for event in warned] == [
        ("openai", "none", "unknown_model")
    ]
    assert sorted(values) == sorted(Ledger(settings).fold().values)
