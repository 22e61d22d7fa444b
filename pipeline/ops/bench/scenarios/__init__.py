"""Measurements beyond throughput: latency, bytes, memory, restore, expiry, partitions, scaling; each with targets.

`survey` is the public face. `figure` is what a scenario finds, `ground` is what it stands on, `feed` fills topics at a
pace, `watch` sees records and their delay; the others are one scenario each. May import what `pipeline.ops.bench` may.
"""

from pipeline.ops.bench.scenarios.survey import Survey, survey

__all__ = ["Survey", "survey"]
