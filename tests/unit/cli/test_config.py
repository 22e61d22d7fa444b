"""`streamledger config`: every setting, where it came from, and no secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from pipeline.settings import NAMES

Invoke = Callable[..., Result]


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file and the environment, each with something."""
    monkeypatch.setenv("STREAMLEDGER_SASL_PLAIN_PASSWORD", "hunter2")
    path = tmp_path / "ledger.toml"
    path.write_text('finish_grace = "1500ms"', encoding="utf-8")
    return path


def test_json_has_every_setting_with_value_origin_and_reason(invoke: Invoke, sources: Path) -> None:
    """Values look as they may be written in a file."""
    shown = json.loads(invoke("config", "--json", "--config", str(sources), "--partitions", "3").output)

    assert list(NAMES) == list(shown)
    assert shown["finish_grace"]["value"] == "1500ms"
    assert (shown["finish_grace"]["origin"], shown["finish_grace"]["place"]) == ("file", str(sources))
    assert (shown["partitions"]["value"], shown["partitions"]["origin"]) == (3, "flag")
    assert (shown["ledger"]["value"], shown["ledger"]["origin"], shown["ledger"]["place"]) == ("main", "default", None)
    assert shown["price_overlay"]["value"] is None
    assert all(entry["meaning"] and entry["why_default"] for entry in shown.values())


def test_the_table_names_file_and_variable(invoke: Invoke, sources: Path) -> None:
    """So that a person knows where to change it."""
    output = invoke("config", "--config", str(sources)).output

    assert all(name in output for name in NAMES)
    assert "STREAMLEDGER_SASL_PLAIN_PASSWORD" in output
    assert str(sources) in output.replace("\n", "")


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_secrets_are_masked(invoke: Invoke, sources: Path, form: list[str]) -> None:
    """In both forms, and it is still to be seen that there is one."""
    output = invoke("config", "--config", str(sources), *form).output

    assert "hunter2" not in output
    assert "********" in output


def test_changed_leaves_the_defaults_out(invoke: Invoke, sources: Path) -> None:
    """Two settings are set, two are shown."""
    shown = json.loads(invoke("config", "--changed", "--json", "--config", str(sources)).output)

    assert set(shown) == {"finish_grace", "sasl_plain_password"}


def test_a_wrong_setting_is_bad_usage_here_too(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that shows settings is where people look first, so the line must help."""
    monkeypatch.setenv("STREAMLEDGER_LEDGR", "x")
    result = invoke("config")

    assert result.exit_code == 2
    assert "did you mean ledger?" in result.stderr
