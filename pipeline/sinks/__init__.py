"""Where records go: exactly-once consumers that keep their positions beside the rows, and exporters.

Imports schemas, settings, errors and `pipeline.topics`; each database's or format's library only where it is used.
"""
