"""`streamledger bench`: the worker beside what a user would pick instead, on the same topics, in the same run.

`run` is the public face. `load` fills the topics, `peer` knows who takes part and how each is started, `streams` and
`peers/` are the others' programs, `pin` locks their jars, `process` runs one and counts what it costs, `reader` sees
the records as any consumer does, `measure` is one run of one participant, `report` makes table, ratios and JSON, `flow`
puts it all in order; `scenarios/` measures what throughput does not tell. May import the rest of `pipeline.ops` and
`pipeline.settings`.
"""

from pipeline.ops.bench.flow import Choice, run
from pipeline.ops.bench.scenarios import Survey, survey

__all__ = ["Choice", "Survey", "run", "survey"]
