"""The demo's ledger and its end, without Kafka; the run itself is an integration test."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.ops.demo.flow import ledger_settings
from pipeline.settings import Settings

SECURED = Settings(
    bootstrap_servers="kafka:9092",
    ledger="main",
    capture="metadata",
    replication=3,
    clock_slack=9_000,
    security_protocol="SASL_PLAINTEXT",
    sasl_mechanism="PLAIN",
    sasl_plain_username="user",
    sasl_plain_password=SecretStr("secret"),
)


def test_on_a_foreign_kafka_every_name_is_new_and_the_way_in_the_users(tmp_path: Path) -> None:
    """Nothing of the user's ledger is touched; what his cluster decides stays his."""
    one = ledger_settings(SECURED, "kafka:9092", tmp_path, own_kafka=False)
    other = ledger_settings(SECURED, "kafka:9092", tmp_path, own_kafka=False)
    names = {one.ledger, one.chunk_topic, one.record_topic, one.dead_topic}

    assert names.isdisjoint({other.ledger, other.chunk_topic, other.record_topic, other.dead_topic, "main"})
    assert (one.sasl_plain_username, one.sasl_plain_password) == ("user", SecretStr("secret"))
    assert (one.replication, one.clock_slack) == (3, 9_000)


def test_on_its_own_kafka_the_demo_needs_no_login_and_one_replica(tmp_path: Path) -> None:
    """Security settings of the shell are meant for another Kafka."""
    own = ledger_settings(SECURED, "127.0.0.1:15000", tmp_path, own_kafka=True)

    assert (own.security_protocol, own.sasl_plain_password) == ("PLAINTEXT", None)
    assert (own.bootstrap_servers, own.replication, own.partitions) == ("127.0.0.1:15000", 1, 4)


@pytest.mark.parametrize("own_kafka", [True, False])
def test_what_shapes_a_record_is_the_demos_own(tmp_path: Path, own_kafka: bool) -> None:
    """Expectations hold whatever the user has configured, and a stream that never ends is waited for briefly."""
    ledger = ledger_settings(SECURED, "kafka:9092", tmp_path, own_kafka=own_kafka)

    assert (ledger.capture, ledger.late_policy) == ("full", "revise")
    assert ledger.finish_grace < ledger.session_window <= 10_000
