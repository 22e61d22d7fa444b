"""The README from top to bottom, as somebody does it who sees it for the first time: every command there runs.

In order, in one folder, on a real Kafka with a real worker, as it is written: only what a reader has and a test has not
(the names of hosts, an hour's time) is put in its place. What is not run here is listed with the reason, so that no
command of the README is forgotten. Its Python is run by `test_readme`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
import pytest

from pipeline.settings import NAMES, Settings, client
from pipeline.settings.model import ENV_PREFIX
from pipeline.testing import chat, eventually
from pipeline.testing.ledger import Ledger
from pipeline.testing.topic import committed
from pipeline.topics.admin import create, definitions
from tests.receiver import Receiver, receiving
from tests.shell import Done, Running, begin

README: Final = Path(__file__).parents[2] / "README.md"

ELSEWHERE: Final = {
    "make demo": "tests/integration/test_demo.py",
    "make test": "this is a part of it",
    "docker compose": "needs a Docker engine; tests/unit/docker holds the file to its schema and to our commands",
    "pip install": "tests/integration/test_wheel.py",
    "pipx": "tests/integration/test_wheel.py, with pip",
    "streamledger broker": "the Kafka of the tests is one",
    "streamledger demo": "tests/integration/test_demo.py, test_invoice.py",
    "streamledger usage --db demo.duckdb": "tests/integration/test_invoice.py",
    "streamledger spool": "a publisher has to leave one first; tests/unit/ops/spool, test_publisher",
    "streamledger erase --request-id req-7 --spool": "the same; tests/integration/test_erase.py",
}
"""Commands that are not run here, and where they are, or why not."""

INSTEAD: Final = {
    r"--requests 10000 --open 500": "--requests 20 --open 10",
    r"--timing real --open 200 --seconds 300": "--open 5 --seconds 0.2",
    r"--rate 5000": "--rate 5000 --requests 20",
    r"--interval 60s": "--interval 1s",
    r"^streamledger replay": "streamledger replay --processes 1",
}
"""What is shortened: as it stands there it takes minutes, or a process for each processor."""

GOES_ON: Final = re.compile(r"streamledger (worker|web)\b|--follow|sink \w+(?!.*--once)")
"""What runs until it is ended."""

FINDS: Final = {
    "streamledger reconcile": "the files of others name one request of many, and trouble was asked of the load",
}
"""Commands that may end with 1 here: they found a problem, and that is right."""


class Command(NamedTuple):
    """A line of the README."""

    number: int
    text: str

    def __str__(self) -> str:
        """For people."""
        return f"README.md:{self.number}: {self.text}"


def commands() -> Iterator[Command]:
    """Every command of the README's blocks, in order, without the remark behind it."""
    fence: str | None = None
    for number, line in enumerate(README.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            fence = line[3:] if fence is None else None
        elif fence == "" and re.match(r"(streamledger (?!\d)|make |pip |pipx |uvx |docker |kubectl |curl )", line):
            yield Command(number, re.sub(r"\s+# .*", "", line))


def elsewhere(text: str) -> bool:
    """Whether a command is in the list of what is not run here."""
    return any(text.startswith(begun) for begun in ELSEWHERE)


class World:
    """What a reader has: a folder with some files, a Kafka, a database, servers to send to."""

    def __init__(self, ledger: Ledger, folder: Path, postgres: str, receiver: Receiver) -> None:
        self._folder, self._ledger = folder, ledger
        self.postgres, self.receiver = postgres, receiver
        self._names = {
            r"postgresql://\S+": postgres,
            r"http://localhost:(8888|4318)": receiver.url,
            r"(localhost)?:946[45]": "localhost:0",
            **INSTEAD,
        }
        self._environment = {**dict(_environment(ledger.settings)), f"{ENV_PREFIX}WEB_ADDRESS": "localhost:0"}
        topics = [each for each in definitions(ledger.settings) if each.role == "records"]
        asyncio.run(create(client(ledger.settings), [each.model_copy(update={"name": OWN_TOPIC}) for each in topics]))
        for name, text in FILES.items():
            (folder / name).write_text(text, encoding="utf-8")
        (folder / "prices.toml").write_text(_block("toml"), encoding="utf-8")
        (folder / "new.toml").write_text(_block("toml"), encoding="utf-8")

    def begin(self, command: Command) -> Running:
        """Start a command, as it is written but for the names of this world."""
        text = command.text
        if "3:17" in text:
            settings = self._ledger.settings
            letter = asyncio.run(committed(settings, settings.dead_topic, at_least=1))[0]
            text = text.replace("3:17", f"{letter.partition}:{letter.offset}")
        for pattern, name in self._names.items():
            text = re.sub(pattern, name, text)
        return begin(text, self._folder, self._environment, self._folder / f"line-{command.number}")

    def mend(self) -> None:
        """Do what the README asks of its reader: mend the chunk that a dead letter has put into a file."""
        path = self._folder / "chunk.json"
        if path.exists() and json.loads(path.read_bytes()) == BROKEN:
            path.write_text(json.dumps(BROKEN | {"chunk_index": 0}), encoding="utf-8")


OWN_TOPIC: Final = "acme.records"
"""The topic of their own that a reader replays to."""

BROKEN: Final = {
    "request_id": "req-8",
    "stream_type": "chat.completion",
    "chunk_index": "0",
    "timestamp": "2026-11-23T16:00:00.120Z",
    "provider": "openai",
    "model": "gpt-4o",
    "response": {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]},
}
"""A chunk that becomes a dead letter."""

