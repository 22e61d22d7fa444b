"""Chunks from a running gateway or service to the chunk topic, without slowing the streams they were taken from.

`Publisher` and `AsyncPublisher` are two faces of one engine: a thread with its own event loop, a bounded buffer, and a
spool on disk for the time when Kafka is away. Its public names are those of `pipeline.ingest`. May import settings,
errors, log, schemas and aiokafka; aiokafka is loaded by the engine's thread, not by whoever makes a publisher.
"""
