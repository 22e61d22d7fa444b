"""Tokens for OAUTHBEARER: from a file, or from an endpoint that is asked once for each life of a token."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiokafka.abc import AbstractTokenProvider
from pydantic import SecretStr

from pipeline.errors import TokenUnavailable
from pipeline.settings import Settings, client
from pipeline.settings.token import ANSWER_BYTES, Endpoint, from_file

SECRET = "made:up/secret"


@contextmanager
def answering(answer: Callable[[dict[str, Any]], tuple[int, bytes]]) -> Iterator[str]:
    """A token endpoint on this machine; the answer is made of what was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            code, body = answer({"form": form, "login": self.headers["Authorization"]})
            self.send_response(code)
            if code in range(300, 400):
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/token"
        finally:
            server.shutdown()
            thread.join()


def given(**fields: Any) -> bytes:
    """An answer with a token."""
    return json.dumps({"access_token": "a.token", "token_type": "Bearer", **fields}).encode()


def test_an_endpoint_is_asked_as_the_standard_has_it() -> None:
    """Client credentials in the header, form-encoded first; grant and scope in the body."""
    asked: list[dict[str, Any]] = []

    def answer(request: dict[str, Any]) -> tuple[int, bytes]:
        asked.append(request)
        return 200, given(expires_in=300)

    with answering(answer) as url:
        assert Endpoint(url, "our id", SECRET, "kafka")() == "a.token"
    login = base64.b64decode(asked[0]["login"].removeprefix("Basic ")).decode()
    assert login == "our+id:made%3Aup%2Fsecret"
    assert asked[0]["form"] == {"grant_type": "client_credentials", "scope": "kafka"}


@pytest.mark.parametrize(("said", "life"), [({"expires_in": 300}, 240), ({}, 48), ({"expires_in": "soon"}, 48)])
def test_a_token_is_given_out_again_until_most_of_its_life_is_over(said: dict[str, Any], life: int) -> None:
    """Then the endpoint is asked anew."""
    times, now = [], [0.0]

    def answer(_: dict[str, Any]) -> tuple[int, bytes]:
        times.append(now[0])
        return 200, given(**said)

    with answering(answer) as url:
        endpoint = Endpoint(url, "id", SECRET, clock=lambda: now[0])
        for moment in (0, 1, life - 1, life, life + 1):
            now[0] = moment
            endpoint()
    assert times == [0, life]


@pytest.mark.parametrize(
    ("code", "body", "words"),
    [
        (401, b'{"error":"invalid_client","error_description":"made:up/secret"}', "answers 401 invalid_client"),
        (400, b'{"error":"made:up/secret"}', "answers 400"),
        (500, b"[" * 100_000, "answers 500"),
        (302, b"", "answers 302"),
        (200, b"[]", "without an access_token"),
        (200, b"[" * 100_000, "without an access_token"),
        (200, b'{"access_token":5}', "without an access_token"),
        (200, b'{"access_token":"made:up/secret\\u0001x"}', "is no token"),
        (200, b'{"access_token":""}', "no token in it"),
        (200, b" " * (ANSWER_BYTES + 1), "more than"),
    ],
)
def test_what_is_no_token_is_said_and_nothing_of_the_answer(code: int, body: bytes, words: str) -> None:
    """An answer may repeat the secret, or be anything; it is read up to a bound, and a redirect is not followed."""
    with answering(lambda _: (code, body)) as url, pytest.raises(TokenUnavailable, match=words) as refused:
        Endpoint(url, "id", SECRET)()
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


def test_nobody_at_the_endpoint_is_said() -> None:
    """In one line, with the address."""
    with pytest.raises(TokenUnavailable, match=r"http://127\.0\.0\.1:9/: Connection refused"):
        Endpoint("http://127.0.0.1:9/", "id", SECRET)()


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"\xff", b"x" * 100_000, None])
def test_a_file_without_a_token_is_said(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty, something else or much too long: the setting and the file are named, its content is not."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TokenUnavailable, match=r"sasl_oauth_token_file .*token") as refused:
        from_file(path)
    assert "words" not in str(refused.value)


def test_clients_are_given_a_provider_that_reads_the_file_each_time(tmp_path: Path) -> None:
    """Whoever renews the file need not tell us; that it can't be read is an error that aiokafka passes on."""
    path = tmp_path / "token"
    path.write_text("one\n", encoding="ascii")
    made = client(Settings(security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER", sasl_oauth_token_file=path))[
        "sasl_oauth_token_provider"
    ]
    assert isinstance(made, AbstractTokenProvider)

    assert asyncio.run(made.token()) == "one"
    path.write_text("two\n", encoding="ascii")
    assert asyncio.run(made.token()) == "two"
    path.unlink()
    with pytest.raises(TokenUnavailable):
        asyncio.run(made.token())


def test_clients_are_given_a_provider_that_asks_the_endpoint() -> None:
    """With the settings' secret."""
    with answering(lambda _: (200, given())) as url:
        settings = Settings(
            security_protocol="SASL_SSL",
            sasl_mechanism="OAUTHBEARER",
            sasl_oauth_token_endpoint=url,
            sasl_oauth_client_id="id",
            sasl_oauth_client_secret=SecretStr(SECRET),
        )
        assert asyncio.run(client(settings)["sasl_oauth_token_provider"].token()) == "a.token"
