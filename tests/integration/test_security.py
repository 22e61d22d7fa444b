"""A Kafka with TLS, logins and ACLs: every login works or says why not, and the table of least rights is executed."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.errors import NO_KAFKA, OK, AccessRefused, StreamledgerError, TokenUnavailable
from pipeline.ingest import Publisher
from pipeline.ingest.publish.policy import Policy
from pipeline.settings import NAMES, Settings, client
from pipeline.testing.ledger import fresh_name, ledger_settings
from pipeline.testing.topic import append
from pipeline.topics.admin import counts, create, definitions
from pipeline.topics.rights import ROLES, Right, Role, rights
from tests.certificates import EXPIRED, Authority
from tests.integration.engine.harness import Stream, Worker
from tests.secured import ADMINISTRATOR, HOST, Secured, secured

MODEL: Final = "m-1"
OVERLAY: Final = f"""
[[model]]
provider = "openai"
match = "{MODEL}"
input = 1
output = 2
"""


@pytest.fixture(scope="module")
def kafka_with_rights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """One secured broker for this file."""
    with secured(tmp_path_factory.mktemp("secured")) as found:
        yield found


@pytest.fixture
def base(kafka_with_rights: Secured, tmp_path: Path) -> Settings:
    """Settings of a ledger of a test's own."""
    servers = kafka_with_rights.cluster.bootstrap_servers
    return ledger_settings(servers, fresh_name(), tmp_path / "data", partitions=1)


def reach(settings: Settings) -> str:
    """What becomes of a look at a topic: nothing, or the error line."""
    try:
        asyncio.run(counts(client(settings), [settings.chunk_topic]))
    except StreamledgerError as error:
        assert error.exit_code == NO_KAFKA
        return str(error)
    return ""


def changed(settings: Settings, *names: str) -> list[str]:
    """Settings as `--set` of a command: those that are not the default, and no secret is among them."""
    every = Settings()
    told = (name for name in (names or NAMES) if getattr(settings, name) != getattr(every, name))
    return [f"--set={name}={getattr(settings, name)}" for name in told]


def run(settings: Settings, *arguments: str, stdin: bytes | None = None) -> tuple[int, str]:
    """A command in this process; its exit code and all that it printed."""
    done = CliRunner().invoke(main, [*arguments, *changed(settings)], input=stdin)
    return done.exit_code, done.output
