"""Which addresses may be open to whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr, ValidationError

from pipeline.errors import UsageError
from pipeline.exposition.guard import guard_of
from pipeline.settings import Settings, listened, loopback
from tests.unit.exposition.certificates import made


@pytest.mark.parametrize(
    ("text", "host", "inside"),
    [
        (":9464", "127.0.0.1", True),
        ("localhost:9464", "127.0.0.1", True),
        ("127.0.0.2:9464", "127.0.0.2", True),
        ("[::1]:9464", "::1", True),
        ("0.0.0.0:9464", "0.0.0.0", False),  # noqa: S104
        ("[::]:9464", "::", False),
        ("10.0.0.1:9464", "10.0.0.1", False),
        ("worker.example:9464", "worker.example", False),
    ],
)
def test_without_a_host_it_is_loopback_and_only_loopback_needs_no_key(text: str, host: str, inside: bool) -> None:
    """A name other than localhost may mean anything."""
    assert listened(text) == (host, 9464)
    assert loopback(host) is inside
    settings = Settings(metrics_address=text)
    if inside:
        assert guard_of(settings) is not None
    else:
        with pytest.raises(UsageError, match=r"open to everybody.*metrics_token"):
            guard_of(settings)
        opened = guard_of(Settings(metrics_address=text, metrics_token=SecretStr("t")))
        assert opened is not None
        assert not opened.open


def test_a_certificate_of_the_server_alone_keeps_nobody_out(tmp_path: Path) -> None:
    """TLS encrypts; it takes a client's certificate, or a token, to know who asks."""
    files = made(tmp_path)
    only: dict[str, Any] = {"metrics_address": "0.0.0.0:0", "metrics_ssl_certfile": files / "server.pem"}
    with pytest.raises(UsageError, match="open to everybody"):
        guard_of(Settings(**only))
    guard = guard_of(Settings(**only, metrics_ssl_cafile=files / "ca.crt"))
    assert guard is not None
    assert guard.certified
    assert [guard.admits(None, shown) for shown in (None, {}, {"subject": ()})] == [False, False, True]


def test_a_certificate_that_is_none_is_said_with_its_file(tmp_path: Path) -> None:
    """Not as a traceback."""
    file = tmp_path / "server.pem"
    for content in (None, "no certificate"):
        if content is not None:
            file.write_text(content, encoding="ascii")
        with pytest.raises(UsageError, match=r"server\.pem"):
            guard_of(Settings(metrics_address=":0", metrics_ssl_certfile=file))


@pytest.mark.parametrize("name", ["metrics_ssl_keyfile", "metrics_ssl_cafile"])
def test_files_of_tls_need_the_certificate(name: str) -> None:
    """Else the port would speak plain HTTP, against what was meant."""
    with pytest.raises(ValidationError, match=f"{name} needs metrics_ssl_certfile"):
        Settings(**cast("Any", {name: "x.pem"}))


def test_a_token_with_letters_beyond_ascii_is_compared_as_bytes() -> None:
    """Headers come as Latin-1, whatever was meant."""
    guard = guard_of(Settings(metrics_address=":0", metrics_token=SecretStr("schlüssel")))
    assert guard is not None
    assert guard.admits("Bearer " + "schlüssel".encode().decode("latin-1"), None)
    assert not guard.admits("Bearer schl\u4e00ssel", None)
