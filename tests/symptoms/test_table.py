"""The README's table of symptoms is that of the tests, and no symptom is left out."""

from __future__ import annotations

from pathlib import Path

from tests.symptoms.table import BEGIN, COUNT, END, rows, table

README = Path(__file__).parents[2] / "README.md"


def test_each_symptom_and_each_ask_has_a_test() -> None:
    """By number: none is missing, none is made up."""
    found = {(row.kind, row.number) for row in rows()}

    assert found == {(kind, number) for kind, most in COUNT.items() for number in range(1, most + 1)}


def test_the_readme_has_the_table() -> None:
    """`python -m tests.symptoms.table` prints what belongs between the two marks."""
    _, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    between, _, _ = rest.partition(END)

    assert between.strip() == table()
