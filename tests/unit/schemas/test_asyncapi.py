"""The AsyncAPI document says what CONTRACT §3 says.

It was held against the official AsyncAPI 3.0.0 schema (npm @asyncapi/specs 6.11.1) by hand; no Python package ships
that schema, so its rules that matter here are asserted one by one.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from schemas.asyncapi import document
from schemas.generate import FOLDER
from schemas.topics import topics

DOCUMENT = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def test_the_file_is_the_document() -> None:
    """YAML holds it without loss: numbers stay numbers, texts stay texts."""
    assert document() == DOCUMENT


def test_required_parts_are_there() -> None:
    """Version, info, and only members that AsyncAPI 3.0 knows."""
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    assert DOCUMENT.keys() == {"asyncapi", "info", "defaultContentType", "channels", "operations", "components"}


def test_every_reference_resolves() -> None:
    """Inside the document by pointer, outside by the name of a generated file."""
    references = list(_references(DOCUMENT))

    assert references
    for reference in references:
        if reference.startswith("./"):
            assert (FOLDER / reference).is_file()
            continue
        node: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
        assert node


@pytest.mark.parametrize("topic", topics(), ids=lambda topic: topic.role)
def test_every_topic_is_a_channel_with_its_settings(topic: Any) -> None:
    """The Kafka binding 0.5.0 carries name, partitions and configuration of the topic file."""
    channel = DOCUMENT["channels"][topic.role]
    kafka = channel["bindings"]["kafka"]
    configuration = kafka["topicConfiguration"]

    assert channel["address"] == kafka["topic"] == topic.name
    assert kafka["bindingVersion"] == "0.5.0"
    assert kafka["partitions"] == topic.partitions
    assert configuration.keys() == topic.config.keys()
    assert set(configuration["cleanup.policy"]) <= {"compact", "delete"}
    assert configuration["max.message.bytes"] == int(topic.config["max.message.bytes"])


def test_replicas_are_left_out_where_the_cluster_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """-1 is Kafka's word, not AsyncAPI's; a number is told."""
    assert "replicas" not in DOCUMENT["channels"]["chunks"]["bindings"]["kafka"]

    monkeypatch.setattr("schemas.asyncapi.topics", lambda: topics(replication=3))
    assert document()["channels"]["chunks"]["bindings"]["kafka"]["replicas"] == 3


def test_operations_are_those_of_the_worker() -> None:
    """It receives chunks, and sends records and dead letters."""
    said = {name: (one["action"], one["channel"]["$ref"]) for name, one in DOCUMENT["operations"].items()}
    assert said == {
        "receiveChunk": ("receive", "#/channels/chunks"),
        "sendRecord": ("send", "#/channels/records"),
        "sendDeadLetter": ("send", "#/channels/dead_letters"),
    }


def test_messages_are_keyed_by_request() -> None:
    """The Kafka key of every message is the request id."""
    for message in DOCUMENT["components"]["messages"].values():
        assert message["bindings"]["kafka"]["key"]["type"] == "string"


def test_headers_are_those_of_the_contract() -> None:
    """What a consumer can filter by without opening the value (CONTRACT §2, §3)."""
    messages = DOCUMENT["components"]["messages"]

    assert set(messages["record"]["headers"]["properties"]) == {
        *("record_id", "revision", "schema_version", "stream_type", "status", "content-type", "traceparent"),
    }
    assert set(messages["deadLetter"]["headers"]["required"]) == {
        *("dl.reason", "dl.detail", "dl.topic", "dl.partition", "dl.offset", "dl.timestamp"),
    }
    assert set(messages["receipt"]["headers"]["required"]) == {"dl.redriven", "dl.way", "dl.chunk"}
    assert set(DOCUMENT["channels"]["dead_letters"]["messages"]) == {"deadLetter", "receipt"}
    assert set(messages["chunk"]["headers"]["properties"]) == {"traceparent", "dl.redrive"}
