"""Tokens for SASL OAUTHBEARER: from a file that somebody renews, or from an endpoint by client credentials.

Owns reading, asking (RFC 6749 §4.4) and remembering them; no token and no secret is in an error. Imports the standard
library, errors and settings; aiokafka when a provider is made.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import TokenUnavailable

if TYPE_CHECKING:
    from pipeline.settings.model import Settings

TOKEN_BYTES: Final = 64 << 10
"""A token is some kilobytes; brokers refuse requests that are longer before a login anyway (512 KiB)."""
ANSWER_BYTES: Final = 256 << 10
ENDPOINT_SECONDS: Final = 10.0
"""Below the clients' wait for one request, so that who waits hears why."""
EARLY: Final = 0.8
"""Part of its life for which a token is given out again: a login that begins with it must still be through in time."""
UNSAID_SECONDS: Final = 60.0
"""Taken for the life of a token whose endpoint does not say it."""


def provider(settings: Settings) -> Any:
    """What aiokafka asks for a token at each login; used from the loops of several threads.

    Its `token` raises TokenUnavailable. It is a KafkaError too, which is what aiokafka's own retries wait for.
    """
    from aiokafka.abc import AbstractTokenProvider  # noqa: PLC0415 (commands without Kafka do without it)
    from aiokafka.errors import KafkaError  # noqa: PLC0415

    _hear_refusals()
    source = _source(settings)

    class Refused(TokenUnavailable, KafkaError):  # type: ignore[misc]  # aiokafka ships no types
        """The same error, of a kind that aiokafka passes on instead of breaking off its tasks."""

        retriable = False

    class Provider(AbstractTokenProvider):  # type: ignore[misc]  # as above
        """Asks in a thread: files and endpoints may be slow, and the loop has other work."""

        async def token(self) -> str:
            """A token that is valid now."""
            try:
                return await asyncio.to_thread(source)
            except TokenUnavailable as error:
                raise Refused(error.message, hint=error.hint) from None

    return Provider()


def _hear_refusals() -> None:
    """Answer a refused token as RFC 7628 §3.2.3 has it, so that the broker says that the login failed. Idempotent.

    Replaces aiokafka.conn.OAuthAuthenticator, which takes the broker's error for the end of a login that went well.
    """
    from aiokafka import conn  # noqa: PLC0415 (as above)

    class Authenticator(conn.OAuthAuthenticator):  # type: ignore[misc]  # aiokafka ships no types
        """Sends the one byte that ends a login that was refused."""

        answered = False

        async def step(self, payload: bytes | None) -> Any:
            """What is to be sent next; None at the end."""
            if self._token_sent and payload and not self.answered:
                self.answered = True
                return b"\x01", True
            return await super().step(payload)

    if not hasattr(conn.OAuthAuthenticator, "answered"):
        conn.OAuthAuthenticator = Authenticator


def _source(settings: Settings) -> Callable[[], str]:
    path, endpoint = settings.sasl_oauth_token_file, settings.sasl_oauth_token_endpoint
    if path is not None:
        return lambda: from_file(path)
    secret, name = settings.sasl_oauth_client_secret, settings.sasl_oauth_client_id
    if endpoint is None or secret is None or name is None:
        raise AssertionError  # the settings refuse it
    return Endpoint(endpoint, name, secret.get_secret_value(), settings.sasl_oauth_scope)


def from_file(path: Path) -> str:
    """The token in a file, as it is now.

    Raises:
        TokenUnavailable: it can't be read, or is no token.
    """
    try:
        with path.open("rb") as file:
            content = file.read(TOKEN_BYTES + 1)
    except OSError as error:
        text = f"sasl_oauth_token_file {path}: {error.strerror}"
        raise TokenUnavailable(text, hint="check path and permissions; who writes it?") from None
    return _checked(content.strip(), f"sasl_oauth_token_file {path}")


