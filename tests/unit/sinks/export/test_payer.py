"""Who is meant to pay."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.sinks.export.payer import Payer


def test_a_label_names_the_payer_of_each_request() -> None:
    """One without it, or with nothing in it, has none."""
    payer = Payer.of("label.tenant")
    assert payer.of_labels({"tenant": "acme", "team": "x"}) == "acme"
    assert payer.of_labels({"team": "x"}) is None
    assert payer.of_labels({"tenant": " "}) is None


def test_any_other_text_is_the_payer_of_all() -> None:
    """For a ledger with one customer."""
    assert Payer.of("acme").of_labels({"tenant": "other"}) == "acme"


@pytest.mark.parametrize("text", ["", "  ", "label."])
def test_nobody_is_no_payer(text: str) -> None:
    """A mistyped option is told, not billed to an empty name."""
    with pytest.raises(UsageError, match="nobody"):
        Payer.of(text)
