"""`streamledger replay`: what can't be done is said before anything is read."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pipeline.cli.replay import command
from pipeline.errors import KafkaUnreachable, UsageError
from pipeline.ops.broker.ports import free_ports


def run(*arguments: str) -> None:
    """Run the command; what it raises comes out."""
    CliRunner().invoke(command, list(arguments), catch_exceptions=False, standalone_mode=False)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--emit"], "--emit sends what a diff finds"),
        (["--execute"], "--execute is of"),
        (["--to-topic=llm.accumulated", "--execute"], "llm.accumulated is the record_topic"),
        (["--look-back=10s"], "shorter than a request may be silent"),
        (["--look-ahead=soon"], "--look-ahead soon"),
        (["--from=yesterday"], "no position in a topic"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], text: str) -> None:
    """With what to do instead; nothing was read."""
    with pytest.raises(UsageError, match=text) as refused:
        run(*arguments)
    assert refused.value.hint or "soon" in text


def test_a_kafka_that_is_not_there_is_told() -> None:
    """Exit code 3."""
    (port,) = free_ports(1)
    with pytest.raises(KafkaUnreachable):
        run(f"--bootstrap-servers=127.0.0.1:{port}")
