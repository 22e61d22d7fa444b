"""A real PostgreSQL for tests; `tests/conftest.py` gives the fixtures to every test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from pipeline.errors import FoundProblem
from pipeline.ops.postgres import Server, server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """The server that the tests of a run share; what needs it is skipped where none can be run."""
    with ExitStack() as held:
        try:
            running = held.enter_context(server())
        except FoundProblem as error:
            pytest.skip(f"{error.message}: {error.hint}")
        yield running


@pytest.fixture
def postgres(postgres_server: Server) -> str:
    """URL of a new empty database."""
    return postgres_server.create()
