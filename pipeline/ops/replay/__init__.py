"""Replay: a range of the chunk topic folded again by the worker's own core, into records, a topic, or a comparison.

Public face of the room. A request belongs to the range in which its first chunk lies (`window`); what can't be seen as
a whole is listed as cut, never emitted. Nothing here joins the worker's group or commits an offset.
"""

from pipeline.ops.replay.flow import LEFT, RECORDS, ROWS, Replayed, replay
from pipeline.ops.replay.order import Order, shortest_look_back
from pipeline.ops.replay.plan import workplace
from pipeline.ops.replay.report import document, problems, render

__all__ = [
    "LEFT",
    "RECORDS",
    "ROWS",
    "Order",
    "Replayed",
    "document",
    "problems",
    "render",
    "replay",
    "shortest_look_back",
    "workplace",
]
