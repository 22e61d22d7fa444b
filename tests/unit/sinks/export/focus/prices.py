"""Records with a list price, as the fold makes them."""

from __future__ import annotations

import json
from typing import Any, Final

from pipeline.core.cost import total_cost
from pipeline.pricing.pricer import PriceList
from pipeline.pricing.sample import sample_of
from schemas.leaves import parse_timestamp
from tests.unit.sinks.export.records import example

Json = dict[str, Any]

LIST: Final = PriceList()
"""The price list alone; loaded once."""

USAGE: Final = {
    "prompt_tokens": 1_000,
    "prompt_tokens_details": {"cached_read_tokens": 300, "cached_write_tokens": 100},
    "completion_tokens": 50,
    "completion_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 1_050,
}


def priced(prices: PriceList = LIST, **changes: Any) -> Json:
    """A record whose cost is that of a price list."""
    record = example("choices", token_usage=USAGE, service_tier=None) | changes
    calls = sample_of(json.dumps(record), parse_timestamp(record["start_timestamp"])).calls
    details = total_cost([prices.quote(call).answer for call in calls])
    return record | {"cost_details": details, "cost": None if details["total"] is None else float(details["total"])}