class Endpoint:
    """Asks for tokens, and remembers one until most of its life is over; for use by several threads."""

    def __init__(
        self,
        url: str,
        client_id: str,
        secret: str,
        scope: str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe it; nothing is asked yet."""
        self._url, self._clock = url, clock
        # RFC 6749 §2.3.1: both are form-encoded first.
        login = ":".join(urllib.parse.quote_plus(text) for text in (client_id, secret))
        self._login = base64.b64encode(login.encode()).decode()
        form = {"grant_type": "client_credentials"} | ({} if scope is None else {"scope": scope})
        self._form = urllib.parse.urlencode(form).encode()
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def __call__(self) -> str:
        """A token.

        Raises:
            TokenUnavailable: the endpoint does not give one.
        """
        with self._lock:  # who comes second waits for the answer instead of asking again
            if not self._token or self._clock() >= self._until:
                asked = self._clock()
                self._token, life = self._ask()
                self._until = asked + life * EARLY
            return self._token

    def _ask(self) -> tuple[str, float]:
        """A new token and its life in seconds."""
        where = f"sasl_oauth_token_endpoint {self._url}"
        headers = {
            "Authorization": f"Basic {self._login}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        request = urllib.request.Request(self._url, self._form, headers)  # noqa: S310 (https, by the settings' check)
        try:
            with _OPENER.open(request, timeout=ENDPOINT_SECONDS) as answer:
                content = answer.read(ANSWER_BYTES + 1)
        except urllib.error.HTTPError as error:
            with error:
                text = f"{where} answers {error.code}{_code(error)}"
            hint = "check sasl_oauth_client_id, sasl_oauth_client_secret and sasl_oauth_scope"
            raise TokenUnavailable(text, hint=hint) from None
        except (OSError, ValueError) as error:
            raise TokenUnavailable(f"{where}: {_reason(error)}", hint="check the address and the network") from None
        if len(content) > ANSWER_BYTES:
            raise TokenUnavailable(
                f"{where} answers with more than {ANSWER_BYTES:,} bytes", hint="is it the right one?"
            )
        return _read(content, where)


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a redirect would take the client's secret to an address that nobody named."""

    def redirect_request(self, *_: Any) -> None:
        """None: the answer stands as an error."""


_OPENER: Final = urllib.request.build_opener(_Straight)


def _read(content: bytes, where: str) -> tuple[str, float]:
    """Token and life of an answer (RFC 6749 §5.1)."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("access_token"), str):
        raise TokenUnavailable(f"{where} answers without an access_token", hint="is it a token endpoint?")
    life = found.get("expires_in")
    seconds = float(life) if isinstance(life, int | float) and 0 < life < 1 << 31 else UNSAID_SECONDS
    return _checked(found["access_token"].encode(errors="replace"), where), seconds


def _checked(token: bytes, where: str) -> str:
    """A token as RFC 6750 has it: visible ASCII, so that it can end neither a header nor a field of the login."""
    if not token:
        raise TokenUnavailable(f"{where}: there is no token in it", hint="it must hold the token and nothing else")
    if len(token) > TOKEN_BYTES or not all(0x21 <= byte <= 0x7E for byte in token):
        hint = f"visible ASCII, at most {TOKEN_BYTES:,} bytes"
        raise TokenUnavailable(f"{where}: what is there is no token", hint=hint)
    return token.decode("ascii")


def _code(error: urllib.error.HTTPError) -> str:
    """The error code of RFC 6749 §5.2, if it is one of those; nothing else of the answer is repeated."""
    try:
        code = json.loads(error.read(ANSWER_BYTES)).get("error")
    except (OSError, ValueError, AttributeError, RecursionError):
        return ""
    return f" {code}" if code in _CODES else ""


_CODES: Final = (
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
)


def _reason(error: Exception) -> str:
    """Why nobody answered, without the address."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {cause.verify_message}"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return "no answer in time" if isinstance(cause, TimeoutError) else type(cause).__name__
