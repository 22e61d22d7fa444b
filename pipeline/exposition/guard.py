"""Who may look, and where the port is: loopback, or a token, or a certificate (or both).

Owns what of the settings opens a port, and refuses one that is open to everybody. Imports settings and errors.
"""

from __future__ import annotations

import hmac
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.errors import UsageError
from pipeline.settings import Settings, listened, loopback

CLOSE_IT: Final = (
    "set metrics_token (by environment or file), or metrics_ssl_certfile with metrics_ssl_cafile; or listen on "
    "127.0.0.1 only"
)


@dataclass(frozen=True)
class Guard:
    """What a port asks of those who want to see metrics and reasons.

    Attributes:
        host, port: where it listens; port 0 is any that is free.
        token: that a request has to show as its bearer token; None: none.
        tls: encrypts; None: plain HTTP.
        certified: whether a client has to show a certificate that our CA signed.
    """

    host: str
    port: int
    token: bytes | None = None
    tls: ssl.SSLContext | None = None
    certified: bool = False

    @property
    def open(self) -> bool:
        """Whether everyone who reaches the port may look."""
        return self.token is None and not self.certified

    def admits(self, authorization: str | None, certificate: object) -> bool:
        """Whether a request may look.

        Args:
            authorization: its header of that name, as http.server decodes it (Latin-1).
            certificate: that of the client; None or empty without one.
        """
        if self.certified and not certificate:
            return False
        if self.token is None:
            return True
        scheme, _, shown = (authorization or "").partition(" ")
        right = hmac.compare_digest(shown.strip().encode("latin-1", "replace"), self.token)
        return right and scheme.lower() == "bearer"


def guard_of(settings: Settings) -> Guard | None:
    """What the settings ask for; None: no port.

    Raises:
        UsageError: the port would be open to everybody, or a certificate can't be used.
    """
    if settings.metrics_address is None:
        return None
    host, port = listened(settings.metrics_address)
    tls = _tls(settings)
    certified = tls is not None and settings.metrics_ssl_cafile is not None
    token = None if settings.metrics_token is None else settings.metrics_token.get_secret_value().encode()
    guard = Guard(host, port, token, tls, certified)
    if guard.open and not loopback(host):
        raise UsageError(f"metrics_address {settings.metrics_address} would be open to everybody", hint=CLOSE_IT)
    return guard


def _tls(settings: Settings) -> ssl.SSLContext | None:
    certificate, key, authority = (
        settings.metrics_ssl_certfile,
        settings.metrics_ssl_keyfile,
        settings.metrics_ssl_cafile,
    )
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
        if authority is not None:
            context.load_verify_locations(authority)
            context.verify_mode = ssl.CERT_OPTIONAL  # probes show none, and get no reasons
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(path) for path in (certificate, key, authority) if isinstance(path, Path))
        text = f"the certificates of the metrics port can't be used: {error.strerror or type(error).__name__}"
        raise UsageError(text, hint=f"look at {files}") from None
    return context
