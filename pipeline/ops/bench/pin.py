"""Write `streams.lock`: `python -m pipeline.ops.bench.pin`, after a change of COORDINATES or of the broker's version.

Imports the broker's way to fetch and record jars.
"""

import tempfile
from pathlib import Path
from typing import Final

from pipeline.ops.bench.streams import LOCK
from pipeline.ops.broker.jars import KAFKA_VERSION, Jar, fetch_from_maven
from pipeline.ops.broker.pin import lines

COORDINATES: Final = (
    f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}",
    "org.rocksdb:rocksdbjni:10.1.3",
    "org.eclipse.jdt:ecj:3.46.100",
)
"""Kafka Streams, the RocksDB that its POM names, and the compiler; all else that they need has the broker, too."""

HEADER: Final = "# SHA-256, size and coordinate of what the Kafka Streams peer needs; made by pipeline.ops.bench.pin\n"


def main() -> None:
    """Download and record."""
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder)
        wanted = [Jar(coordinate, 0, "") for coordinate in COORDINATES]
        fetch_from_maven(repository, wanted)
        found = [(jar.coordinate, repository / jar.path) for jar in wanted]
        LOCK.write_text(HEADER + "".join(lines(found)), encoding="ascii")


if __name__ == "__main__":
    main()
