"""What a node is configured with: a single one, one of three, and the same for a container."""

from pathlib import Path

from pipeline.ops.broker.properties import Ports, environment, render, server_properties

THREE = [Ports(1, 2, 3), Ports(11, 12, 13), Ports(21, 22, 23)]


def test_single_node_replicates_nothing() -> None:
    """One broker can hold one copy, of Kafka's own topics too."""
    made = server_properties(1, THREE[:1], Path("/data"))

    copies = {made[name] for name in made if name.endswith(("replication.factor", "min.isr", "insync.replicas"))}

    assert copies == {"1"}


def test_three_nodes_survive_the_loss_of_one() -> None:
    """Three copies, two in sync (CONTRACT G1), and every node knows all controllers."""
    made = server_properties(2, THREE, Path("/data"))

    assert made["transaction.state.log.replication.factor"] == "3"
    assert made["min.insync.replicas"] == "2"
    assert made["controller.quorum.voters"] == "1@127.0.0.1:3,2@127.0.0.1:13,3@127.0.0.1:23"
    assert made["advertised.listeners"] == "CLIENT://127.0.0.1:11,BROKER://127.0.0.1:12"


def test_largest_chunk_and_its_dead_letter_fit() -> None:
    """Broker and replicas take what the topics allow: 16 MiB and 64 KiB (CONTRACT §3)."""
    made = server_properties(1, THREE[:1], Path("/data"))

    assert int(made["message.max.bytes"]) > (16 << 20) + (64 << 10)
    assert made["replica.fetch.max.bytes"] == made["message.max.bytes"]


def test_topics_do_not_come_into_being_by_themselves() -> None:
    """A mistyped topic is an error, not a topic with the wrong clock."""
    assert server_properties(1, THREE[:1], Path("/data"))["auto.create.topics.enable"] == "false"


def test_extra_properties_win() -> None:
    """Tests of SASL or TLS change what they need."""
    extra = {"listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT"}

    made = server_properties(1, THREE[:1], Path("/data"), extra)

    assert made["listener.security.protocol.map"] == extra["listener.security.protocol.map"]


def test_rendered_file_is_ascii_that_java_reads_back() -> None:
    """A home directory with an umlaut, an emoji or a backslash comes through Java's Latin-1 file."""
    assert render({"log.dirs": "/home/jörg/a\\b😀"}) == "log.dirs=/home/j\\u00f6rg/a\\u005cb\\ud83d\\ude00\n"


def test_container_gets_the_same_as_variables() -> None:
    """The image's own spelling of property names."""
    assert environment({"message.max.bytes": "1"}) == {"KAFKA_MESSAGE_MAX_BYTES": "1"}
