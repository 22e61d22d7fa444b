"""The README's table of sizes is computed from the README's measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from tests.bench.sizing import BEGIN, END, Assumed, Measured, size, table

README: Final = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def test_the_readme_has_the_table_that_is_computed() -> None:
    """Whoever changes a figure or an assumption changes the README with it."""
    _, _, rest = README.partition(BEGIN)

    assert rest.partition(END)[0].strip() == table()


def test_what_it_is_computed_from_is_what_was_measured() -> None:
    """Each figure of the arithmetic stands among the README's benchmarks."""
    _, _, rest = README.partition("\n## Benchmarks")
    measured = Measured()

    for _, rate, seconds in measured.rates:
        assert f"{rate:,.0f} ({seconds:.1f})" in rest
    for figure in (
        f"{measured.changelog}",
        f"{measured.head_bytes:,.0f} bytes",
        f"{measured.base_bytes / (1 << 20):.0f} MiB",
    ):
        assert figure in rest


@given(st.floats(1.0, 2_000_000.0), st.floats(1.0, 10.0))
def test_more_chunks_never_need_less(rate: float, times: float) -> None:
    """Workers, partitions and bytes grow with the rate; no worker is planned above its share of what was measured."""
    small, large = size(rate), size(rate * times)

    assert small.workers <= large.workers
    assert small.partitions <= large.partitions
    assert small.kafka <= large.kafka
    assert large.rate / large.workers <= Assumed().share * Measured().rates[0][1]
