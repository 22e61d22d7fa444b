"""The README's examples of publishing are run as they stand there, against a server of streams and a real Kafka."""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
import re
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from pipeline.settings import Settings
from tests.integration.engine.harness import committed
from tests.integration.test_taps import folded
from tests.sdks import SAID
from tests.streams_server import ANSWERS, serving

README: Final = Path(__file__).parents[2] / "README.md"
_BLOCKS: Final = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TOP_LEVEL: Final = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def blocks() -> list[str]:
    """The examples under the heading that publish."""
    section = re.search(r"^#+ Publish\n(.*?)(?=^## |\Z)", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert section is not None
    return [block for block in _BLOCKS.findall(section[1]) if "pipeline.ingest" in block]


async def _application(_: Any, __: Any, send: Any) -> None:
    """What the middleware's example wraps."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"".join(ANSWERS["/v1/chat/completions"])})


async def _ask(app: Any) -> None:
    """Ask what the middleware's example made."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://proxy") as client:
        answer = await client.post("/v1/chat/completions", json={"model": "gpt-4o"}, headers={"x-team": "search"})
    assert answer.content == b"".join(ANSWERS["/v1/chat/completions"])


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # an example closes no client
def test_the_examples_of_the_readme(settings: Settings, ledger_topics: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each runs without a change and gives one successful record; the fallback's has both its attempts."""
    assert ledger_topics
    for name in ("bootstrap_servers", "ledger", "chunk_topic", "record_topic", "dead_topic", "data_dir"):
        monkeypatch.setenv(f"STREAMLEDGER_{name.upper()}", str(getattr(settings, name)))
    with serving() as server:
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url())
        for block in blocks():
            way = "reset" if ".retry(" in block else "plain"
            monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url(way)}/v1")
            code = compile(block, str(README), "exec", flags=_TOP_LEVEL)
            if "litellm" not in block:  # importing it takes long; test_litellm has its logger
                asyncio.run(_run(code, {"messages": SAID, "base_url": server.url(), "app": _application}))
        gc.collect()  # while the mark of this test holds
    values = asyncio.run(committed(settings, settings.chunk_topic))
    records = list(folded([seen.value or b"" for seen in values]).values())

    assert len(records) == sum("litellm" not in block for block in blocks())
    assert {record["status"] for record in records} == {"success"}
    assert sum(record["attempts"] is not None for record in records) == sum(".retry(" in block for block in blocks())
    assert {"search"} == {record["labels"]["team"] for record in records if record["labels"]}


async def _run(code: Any, names: dict[str, Any]) -> None:
    """Run an example; what it leaves open is used and closed."""
    app = names["app"]
    made = eval(code, names)  # noqa: S307  the README's own
    if inspect.isawaitable(made):
        await made
    if names["app"] is not app:
        await _ask(names["app"])
        await names["app"]._publisher.close()
