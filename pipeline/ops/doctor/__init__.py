"""Doctor: looks at this machine and at Kafka, changes nothing, and says what to do.

Each check is a pure judgement of facts that another function gathers, so that it can be tried without what it warns of.
Public face of the package. Imports its modules.
"""

from pipeline.ops.doctor.finding import Finding, State
from pipeline.ops.doctor.flow import Report, examine

__all__ = ["Finding", "Report", "State", "examine"]
