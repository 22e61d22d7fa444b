"""The pytest plugin: fixtures for a real Kafka, a ledger and a worker; idle until a test asks for one.

A test suite needs no conftest for it::

    import pytest

    from pipeline.testing import assert_record, chat


    def test_a_stream_becomes_a_record(streamledger_ledger, streamledger_worker):
        stream = chat("r-1", provider="openai", model="gpt-4o").text("Hel", "lo").usage(10, 5).finish("stop")
        streamledger_ledger.send(stream.shuffled(seed=7).duplicated(0.2))
        assert_record(streamledger_ledger.records.of("r-1"), status="success", tokens=(10, 5), text="Hello")


    @pytest.mark.streamledger(session_window="2s", finish_grace="300ms", clock_slack="1s")
    def test_a_stream_that_never_ends_expires(streamledger_ledger, streamledger_worker):
        streamledger_ledger.send(chat("r-2").text("Hel", "lo").cut(1))
        assert_record(streamledger_ledger.records.of("r-2"), status="incomplete", closed_by="expiry", text="Hel")

Fixtures:

- `streamledger_kafka` (session): bootstrap servers of a real Kafka: STREAMLEDGER_BOOTSTRAP_SERVERS, else the ini
  option `streamledger_bootstrap_servers`, else a container, else the embedded broker (`pipeline.ops.kafka`). Under
  pytest-xdist each process has its own, unless one is named.
- `streamledger_ledger`: a `pipeline.testing.Ledger` with fresh topics; they are deleted afterwards from a Kafka that
  was named.
- `streamledger_worker`: a `pipeline.testing.Worker` on that ledger, ready.

Ini option `streamledger_settings`: a line `name = value` for each setting of every ledger. The marker
`streamledger(**settings)` has those of a test or, on a class or module, of its tests; the closest one wins.

Nothing is imported before a fixture is used, no fixture is automatic, there are no command line options. Imports pytest
alone at its top.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pipeline.ops.kafka import Kafka
    from pipeline.testing.ledger import Ledger
    from pipeline.testing.worker import Worker

SERVERS = "streamledger_bootstrap_servers"
SETTINGS = "streamledger_settings"
MARKER = "streamledger"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini options."""
    parser.addini(SERVERS, "Kafka that the fixtures of streamledger use; the environment goes before", "string", "")
    parser.addini(SETTINGS, "settings of ledgers in tests, `name = value` in a line", "linelist", [])


def pytest_configure(config: pytest.Config) -> None:
    """The marker."""
    config.addinivalue_line("markers", f"{MARKER}(**settings): settings of the ledger in `streamledger_ledger`")


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """What differs, where a record is compared with a matcher; nothing else is looked at."""
    matching = sys.modules.get("pipeline.testing.matching")
    if op != "==" or matching is None:
        return None
    record, matcher = (left, right) if isinstance(right, matching.RecordMatcher) else (right, left)
    if not isinstance(matcher, matching.RecordMatcher) or not isinstance(record, dict):
        return None
    return ["record == expected", *matcher.explain(record)]


@pytest.fixture(scope="session")
def _streamledger_found(request: pytest.FixtureRequest) -> Iterator[Kafka]:
    from pipeline.errors import BrokerFault  # noqa: PLC0415 (this and the others below: see the module's last line)
    from pipeline.ops.kafka import VARIABLE, discover  # noqa: PLC0415

    reporter = request.config.pluginmanager.getplugin("terminalreporter")

    def say(line: str) -> None:
        if reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(line)

    environ = {VARIABLE: str(request.config.getini(SERVERS))}
    environ |= {name: value for name, value in os.environ.items() if name == VARIABLE and value.strip()}
    try:
        with discover(environ, say=say) as found:
            yield found
    except BrokerFault as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def streamledger_kafka(_streamledger_found: Kafka) -> str:
    """Bootstrap servers of a real Kafka: the one that is named, else a container, else the embedded broker."""
    return _streamledger_found.bootstrap_servers


@pytest.fixture
def streamledger_ledger(request: pytest.FixtureRequest, _streamledger_found: Kafka, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with fresh topics, its settings from the ini option and the markers of the test."""
    from pydantic import ValidationError  # noqa: PLC0415

    from pipeline.errors import StreamledgerError  # noqa: PLC0415
    from pipeline.testing.ledger import opened  # noqa: PLC0415

    servers, source = _streamledger_found
    with contextlib.ExitStack() as held:
        try:
            made = opened(servers, tmp_path / "data", remove=source == "environment", **_settings(request))
            ledger = held.enter_context(made)
        except (StreamledgerError, ValidationError) as error:
            pytest.fail(str(error), pytrace=False)
        yield ledger


@pytest.fixture
def streamledger_worker(streamledger_ledger: Ledger, tmp_path: Path) -> Iterator[Worker]:
    """A worker process on `streamledger_ledger`, ready; gone after the test."""
    from pipeline.testing.worker import running  # noqa: PLC0415

    with running(streamledger_ledger, tmp_path / "worker.log") as worker:
        yield worker


def _settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings of a test: those of the ini option, then those of markers, the closest last."""
    from pipeline.settings import NAMES, unknown  # noqa: PLC0415

    told: dict[str, Any] = {}
    for line in request.config.getini(SETTINGS):
        name, equals, value = line.partition("=")
        if not equals:
            raise pytest.UsageError(f"{SETTINGS}: {line!r} has no value; write name = value")
        told[name.strip()] = value.strip()
    for marker in reversed(list(request.node.iter_markers(MARKER))):
        if marker.args:
            raise pytest.UsageError(f"@pytest.mark.{MARKER} takes settings by name")
        told |= marker.kwargs
    for name in told:
        if name not in NAMES:
            raise unknown(name, f"in @pytest.mark.{MARKER} or {SETTINGS}")
    return told
