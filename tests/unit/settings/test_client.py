"""Settings as aiokafka's keyword arguments."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.settings import Settings, client, load, producer


class TestClient:
    """Settings as aiokafka's keyword arguments."""

    def test_plain_is_only_servers_and_protocol(self) -> None:
        """What is not set is left to the client."""
        expected = {"bootstrap_servers": ["a:1", "b:2"], "security_protocol": "PLAINTEXT"}

        assert expected == client(Settings(bootstrap_servers="a:1,b:2"))

    def test_a_login_goes_along_in_the_clear(self) -> None:
        """The client needs the password itself."""
        loaded = load(
            flags={
                "security_protocol": "SASL_PLAINTEXT",
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_plain_username": "worker",
                "sasl_plain_password": "secret",
            }
        )
        made = client(loaded.settings)

        assert (made["sasl_mechanism"], made["sasl_plain_username"], made["sasl_plain_password"]) == (
            "SCRAM-SHA-512",
            "worker",
            "secret",
        )
        assert "ssl_context" not in made

    def test_tls_verifies_broker_and_name(self) -> None:
        """There is no setting that turns verification off."""
        context = client(Settings(security_protocol="SSL"))["ssl_context"]

        assert isinstance(context, ssl.SSLContext)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname

    @pytest.mark.parametrize("content", [None, "no certificate"])
    def test_a_bad_ca_file_is_named(self, tmp_path: Path, content: str | None) -> None:
        """Missing or not PEM: the line says which setting."""
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_text(content, encoding="utf-8")

        with pytest.raises(UsageError, match="ssl_cafile"):
            client(Settings(security_protocol="SSL", ssl_cafile=path))

    @pytest.mark.parametrize("content", [None, "no certificate"])
    def test_a_bad_client_certificate_is_named(self, tmp_path: Path, content: str | None) -> None:
        """And nobody is asked for a password on the terminal."""
        path = tmp_path / "client.pem"
        if content is not None:
            path.write_text(content, encoding="utf-8")

        with pytest.raises(UsageError, match="ssl_certfile"):
            client(Settings(security_protocol="SSL", ssl_certfile=path))


class TestProducer:
    """What sends chunks: publisher, `produce` and `load` alike."""

    @pytest.mark.parametrize(
        ("told", "expected"), [({}, "zstd"), ({"compression": "lz4"}, "lz4"), ({"compression": "none"}, None)]
    )
    def test_batches_are_compressed_as_it_is_set(self, told: dict[str, str], expected: str | None) -> None:
        """With zstd unless told otherwise; `none` is aiokafka's None."""
        assert expected == producer(load(flags=told).settings, seconds=1)["compression_type"]
