"""What a price costs: µs of CPU per call here, beside the price list's own library, and to load the list.

Run it with `python -m tests.bench.price`.  The figures are of this machine at this hour; CPU time, so that neighbours
disturb them less.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.core.valuation import Call
from pipeline.pricing.pricer import PriceList

ROUNDS: Final = 5
CALLS: Final = 5_000
AT: Final = datetime(2026, 11, 20, tzinfo=UTC)

USAGES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "gpt-4o": ("openai", {"prompt_tokens": 1000, "completion_tokens": 100}),
    "gpt-4o, cached": (
        "openai",
        {"prompt_tokens": 1000, "prompt_tokens_details": {"cached_read_tokens": 300}, "completion_tokens": 100},
    ),
    "claude-sonnet-4-5, cached": (
        "anthropic",
        {
            "prompt_tokens": 1000,
            "prompt_tokens_details": {"cached_read_tokens": 300, "cached_write_tokens": 500},
            "completion_tokens": 100,
        },
    ),
}


def main() -> None:
    """Print the figures, the best of some rounds."""
    started = time.process_time()
    from genai_prices import Usage, calc_price  # noqa: PLC0415 (its import is measured)

    prices = PriceList()
    prices.catalog  # noqa: B018 (loading is measured)
    print(f"load the list               {(time.process_time() - started) * 1e3:8.0f} ms")
    for name, (provider, usage) in USAGES.items():
        model = name.partition(",")[0]
        call = Call(provider, model, "chat.completion", AT, usage, None)
        parts = usage.get("prompt_tokens_details", {})
        theirs = Usage(
            input_tokens=usage["prompt_tokens"],
            output_tokens=usage["completion_tokens"],
            cache_read_tokens=parts.get("cached_read_tokens"),
            cache_write_tokens=parts.get("cached_write_tokens"),
        )

        def library(theirs: Usage = theirs, model: str = model, provider: str = provider) -> object:
            return calc_price(theirs, model, provider_id=provider, genai_request_timestamp=AT)

        def ours(call: Call = call) -> object:
            return prices.price(call)

        print(f"{name:<26} {best(ours):8.1f} µs   the library {best(library):8.1f} µs")


def best(work: Callable[[], object]) -> float:
    """Least CPU time of a call over the rounds, µs."""
    found = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(CALLS):
            work()
        found.append((time.process_time() - started) / CALLS * 1e6)
    return min(found)


if __name__ == "__main__":
    main()
