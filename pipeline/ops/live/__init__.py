"""The ledger as it is now, read from its topics: what `top` and `web` show.

`Live` follows the topics (`live`) into a picture of bounded size (`picture`, `request`, `figures`, `letters`), which is
pure; `view` has the plain values that come out, without content (G7). Imports `pipeline.topics`, the core, settings.
"""

from pipeline.ops.live.keep import Keep
from pipeline.ops.live.live import Live
from pipeline.ops.live.view import (
    OTHERS,
    Box,
    DeadRow,
    Dot,
    Filter,
    Gap,
    Headline,
    MoneyRow,
    Snapshot,
    Strip,
)

__all__ = [
    "OTHERS",
    "Box",
    "DeadRow",
    "Dot",
    "Filter",
    "Gap",
    "Headline",
    "Keep",
    "Live",
    "MoneyRow",
    "Snapshot",
    "Strip",
]
