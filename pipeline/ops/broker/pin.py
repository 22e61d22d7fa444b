"""Write `kafka.lock`: `python -m pipeline.ops.broker.pin`, after a change of COORDINATES or of KAFKA_VERSION.

Resolves the dependencies with jgo, as Maven does, in an empty repository, and writes down what came. Imports jgo and
its sibling `jars`.
"""

import hashlib
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from jgo.maven import MavenContext, PythonResolver

from pipeline.ops.broker.jars import KAFKA_VERSION, LOCK

COORDINATES: Final = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")
"""Kafka, and the small logger that writes to its output; 1.7.36 is the API that Kafka is built with."""

HEADER: Final = "# SHA-256, size and coordinate of every jar of the embedded Kafka; made by pipeline.ops.broker.pin\n"


def main() -> None:
    """Resolve, download and record."""
    with tempfile.TemporaryDirectory() as repository:
        context = MavenContext(resolver=PythonResolver(), repo_cache=Path(repository))
        inputs, others = context.resolver.resolve([context.create_dependency(name) for name in COORDINATES])
        found = [
            (f"{each.groupId}:{each.artifactId}:{each.version}", each.artifact.resolve()) for each in inputs + others
        ]
        LOCK.write_text(HEADER + "".join(lines(found)), encoding="ascii")


def lines(found: Iterable[tuple[str, Path]]) -> Iterable[str]:
    """One line for each jar."""
    for coordinate, path in found:
        content = path.read_bytes()
        yield f"{hashlib.sha256(content).hexdigest()} {len(content):>9} {coordinate}\n"


if __name__ == "__main__":
    main()
