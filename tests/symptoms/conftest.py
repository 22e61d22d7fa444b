"""The one run on Kafka that all live symptoms look at."""

from __future__ import annotations

import pytest

from tests.symptoms.live import Live, play


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks at that run is an integration test."""
    for item in items:
        if isinstance(item, pytest.Function) and "live" in item.fixturenames and "symptoms" in item.path.parts:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def live(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Live:
    """Played once, when the first test asks for it."""
    return play(kafka, tmp_path_factory.mktemp("live"))
