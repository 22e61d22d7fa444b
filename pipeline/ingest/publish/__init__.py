"""Chunks from a running gateway or service to the chunk topic, without slowing the streams they were taken from.

`Publisher` and `AsyncPublisher` are two faces of one engine: a thread with its own event loop, a bounded buffer, and a
spool on disk for the time when Kafka is away. May import settings, errors, log, schemas and aiokafka; aiokafka is
loaded by the engine's thread, not by whoever imports this.
"""

from pipeline.ingest.publish.policy import Policy
from pipeline.ingest.publish.publisher import AsyncPublisher, Publisher
from pipeline.ingest.publish.request import AsyncRequest, Request
from pipeline.ingest.publish.stats import Report, Stats

__all__ = ["AsyncPublisher", "AsyncRequest", "Policy", "Publisher", "Report", "Request", "Stats"]
