"""What a process shows of itself over HTTP: metrics for Prometheus, whether it lives and is ready.

Shared by workers and sinks, which say what there is to show. `book` holds counters, `family` gives values the names of
the closed list, `server` answers, `guard` says who may ask, `pulse` notices a loop that stands still. Imports
prometheus_client, `pipeline.metrics`, the settings, the log and errors.
"""

from __future__ import annotations

__all__: list[str] = []
