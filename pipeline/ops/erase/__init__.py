"""`streamledger erase`: the content of some requests out of what can be changed, and until when the rest has it.

`traces` finds them in the topics, `flow` puts it all in order, `report` says what was found and done. The state is
erased by `pipeline.engine.erasure`, a database by `pipeline.sinks.contents`. May import both and `pipeline.topics`.
"""

from pipeline.ops.erase.flow import Places, run
from pipeline.ops.erase.report import Report, as_json, as_text

__all__ = ["Places", "Report", "as_json", "as_text", "run"]