_CHUNK: Final = '{"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":['
_SSE: Final = (
    _CHUNK + '{"index":0,"delta":{"role":"assistant","content":"Hello"},"finish_reason":null}]}',
    _CHUNK + '{"index":0,"delta":{},"finish_reason":"stop"}]}',
    _CHUNK + '],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}',
    "[DONE]",
)
_GEMINI: Final = (
    '[{"candidates":[{"content":{"parts":[{"text":"Hello"}],"role":"model"},"finishReason":"STOP","index":0}],'
    '"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":1,"totalTokenCount":10},'
    '"modelVersion":"gemini-2.5-pro"}]'
)

FILES: Final = {
    "stream.sse": "".join(f"data: {line}\n\n" for line in _SSE),
    "stream.json": _GEMINI,
    "spend.csv": "request_id,model,prompt_tokens,completion_tokens,spend\nload-1-00000001,gpt-4o,9,1,0.0001\n",
    "invoice.csv": "id,amount_usd\nload-1-00000001,0.0001\n",
}
"""What the README's commands read and no earlier one of them has written."""


@pytest.mark.timeout(600)
def test_every_command_of_the_readme_runs_as_it_stands_there(
    streamledger_ledger: Ledger, postgres: str, tmp_path: Path
) -> None:
    """Each ends with 0, or with 1 where it looks for problems and there are some; what goes on ends when it is told."""
    wrong: list[str] = []
    stream = chat("req-7", provider="openai", model="gpt-4o").text("Hello").usage(9, 1).finish()
    streamledger_ledger.send(stream, json.dumps(BROKEN).encode())
    with receiving() as receiver, ExitStack() as held:
        world = World(streamledger_ledger, tmp_path, postgres, receiver)
        workers: list[tuple[Command, Running]] = []
        for command in commands():
            if elsewhere(command.text):
                continue
            running = world.begin(command)
            held.callback(running.kill)
            if not GOES_ON.search(command.text):
                wrong += _judged(command, running.finish())
                world.mend()
                continue
            eventually(partial(_lives, running, command, world), 60.0, what=str(command))
            if command.text.startswith("streamledger worker") and not workers:
                workers.append((command, running))
            else:
                wrong += _ended(command, running)
        for each in workers:
            wrong += _ended(*each)

    assert not wrong, "\n\n".join(wrong)


def test_what_is_run_elsewhere_stands_in_the_readme() -> None:
    """The lists have nothing that the README no longer says."""
    texts = [command.text for command in commands()]

    for begun in (*ELSEWHERE, *FINDS):
        assert any(text.startswith(begun) for text in texts), begun
    for pattern in INSTEAD:
        assert any(re.search(pattern, text) for text in texts), pattern


def _lives(running: Running, command: Command, world: World) -> bool:
    """Whether what goes on by itself has given a sign of life: a line, or, of what is silent, its work."""
    assert running.processes[-1].is_alive(), f"{command} ended: {running.finish().stderr}"
    if command.text.startswith("streamledger sink postgres"):
        with suppress(psycopg.errors.UndefinedTable), psycopg.connect(world.postgres) as database:
            return database.execute("SELECT 1 FROM records LIMIT 1").fetchone() is not None
        return False
    if command.text.startswith("streamledger export"):
        return bool(world.receiver.taken)
    if command.text.startswith("streamledger worker"):
        return '"starting"' in running.stderr.read_text(encoding="utf-8")  # its first line comes before its handlers
    return bool(running.stdout.stat().st_size or running.stderr.stat().st_size)


def _ended(command: Command, running: Running) -> list[str]:
    """What is wrong with the end of what was told to end."""
    pid = running.processes[-1].pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    return _judged(command, running.finish())


def _judged(command: Command, done: Done) -> list[str]:
    """Nothing, or what is wrong."""
    fine = {0, 1} if any(command.text.startswith(begun) for begun in FINDS) else {0}
    return (
        [] if done.code in fine else [f"{command}\nexit status {done.code}\n{done.stdout[-500:]}{done.stderr[-1_500:]}"]
    )


def _environment(settings: Settings) -> Iterator[tuple[str, str]]:
    """The settings that are not the defaults, as a reader would export them once."""
    for name in NAMES:
        value = getattr(settings, name)
        if name in settings.model_fields_set and value is not None:
            yield (
                f"{ENV_PREFIX}{name.upper()}",
                f"{value}ms" if name.endswith(("_grace", "_window", "_slack")) else str(value),
            )


def _block(language: str) -> str:
    """The README's only block in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)
