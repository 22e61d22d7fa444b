"""Past records under another price list: what changes, and the revisions that change it.

Public face of the room: `reprice` does it as an `Order` says, `Tally` is what it comes to, `render` prints that.
"""

from pipeline.ops.reprice.flow import Order, reprice
from pipeline.ops.reprice.revaluation import KINDS, STATED_COST, Dated
from pipeline.ops.reprice.tally import Tally
from pipeline.ops.reprice.view import render

__all__ = ["KINDS", "STATED_COST", "Dated", "Order", "Tally", "render", "reprice"]
