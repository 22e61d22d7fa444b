"""A ledger on a secured Kafka with every kind of thing in it, and what each role does with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from click.testing import CliRunner

from pipeline.cli import main
from pipeline.errors import OK
from pipeline.ops.events import events
from pipeline.settings import NAMES, Settings, show
from pipeline.testing.ledger import fresh_name, ledger_settings
from pipeline.testing.topic import append
from pipeline.topics.rights import Right, Role, rights
from tests.integration.engine.harness import Stream, Worker
from tests.secured import ADMINISTRATOR, Secured

MODEL: Final = "m-1"
GOODBYE: Final = 25
"""Seconds below the 30 that an event loop waits by default for a goodbye over TLS."""
OVERLAY: Final = f'[models."openai/{MODEL}"]\ninput = 1\noutput = 2\n'
"""Prices that change a record."""


def changed(settings: Settings, *names: str) -> list[str]:
    """Settings as `--set` of a command: those that are not the default, and no secret is among them."""
    every = Settings()
    told = (name for name in (names or NAMES) if getattr(settings, name) != getattr(every, name))
    return [f"--set={name}={show(name, getattr(settings, name))}" for name in told]


def run(settings: Settings, *arguments: str, stdin: bytes | None = None) -> tuple[int, str]:
    """A command in this process; its exit code and all that it printed."""
    done = CliRunner().invoke(main, [*arguments, *changed(settings)], input=stdin)
    return done.exit_code, done.output


@dataclass(frozen=True)
class Books:
    """A ledger with every kind of thing in it, made by users who could do nothing else."""

    kafka: Secured
    base: Settings
    administrator: Settings

    def user(self, role: Role, *, without: Right | None = None) -> Settings:
        """Settings of a user with exactly the rights of a role, but for one."""
        every = rights(role, self.base)
        number = "" if without is None else f"-{every.index(without)}"
        name = f"{self.base.ledger}-{role}{number}"
        left = [right for right in every if right != without]
        if left:
            self.kafka.grant(name, left)
        return self.kafka.settings(self.base, name)

    def put(self, request_id: str, key: str = "", *, final: bool = True) -> None:
        """A chunk that is a whole stream, under its id or another key."""
        chunk = json.loads(Stream(request_id, ("word ",)).chunk(0)) | {"is_final": final, "provider": "openai"}
        message = ((key or request_id).encode(), json.dumps(chunk).encode(), 0)
        asyncio.run(append(self.administrator, self.base.chunk_topic, [message]))


def filled(kafka_with_rights: Secured, home: Path) -> Books:
    """Topics by `topics`, chunks by `produce`, records and dead letters by `worker`, each as a user of its role."""
    servers = kafka_with_rights.cluster.bootstrap_servers
    # Closed by its finish, and so to be erased, is what anything follows.
    base = ledger_settings(servers, fresh_name(), home / "data", partitions=1, finish_grace="1ms")
    made = Books(kafka_with_rights, base, kafka_with_rights.settings(base, ADMINISTRATOR))
    (home / "overlay.toml").write_text(OVERLAY, encoding="utf-8")

    code, said = run(made.user("topics"), "topics")
    assert code == OK, said
    made.put("erased", final=False)
    stream = Stream("explained", ("a ", "b "))
    code, said = run(made.user("gateway"), "produce", stdin=b"\n".join(stream.chunk(index) for index in range(2)))
    assert code == OK, said
    made.put("repriced")
    made.put("misplaced", key="another")
    code, said = worked(made.user("worker"), home / "worker.log")
    assert code == OK, said
    (seconds,) = (event["seconds"] for event in events(said, "restored"))
    assert seconds < GOODBYE, "a connection over TLS was closed by its timeout"
    return made


def worked(settings: Settings, log: Path) -> tuple[int, str]:
    """A worker that ends when all is worked off; its exit code and log."""
    worker = Worker(settings, log, drain=True)
    return worker.wait(), worker.text()


def overlay(settings: Settings) -> Settings:
    """With prices that change a record."""
    return settings.model_copy(update={"price_overlay": settings.data_dir.parent / "overlay.toml"})


Command = Callable[[Settings], tuple[int, str]]


def redrive(settings: Settings) -> tuple[int, str]:
    """The dead letter goes back."""
    return run(settings, "dead", "redrive", "--repair-key", "--execute")


def reprice(settings: Settings) -> tuple[int, str]:
    """A record is corrected."""
    arguments = ("reprice", "--request-id", "repriced", "--execute")
    return run(overlay(settings), *arguments)


def explain(settings: Settings) -> tuple[int, str]:
    """The chunks of a record and the record."""
    return run(settings, "explain", "explained")


def dead(settings: Settings) -> tuple[int, str]:
    """The dead letters."""
    return run(settings, "dead", "ls")


def reconcile(settings: Settings) -> tuple[int, str]:
    """Chunks, dead letters, records and the worker's position."""
    return run(settings, "reconcile", "--request-id", "explained")


def sink(settings: Settings) -> tuple[int, str]:
    """Records into a database."""
    path = settings.data_dir.parent / f"{fresh_name()}.duckdb"
    return run(settings, "sink", "duckdb", "--once", "--db", str(path))


def export(settings: Settings) -> tuple[int, str]:
    """Records for others."""
    return run(settings, "export", "cloudevents", "--subject", "x")


def erase(settings: Settings) -> tuple[int, str]:
    """Content of a closed request that may still be revised."""
    return run(settings, "erase", "--request-id", "erased", "--execute")


def produce(settings: Settings) -> tuple[int, str]:
    """A chunk; of a stream that is there already, so that it changes nothing."""
    return run(settings, "produce", stdin=Stream("explained", ("a ", "b ")).chunk(0))


def topics(settings: Settings) -> tuple[int, str]:
    """All of them looked at."""
    return run(settings, "topics")


EVERY: Final[Mapping[Role, tuple[Command, ...]]] = {
    "gateway": (produce,),
    "sink": (sink, export),
    "reader": (explain, dead, reconcile),
    "corrector": (redrive, reprice),
    "eraser": (erase,),
    "topics": (topics,),
}
"""What a role does; the first that needs a right must miss it."""
