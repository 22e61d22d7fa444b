"""The Kafka and the PostgreSQL of a test run: started when the first test asks for one, gone when the run ends."""

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import postgres, postgres_server

LONG_FIRST = tuple(Path(__file__).parent / name for name in ("chaos", "e2e", "integration"))

__all__ = ["kafka", "postgres", "postgres_server"]


def pytest_configure(config: pytest.Config) -> None:
    """Signals mean what they mean at a terminal, even where the run was started by nohup or in the background."""
    if not config.pluginmanager.has_plugin("streamledger"):
        raise pytest.UsageError("pytest does not know the plugin of pipeline.testing yet: run `make install`")
    for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_IGN:
            signal.signal(getattr(signal, name), handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no process of a run waits for the other's last file."""
    items.sort(key=lambda item: not any(map(item.path.is_relative_to, LONG_FIRST)))


@pytest.fixture(scope="session")
def kafka(streamledger_kafka: str) -> str:
    """Bootstrap servers of a real Kafka, as users' tests get them."""
    return streamledger_kafka


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that runs in this process sets logging up for itself; the next test finds it as the first one did."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
