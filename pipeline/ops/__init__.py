"""Running the ledger: the Kafka for tests and demo, topics, and the tools that look after a ledger.

Imports `schemas`, `pipeline.core`, `pipeline.ingest`, `pipeline.pricing`, `pipeline.engine`, settings, log and errors;
nothing here folds by itself (DESIGN §2).
"""
