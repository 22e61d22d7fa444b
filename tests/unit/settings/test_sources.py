"""Where settings come from: who wins, and what is remembered of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.settings import NAMES, load, show


class TestPrecedence:
    """CONTRACT §6: flags over environment over a TOML file."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        """A file that sets three values."""
        path = tmp_path / "ledger.toml"
        path.write_text('ledger = "file"\nfinish_grace = "3s"\nmax_chunks = 50\n', encoding="utf-8")
        return path

    def test_the_nearer_source_wins_and_is_named(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each of the four origins, with the place a person would look at."""
        monkeypatch.setenv("STREAMLEDGER_FINISH_GRACE", "4s")
        monkeypatch.setenv("STREAMLEDGER_LEDGER", "environment")
        loaded = load(config=file, flags={"ledger": "flag"})

        assert (loaded.settings.ledger, loaded.settings.finish_grace, loaded.settings.max_chunks) == ("flag", 4_000, 50)
        assert loaded.origins["ledger"].kind == "flag"
        assert loaded.origins["finish_grace"].place == "STREAMLEDGER_FINISH_GRACE"
        assert loaded.origins["max_chunks"].place == str(file)
        assert loaded.origins["capture"].kind == "default"

    def test_the_file_can_be_named_by_the_environment(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A container sets one variable and mounts one file."""
        monkeypatch.setenv("STREAMLEDGER_CONFIG", str(file))

        assert load().settings.ledger == "file"

    def test_a_named_file_wins_over_the_environments(
        self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """--config is a flag, and flags win."""
        other = tmp_path / "other.toml"
        other.write_text('ledger = "other"', encoding="utf-8")
        monkeypatch.setenv("STREAMLEDGER_CONFIG", str(other))

        assert load(config=file).settings.ledger == "file"

    def test_an_empty_variable_counts_as_absent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Compose files pass variables on as empty when nobody set them."""
        monkeypatch.setenv("STREAMLEDGER_SASL_PLAIN_PASSWORD", "")
        monkeypatch.setenv("STREAMLEDGER_CONFIG", "")
        loaded = load()

        assert loaded.settings.sasl_plain_password is None
        assert loaded.origins["sasl_plain_password"].kind == "default"

    def test_a_list_of_brokers_may_be_a_list_in_the_file(self, tmp_path: Path) -> None:
        """TOML has lists, so a person will use one."""
        path = tmp_path / "ledger.toml"
        path.write_text('bootstrap_servers = ["a:9092", "b:9092"]', encoding="utf-8")

        assert load(config=path).settings.bootstrap_servers == "a:9092,b:9092"

    def test_a_home_directory_is_expanded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No shell expands the tilde in a file or a variable."""
        monkeypatch.setenv("HOME", "/home/someone")
        monkeypatch.setenv("STREAMLEDGER_DATA_DIR", "~/ledger")

        assert load().settings.data_dir == Path("/home/someone/ledger")


def test_the_values_of_an_origin_can_be_printed_and_loaded_again(tmp_path: Path) -> None:
    """What `show` prints of all settings, written to a file, gives the same settings."""
    first = load(flags={"finish_grace": "1500ms", "max_bytes": "1KiB", "metrics_address": "127.0.0.1:9100"}).settings
    lines = [f"{name} = {json.dumps(show(name, getattr(first, name)))}" for name in NAMES if getattr(first, name)]
    path = tmp_path / "again.toml"
    path.write_text("\n".join(lines), encoding="utf-8")

    assert first == load(config=path).settings
    assert re.search(r'^finish_grace = "1500ms"$', "\n".join(lines), re.MULTILINE)
