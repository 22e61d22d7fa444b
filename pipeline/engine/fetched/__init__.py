"""aiokafka's reading side, safe against what a producer may write: no batch ends a reader or fills its memory.

A broker checks of a batch that its checksum is right and that its records can be told apart, and of nothing else. So a
header name may be no text, eight KiB may unpack to 256 MiB, and a number may be written so that other readers than
Java's read another one. Ordinary batches go through aiokafka's compiled parser; all others are read here, one record at
a time, as the broker reads them. What can't be read, or is larger than a message may be, is handed out as `Withheld`.

Everything of this project that reads records from Kafka does so with the `Consumer` of this package; only the engine's
changelogs, which nobody but workers may write, are read with aiokafka's own.
"""

from __future__ import annotations

from pipeline.engine.fetched.consumer import Consumer, lean

__all__ = ["Consumer", "lean"]
