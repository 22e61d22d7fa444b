"""Every setting with its documented default, and what the rest of the program gets from them."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.core.policy import Policy
from pipeline.settings import NAMES, Settings, default, model, placeholder, show, what, why
from pipeline.topics.admin import definitions
from schemas.topics import topics

# fmt: off
CONTRACT_NAMES = {
    "bootstrap_servers", "ledger", "data_dir", "chunk_topic", "record_topic", "dead_topic", "partitions",
    "replication", "checkpoint_interval", "finish_grace", "attempt_grace", "session_window", "max_request_age",
    "revise_window", "marker_retention", "late_policy", "clock", "clock_slack", "max_chunk_bytes", "max_bytes",
    "max_chunks", "max_record_bytes", "capture", "price_overlay", "log_level", "log_format", "metrics_address",
    "security_protocol",
}
# fmt: on
OPTIONAL = {
    "compression",
    "estimate_usage",
    "metrics_token",
    "metrics_ssl_certfile",
    "metrics_ssl_keyfile",
    "metrics_ssl_cafile",
    *(name for name in NAMES if name.startswith("web_")),
}  # fmt: skip
"""Settings that the contract's list does not have; none of them changes a record unless it is asked for."""


class TestDefaults:
    """Every setting has a documented default with a reason."""

    def test_all_names_of_the_contract_exist(self) -> None:
        """CONTRACT §6's list and the Kafka clients' sasl_ and ssl_ names, nothing else."""
        extra = set(NAMES) - CONTRACT_NAMES - OPTIONAL

        assert set(NAMES) >= CONTRACT_NAMES
        assert all(name.startswith(("sasl_", "ssl_")) for name in extra)

    @pytest.mark.parametrize("name", NAMES)
    def test_every_setting_says_what_it_is_and_why_so(self, name: str) -> None:
        """Help texts and `config --json` draw on it."""
        assert what(name)
        assert why(name)
        assert placeholder(name)

    def test_numbers_are_those_of_the_contract(self) -> None:
        """CONTRACT §4 names the graces, windows and limits."""
        expected = {
            "finish_grace": "2s",
            "attempt_grace": "60s",
            "session_window": "300s",
            "max_request_age": "24h",
            "revise_window": "1h",
            "marker_retention": "24h",
            "clock_slack": "5s",
            "max_chunk_bytes": "8MiB",
            "max_bytes": "64MiB",
            "max_chunks": "100000",
            "ledger": "main",
            "capture": "full",
            "late_policy": "revise",
        }
        settings = Settings()

        assert expected == {name: show(name, getattr(settings, name)) for name in expected}
        assert expected == {name: default(name) for name in expected}

    def test_the_default_policy_is_the_default_of_the_core(self) -> None:
        """The offline fold without settings and the worker with default settings agree."""
        assert Policy() == Settings().policy()

    def test_the_policy_carries_every_value(self) -> None:
        """No field is forgotten on the way from settings to policy."""
        changed = {
            "ledger": "staging",
            "finish_grace": 1,
            "attempt_grace": 2,
            "session_window": 3,
            "max_request_age": 4,
            "revise_window": 5,
            "marker_retention": 10,
            "late_policy": "dead_letter",
            "max_chunk_bytes": 6,
            "max_bytes": 7,
            "max_chunks": 8,
            "max_record_bytes": 2_000,
            "capture": "hash",
            "estimate_usage": "characters",
        }

        assert Policy(**changed) == Settings.model_validate(changed).policy()  # type: ignore[arg-type]

    def test_the_policy_names_the_tokenizer(self) -> None:
        """The config digest of estimated records depends on what counted, by name and version."""
        found = Settings(estimate_usage="tokenizer").policy().tokenizer

        assert found == f"bpe-openai {version('bpe-openai')}"
        assert Settings(estimate_usage="characters").policy().tokenizer is None

    def test_a_tokenizer_that_is_not_installed_has_no_version(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What to do about it is said where it is loaded."""
        monkeypatch.setattr(model, "TOKENIZER", "no-such-distribution")

        assert model.tokenizer() == "no-such-distribution"

    def test_topics_of_the_default_ledger_are_those_of_the_contract(self) -> None:
        """Names, partitions and replication are declared in the schemas and said again here: they must agree."""
        assert topics() == definitions(Settings())

    def test_the_data_directory_is_the_users_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """XDG_STATE_HOME where it is set, else below the home directory."""
        monkeypatch.setenv("HOME", "/home/someone")
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
        below_home = Settings().data_dir
        monkeypatch.setenv("XDG_STATE_HOME", "/state")

        assert Path("/home/someone/.local/state/streamledger") == below_home
        assert Path("/state/streamledger") == Settings().data_dir

    def test_help_texts_name_no_home_directory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A printed default is the same on every machine."""
        monkeypatch.setenv("HOME", "/home/someone")
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)

        assert default("data_dir") == "~/.local/state/streamledger"

    def test_placeholders_tell_kinds_apart(self) -> None:
        """A reader of the help sees what to write."""
        expected = {
            "finish_grace": "DURATION",
            "max_bytes": "SIZE",
            "partitions": "INTEGER",
            "ssl_cafile": "PATH",
            "metrics_address": "TEXT",
            "sasl_plain_password": "TEXT",
            "clock": "append|create",
            "sasl_mechanism": "PLAIN|SCRAM-SHA-256|SCRAM-SHA-512|OAUTHBEARER",
        }

        assert expected == {name: placeholder(name) for name in expected}

    def test_settings_are_frozen(self) -> None:
        """Nothing changes a setting after the start."""
        with pytest.raises(ValidationError, match="frozen"):
            Settings().ledger = "other"  # type: ignore[misc]

    def test_constructing_reads_nothing_from_outside(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only `load` looks at the environment; an embedding program gets what it passes."""
        monkeypatch.setenv("STREAMLEDGER_LEDGER", "outside")

        assert Settings().ledger == "main"
