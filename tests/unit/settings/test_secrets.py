"""Passwords: nowhere to be seen."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.settings import NAMES, Loaded, load, secret, show


class TestSecrets:
    """A password is nowhere to be seen."""

    PASSWORD = "correct horse"

    @pytest.fixture
    def loaded(self, monkeypatch: pytest.MonkeyPatch) -> Loaded:
        """Settings with two secrets, from the environment."""
        monkeypatch.setenv("STREAMLEDGER_SASL_PLAIN_PASSWORD", self.PASSWORD)
        monkeypatch.setenv("STREAMLEDGER_SSL_PASSWORD", self.PASSWORD)
        return load()

    def test_passwords_are_the_secrets(self) -> None:
        """And nothing else is hidden from a person who looks for a mistake."""
        hidden = {name for name in NAMES if secret(name)}

        assert {"sasl_plain_password", "ssl_password", "sasl_oauth_client_secret"} <= hidden
        assert all(name.endswith(("password", "secret", "token")) for name in hidden)

    def test_no_way_of_printing_shows_it(self, loaded: Loaded) -> None:
        """repr, str, JSON and `show` all mask it."""
        settings = loaded.settings
        texts = [repr(settings), str(settings), settings.model_dump_json(), repr(loaded)]
        texts.append(show("ssl_password", settings.ssl_password))

        assert not any(self.PASSWORD in text for text in texts)
        assert show("ssl_password", settings.ssl_password) == "********"
        assert show("ssl_password", None) == ""

    @pytest.mark.parametrize("flags", [{"clock": "wall"}, {"security_protocol": "SASL_SSL"}])
    def test_no_error_shows_it(self, loaded: Loaded, flags: dict[str, str]) -> None:
        """Neither when another value is wrong, nor when values contradict each other, nor in the chain of causes."""
        with pytest.raises(UsageError) as caught:
            load(flags=flags)

        assert loaded.settings.ssl_password is not None
        assert self.PASSWORD not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
