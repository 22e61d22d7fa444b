"""Passwords: nowhere to be seen."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


HIDDEN = [name for name in NAMES if secret(name)]


@pytest.mark.parametrize("name", HIDDEN)
class TestSecretFiles:
    """Every secret may come from a file that the environment names, as container platforms mount them."""

    def variable(self, name: str) -> str:
        """Of the file."""
        return f"STREAMLEDGER_{name.upper()}_FILE"

    @settings(max_examples=20, deadline=None)
    @given(text=st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=16, max_size=40))
    def test_it_is_the_files_text_and_masked_everywhere(self, name: str, text: str) -> None:
        """Whatever it is made of: its line's end is not part of it, and no way of printing shows it."""
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            path = Path(folder) / "secret"
            path.write_bytes(text.encode() + b"\n")
            patch.setenv(self.variable(name), str(path))
            if name == "web_content_token":  # which stands beside another
                patch.setenv("STREAMLEDGER_WEB_TOKEN", "x" * 16)
            loaded = load()
        held = getattr(loaded.settings, name)
        shown = [repr(loaded), str(loaded.settings), loaded.settings.model_dump_json(), show(name, held), str(held)]

        assert held.get_secret_value() == text
        assert not any(text in each for each in shown) or text.strip("*") == ""
        assert loaded.origins[name].place == self.variable(name)

    @pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe", b"planted" * 10_000])
    def test_a_file_that_is_no_secret_is_said(
        self, name: str, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Missing, empty, no text or far too long: variable and path are named, the content is not."""
        path = tmp_path / "secret"
        if content is not None:
            path.write_bytes(content)
        monkeypatch.setenv(self.variable(name), str(path))
        with pytest.raises(UsageError, match=self.variable(name)) as refused:
            load()

        assert str(path) in str(refused.value)
        assert "planted" not in str(refused.value)

    def test_both_ways_at_once_are_refused(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Which of them is meant nobody can tell."""
        monkeypatch.setenv(self.variable(name), str(tmp_path / "secret"))
        monkeypatch.setenv(f"STREAMLEDGER_{name.upper()}", "planted")
        with pytest.raises(UsageError, match="both set") as refused:
            load()

        assert "planted" not in str(refused.value)


def test_a_password_in_a_url_is_not_shown_when_it_is_refused() -> None:
    """A value that was refused is repeated, but for what stands in front of its host."""
    with pytest.raises(UsageError, match="without a user in it") as refused:
        load(flags={"sasl_oauth_token_endpoint": "https://id:planted@idp.example/token"})

    assert "planted" not in str(refused.value)
    assert "idp.example" in str(refused.value)
