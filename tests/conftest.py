"""The Kafka and the PostgreSQL of a test run: started when the first test asks for one, gone when the run ends."""

import signal
from collections.abc import Iterator

import pytest

from pipeline.ops.kafka import discover
from tests.postgres import postgres, postgres_server

__all__ = ["kafka", "postgres", "postgres_server"]


def pytest_configure() -> None:
    """Signals mean what they mean at a terminal, even where the run was started by nohup or in the background."""
    for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_IGN:
            signal.signal(getattr(signal, name), handler)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    """Bootstrap servers of a real Kafka: the one in STREAMLEDGER_BOOTSTRAP_SERVERS, else Docker, else embedded."""
    reporter = request.config.pluginmanager.getplugin("terminalreporter")

    def say(line: str) -> None:
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(line)

    with discover(say=say) as found:
        yield found.bootstrap_servers
