"""The AsyncAPI 3.0 document: channels from the topics, messages from the models, Kafka bindings 0.5.0.

Imports schemas.topics and schemas.deadletter; payloads are references to the JSON Schema files beside the document.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from schemas.chunk import SCHEMA_VERSION, StreamType
from schemas.deadletter import (
    DEAD_LETTER_HEADERS,
    HEADER_REASON,
    HEADER_REDRIVE,
    HEADER_WAY,
    RECEIPT_HEADERS,
    DeadLetterReason,
    Way,
)
from schemas.record.status import Status
from schemas.topics import Role, Topic, topics

ASYNCAPI: Final = "3.0.0"
KAFKA_BINDING: Final = "0.5.0"
SCHEMA_FORMAT: Final = "application/schema+json;version=draft-2020-12"

_LISTS: Final = frozenset({"cleanup.policy"})
"""Topic settings that the binding writes as lists."""

_KEY: Final = {"type": "string", "description": "request_id as UTF-8"}
_CORRELATION: Final = {"$ref": "#/components/correlationIds/request"}


def document() -> dict[str, Any]:
    """The document for a ledger with the default names."""
    by_role: dict[Role, Topic] = {topic.role: topic for topic in topics()}
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "Streamledger",
            "version": f"{SCHEMA_VERSION}.0.0",
            "description": "Chunks of streamed LLM responses in, one AccumulatedData per request and revision out.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {role: _channel(topic) for role, topic in by_role.items()},
        "operations": {
            "receiveChunk": _operation("receive", "chunks", "chunk", "Fold a chunk into its request."),
            "sendRecord": _operation("send", "records", "record", "Send a request's record when it has closed."),
            "sendDeadLetter": _operation("send", "dead_letters", "deadLetter", "Set aside what was not admitted."),
        },
        "components": {
            "messages": {
                "chunk": _chunk(),
                "record": _record(),
                "deadLetter": _dead_letter(),
                "receipt": _receipt(),
            },
            "correlationIds": {
                "request": {"description": "The request.", "location": "$message.payload#/request_id"},
            },
        },
    }


_MESSAGES: Final[dict[Role, tuple[str, ...]]] = {
    "chunks": ("chunk",),
    "records": ("record",),
    "dead_letters": ("deadLetter", "receipt"),
}
"""The public messages of a role; changelogs hold private rows."""


def _channel(topic: Topic) -> dict[str, Any]:
    kafka: dict[str, Any] = {"topic": topic.name, "partitions": topic.partitions}
    if topic.replication > 0:
        kafka["replicas"] = topic.replication
    kafka["topicConfiguration"] = {name: _setting(name, value) for name, value in topic.config.items()}
    kafka["bindingVersion"] = KAFKA_BINDING
    channel: dict[str, Any] = {"address": topic.name, "description": topic.description}
    if names := _MESSAGES.get(topic.role):
        channel["messages"] = {name: {"$ref": f"#/components/messages/{name}"} for name in names}
    channel["bindings"] = {"kafka": kafka}
    channel["x-producers"] = list(topic.producers)
    channel["x-consumers"] = list(topic.consumers)
    return channel


def _setting(name: str, value: str) -> Any:
    """A topic setting in the type that the binding wants."""
    if name in _LISTS:
        return value.split(",")
    return yaml.safe_load(value)


def _operation(action: str, role: Role, message: str, summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{role}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{role}/messages/{message}"}],
    }


def _message(name: str, summary: str, headers: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "summary": summary,
        "headers": headers,
        "bindings": {"kafka": {"key": _KEY, "bindingVersion": KAFKA_BINDING}},
    }


def _payload(name: str) -> dict[str, Any]:
    return {"schemaFormat": SCHEMA_FORMAT, "schema": {"$ref": f"./{name}.schema.json"}}


def _chunk() -> dict[str, Any]:
    redrive = {"type": "string", "description": "Of a dead letter that was sent back: which, TOPIC:PARTITION:OFFSET."}
    headers = {"type": "object", "properties": {"traceparent": _TRACEPARENT, HEADER_REDRIVE: redrive}}
    return {
        **_message("Chunk", "One chunk of a stream.", headers),
        "correlationId": _CORRELATION,
        "payload": _payload("chunk"),
    }


def _record() -> dict[str, Any]:
    always = {
        "record_id": {"type": "string", "format": "uuid"},
        "revision": {"type": "string", "pattern": "^[0-9]+$"},
        "schema_version": {"type": "string", "pattern": "^[0-9]+$"},
        "stream_type": {"type": "string", "enum": [str(kind) for kind in StreamType]},
        "status": {"type": "string", "enum": [str(status) for status in Status]},
        "content-type": {"type": "string", "const": "application/json"},
    }
    headers = {"type": "object", "required": list(always), "properties": {**always, "traceparent": _TRACEPARENT}}
    return {
        **_message("AccumulatedData", "The record of a request; read it with read_committed.", headers),
        "correlationId": _CORRELATION,
        "payload": _payload("accumulated"),
    }


def _dead_letter() -> dict[str, Any]:
    properties: dict[str, Any] = {
        name: {"type": "string", "description": text} for name, text in DEAD_LETTER_HEADERS.items()
    }
    properties[HEADER_REASON]["enum"] = [str(reason) for reason in DeadLetterReason]
    headers = {"type": "object", "required": list(properties), "properties": properties}
    return {
        **_message("DeadLetter", "A chunk that was not admitted: its own key, value and headers, and dl.*.", headers),
        "contentType": "application/octet-stream",
        "payload": {"description": "The original bytes, whatever they are."},
    }


def _receipt() -> dict[str, Any]:
    properties: dict[str, Any] = {
        name: {"type": "string", "description": text} for name, text in RECEIPT_HEADERS.items()
    }
    properties[HEADER_WAY]["enum"] = [str(way) for way in Way]
    headers = {"type": "object", "required": list(properties), "properties": properties}
    return {
        **_message("Receipt", "A dead letter was sent back; has no dl.reason, which every dead letter has.", headers),
        "contentType": "application/octet-stream",
        "payload": {"description": "The chunk as a correction took it in; null where the chunk went to its topic."},
    }


_TRACEPARENT: Final = {"type": "string", "description": "W3C trace context of the request's first chunk."}
