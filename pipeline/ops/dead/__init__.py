"""Dead letters: counted, shown, and sent back once (CONTRACT §3). Public face of the room."""

from pipeline.ops.dead import view
from pipeline.ops.dead.choice import Choice, reasons_of
from pipeline.ops.dead.examination import Order
from pipeline.ops.dead.letter import Place, place_of
from pipeline.ops.dead.listing import Shown, lines, shown, surveyed
from pipeline.ops.dead.resending import redrive
from pipeline.ops.dead.verdict import Report

__all__ = [
    "Choice",
    "Order",
    "Place",
    "Report",
    "Shown",
    "lines",
    "place_of",
    "reasons_of",
    "redrive",
    "shown",
    "surveyed",
    "view",
]
