"""What tests on a real Kafka share: names of their own, settings that use them, and topics under those names."""

import asyncio
from pathlib import Path

import pytest

from pipeline.settings import Settings, client
from pipeline.testing.ledger import fresh_name, ledger_settings
from pipeline.topics.admin import create, definitions
from schemas.topics import Topic

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is an integration test."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.integration)


@pytest.fixture
def topic_prefix() -> str:
    """A name that no other test, and no earlier run on the same Kafka, has used."""
    return fresh_name()


@pytest.fixture
def settings(kafka: str, topic_prefix: str, tmp_path: Path) -> Settings:
    """Settings of a ledger of this test's own, with two partitions; `model_copy(update=…)` makes variants."""
    return ledger_settings(kafka, topic_prefix, tmp_path / "data")


@pytest.fixture
def ledger_topics(settings: Settings) -> list[Topic]:
    """The topics of `settings`, created."""
    wanted = definitions(settings)
    asyncio.run(create(client(settings), wanted))
    return wanted
