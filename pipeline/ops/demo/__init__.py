"""`streamledger demo`: provider streams of all types through Kafka and a worker that is killed, every record audited.

`run` is the public face. `streams` makes the requests of the samples, `worker` runs the process, `accident` kills it in
mid-stream, `reader` reads the topics as any consumer does, `view` and `audit` judge the records, `table` and `report`
say what came out, `flow` puts it all in order. May import the rest of `pipeline.ops`, `pipeline.ingest` and
`pipeline.settings`.
"""

from pipeline.ops.demo.flow import run

__all__ = ["run"]
