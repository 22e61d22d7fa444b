"""Settings that are refused: unknown names, wrong values, contradictions, unreadable files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.settings import Settings, load


def refusal(**sources: object) -> str:
    """The error line of settings that must be refused."""
    with pytest.raises(UsageError) as caught:
        load(**sources)  # type: ignore[arg-type]
    return str(caught.value)


class TestRefusals:
    """A wrong setting is one line that names it, where it was written, and what to write instead."""

    def test_an_unknown_variable_is_an_error_with_a_suggestion(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A misspelt variable would otherwise be a setting that silently does nothing."""
        monkeypatch.setenv("STREAMLEDGER_FINSH_GRACE", "2s")
        line = refusal()

        assert "STREAMLEDGER_FINSH_GRACE" in line
        assert "did you mean finish_grace?" in line

    def test_an_unknown_name_in_the_file_is_an_error_with_a_suggestion(self, tmp_path: Path) -> None:
        """The file is named, for there may be several."""
        path = tmp_path / "ledger.toml"
        path.write_text('boostrap_servers = "a:1"', encoding="utf-8")
        line = refusal(config=path)

        assert str(path) in line
        assert "did you mean bootstrap_servers?" in line

    def test_an_unknown_flag_is_an_error_with_a_suggestion(self) -> None:
        """`--set` takes any name, so this is where it is checked."""
        assert "did you mean session_window?" in refusal(flags={"sesion_window": "1s"})

    def test_a_name_like_no_other_gets_no_suggestion(self) -> None:
        """A far-fetched suggestion would send people the wrong way."""
        assert "`streamledger config` lists all settings" in refusal(flags={"zzz": "1"})

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("STREAMLEDGER_SERVICE_HOST", "10.0.0.1"),
            ("STREAMLEDGER_SERVICE_PORT_HTTP", "80"),
            ("STREAMLEDGER_PORT", "tcp://10.0.0.1:80"),
            ("STREAMLEDGER_WEB_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("STREAMLEDGER_CACHE", "/cache"),
            ("STREAMLEDGER_RECORDINGS", "/recordings"),
            ("STREAMLEDGER_CASES", "/cases"),
        ],
    )
    def test_variables_that_are_not_meant_as_settings_are_left_alone(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
    ) -> None:
        """Kubernetes puts its service variables into every pod; the broker's cache and test data have variables too."""
        monkeypatch.setenv(variable, value)

        assert load().settings == Settings()

    def test_a_port_that_kubernetes_did_not_set_is_unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Someone meant something by it."""
        monkeypatch.setenv("STREAMLEDGER_METRICS_PORT", "9100")

        assert "STREAMLEDGER_METRICS_PORT" in refusal()

    @pytest.mark.parametrize(
        ("flags", "words"),
        [
            ({"finish_grace": "2"}, "finish_grace '2' (command line): has no unit"),
            ({"checkpoint_interval": "1ms"}, "must be at least 50ms"),
            ({"session_window": "0"}, "must be more than 0ms"),
            ({"finish_grace": "99999999h"}, "must be at most 8760h"),
            ({"max_record_bytes": "9MiB"}, "must be at most 8MiB"),
            ({"max_chunks": "many"}, "max_chunks 'many' (command line): must be a whole number"),
            ({"late_policy": "drop"}, "must be 'revise' or 'dead_letter'"),
            ({"bootstrap_servers": "kafka"}, "must be host:port"),
            ({"chunk_topic": "llm chunks"}, "must be a topic name"),
            ({"chunk_topic": ".."}, "must be a topic name"),
            ({"ledger": "a/b"}, "must be up to 100 letters"),
            ({"metrics_address": "9100"}, "must be host:port"),
            ({"web_address": "localhost:65536"}, "ports end at 65535"),
            ({"bootstrap_servers": "a:65535,b:70000"}, "ports end at 65535"),
            ({"replication": "0"}, "replication can't be 0"),
        ],
    )
    def test_a_wrong_value_is_said_with_name_value_and_place(self, flags: dict[str, str], words: str) -> None:
        """Bounds are printed in the unit that the setting is written in."""
        assert words in refusal(flags=flags)

    def test_everything_wrong_is_said_at_once_and_in_one_line(self) -> None:
        """Nobody likes to correct a file five times."""
        line = refusal(flags={"finish_grace": "2", "max_chunks": "x", "clock": "wall"})

        assert all(name in line for name in ("finish_grace", "max_chunks", "clock"))
        assert "\n" not in line

    @pytest.mark.parametrize(
        ("flags", "words"),
        [
            ({"finish_grace": "10m"}, "finish_grace 600s is longer than session_window 300s"),
            ({"session_window": "25h", "marker_retention": "48h"}, "longer than max_request_age 24h"),
            ({"marker_retention": "1h"}, "marker_retention 1h is shorter than revise_window + session_window (3900s)"),
            ({"record_topic": "llm.chunks"}, "three different topics"),
            ({"security_protocol": "SASL_SSL", "sasl_plain_username": "u"}, "SASL_SSL needs sasl_mechanism"),
            ({"ssl_keyfile": "key.pem"}, "ssl_keyfile needs ssl_certfile"),
        ],
    )
    def test_values_that_contradict_each_other_are_refused(self, flags: dict[str, str], words: str) -> None:
        """Both names and what would happen are in the line."""
        assert words in refusal(flags=flags)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        """A mistyped path must not mean default settings."""
        assert "no settings file at" in refusal(config=tmp_path / "none.toml")

    @pytest.mark.parametrize("content", [b"ledger = main", b"\xff\xfe"])
    def test_a_file_that_is_no_toml_is_named(self, tmp_path: Path, content: bytes) -> None:
        """With the parser's own words for the place in it."""
        path = tmp_path / "ledger.toml"
        path.write_bytes(content)

        assert f"{path} is not TOML" in refusal(config=path)

    @pytest.mark.parametrize("content", ["[ledger]\nname = 1", "ledger = true", "ledger = [1]"])
    def test_a_value_that_is_no_text_or_number_is_refused(self, tmp_path: Path, content: str) -> None:
        """Sections have no meaning here, nor have flags where no flag is wanted."""
        path = tmp_path / "ledger.toml"
        path.write_text(content, encoding="utf-8")

        assert "must be a text or a number" in refusal(config=path)

    def test_a_flag_in_the_file_is_true_or_false(self, tmp_path: Path) -> None:
        """As TOML has it; a word that looks like one is refused."""
        path = tmp_path / "ledger.toml"
        path.write_text("web_content = true", encoding="utf-8")
        assert load(config=path).settings.web_content is True

        path.write_text('web_content = "true"', encoding="utf-8")
        assert "web_content in" in refusal(config=path)

    def test_a_number_in_the_file_follows_the_same_grammar(self, tmp_path: Path) -> None:
        """`finish_grace = 2` is as ambiguous in a file as on the command line."""
        path = tmp_path / "ledger.toml"
        path.write_text("finish_grace = 2", encoding="utf-8")

        assert "has no unit" in refusal(config=path)

    def test_a_file_that_can_not_be_opened_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Permissions are the usual reason; root in a container may read everything, so the failure is made."""
        path = tmp_path / "ledger.toml"
        path.write_text("", encoding="utf-8")

        def deny(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("pipeline.settings.sources.TomlConfigSettingsSource", deny)

        assert "Permission denied" in refusal(config=path)
