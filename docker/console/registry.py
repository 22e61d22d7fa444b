# ruff: noqa: INP001 (a program, run by its path)
"""The schemas of this project, shown to a Kafka console as a schema registry that nobody can write to.

    python registry.py [PORT]

Owns what consoles ask a registry for (Confluent's API: subjects, versions, schemas, config, mode). Nothing that sends
or reads messages needs it: they carry no schema id. Imports the standard library, and reads the package `schemas`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import unquote, urlsplit

TOPICS = {
    "llm.chunks-value": "chunk",
    "llm.accumulated-value": "accumulated",
    "llm.chunks.dead-value": "dead-letter",
}
"""Subjects as consoles name the values of a topic; the other schemas are subjects by their own name."""

READ_ONLY = {"compatibilityLevel": "NONE", "compatibility": "NONE", "mode": "READONLY"}


def subjects() -> Mapping[str, dict[str, Any]]:
    """Every schema as its first version, by subject."""
    ending = ".schema.json"
    folder = resources.files("schemas") / "generated"
    texts = {
        file.name.removesuffix(ending): file.read_text("utf-8") for file in folder.iterdir() if ending in file.name
    }
    names = TOPICS | {name: name for name in sorted(texts) if name not in TOPICS.values()}
    return {
        subject: {"subject": subject, "id": number, "version": 1, "schemaType": "JSON", "schema": texts[name]}
        for number, (subject, name) in enumerate(names.items(), 1)
    }


SUBJECTS = subjects()


def answer(path: str) -> tuple[int, Any]:
    """Status and JSON of a GET.

    >>> answer("/subjects/llm.chunks-value/versions")
    (200, [1])
    >>> answer("/subjects/unknown/versions")[0]
    404
    """
    parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]
    match parts:
        case [""]:
            return 200, {}
        case ["config" | "mode"] | ["config" | "mode", _]:
            return 200, READ_ONLY
        case ["schemas", "types"]:
            return 200, ["JSON"]
        case ["schemas", "ids", number, *rest]:
            return _of_id(number, rest)
        case ["subjects"]:
            return 200, list(SUBJECTS)
        case ["subjects", subject, "versions", *rest]:
            return _of_subject(subject, rest)
    return 404, {"error_code": 404, "message": "Not found"}


def _of_id(number: str, rest: list[str]) -> tuple[int, Any]:
    """`schemas/ids/NUMBER`, and where it is used."""
    found = [schema for schema in SUBJECTS.values() if str(schema["id"]) == number]
    if not found:
        return 404, {"error_code": 40403, "message": "Schema not found"}
    schema = found[0]
    told = {"versions": [{"subject": schema["subject"], "version": 1}], "subjects": [schema["subject"]]}
    return 200, told[rest[0]] if rest and rest[0] in told else {"schemaType": "JSON", "schema": schema["schema"]}


def _of_subject(subject: str, rest: list[str]) -> tuple[int, Any]:
    """`subjects/SUBJECT/versions`, and one of them."""
    if subject not in SUBJECTS:
        return 404, {"error_code": 40401, "message": "Subject not found"}
    if not rest:
        return 200, [1]
    version, *part = rest
    if version not in {"1", "latest", "-1"}:
        return 404, {"error_code": 40402, "message": "Version not found"}
    schema = SUBJECTS[subject]
    told = {"schema": json.loads(schema["schema"]), "referencedby": []}
    return 200, told[part[0]] if part and part[0] in told else schema


class Handler(BaseHTTPRequestHandler):
    """GET only: every other method is answered 501 by the base class."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Answer one request."""
        status, told = answer(self.path)
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: a console asks every few seconds."""


if __name__ == "__main__":
    if not re.fullmatch(r"\d{1,5}", port := (sys.argv[1:] or ["8081"])[0]):
        sys.exit(f"{port} is no port")
    with ThreadingHTTPServer(("0.0.0.0", int(port)), Handler) as server:  # noqa: S104 (inside the project's network)
        server.serve_forever()
