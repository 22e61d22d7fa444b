"""Settings as the keyword arguments of aiokafka's clients, security included.

Owns the one translation that producers, consumers and admin clients of this project share. Imports `ssl`, the errors
and the settings; aiokafka is up to the caller.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.settings.model import Settings

MESSAGE_BYTES: Final = (16 << 20) + (64 << 10)
"""Largest message that is tried: what the chunk topic may take (CONTRACT §3); what is oversize the worker decides."""

BATCH_BYTES: Final = 1 << 18
LINGER_MS: Final = 5


def client(settings: Settings) -> dict[str, Any]:
    """Keyword arguments for AIOKafkaProducer, AIOKafkaConsumer and AIOKafkaAdminClient.

    Raises UsageError when a certificate or key can't be loaded.
    """
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        arguments["ssl_context"] = ssl_context(settings)
    if settings.security_protocol.startswith("SASL_") and settings.sasl_mechanism == "OAUTHBEARER":
        from pipeline.settings.token import provider  # noqa: PLC0415 (an HTTP client that few need)

        arguments["sasl_mechanism"] = settings.sasl_mechanism
        arguments["sasl_oauth_token_provider"] = provider(settings)
    elif settings.sasl_mechanism is not None and settings.sasl_plain_password is not None:
        arguments["sasl_mechanism"] = settings.sasl_mechanism
        arguments["sasl_plain_username"] = settings.sasl_plain_username
        arguments["sasl_plain_password"] = settings.sasl_plain_password.get_secret_value()
    return arguments


def producer(settings: Settings, *, seconds: float) -> dict[str, Any]:
    """Keyword arguments for an AIOKafkaProducer of chunks: idempotent, acks=all, compressed, murmur2 as its default.

    Args:
        settings: how to connect, and how to compress.
        seconds: longest wait for one answer of a broker.

    Raises:
        UsageError: a certificate or key can't be loaded.
    """
    return {
        **client(settings),
        "acks": "all",
        "compression_type": None if settings.compression == "none" else settings.compression,
        "enable_idempotence": True,
        "linger_ms": LINGER_MS,
        "max_batch_size": BATCH_BYTES,
        "max_request_size": MESSAGE_BYTES,
        "request_timeout_ms": int(seconds * 1000),
    }


def ssl_context(settings: Settings) -> ssl.SSLContext:
    """A context that verifies broker and host name, with the client certificate if there is one.

    Raises UsageError, naming the setting, when a file can't be read or used.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ssl_cafile)
    except OSError as error:
        text = f"ssl_cafile {settings.ssl_cafile}: {_reason(error)}"
        raise UsageError(text, hint="it must be a readable PEM file") from None
    if settings.ssl_certfile is not None:
        password = settings.ssl_password.get_secret_value() if settings.ssl_password is not None else None
        try:
            # A callable, even for no password: OpenSSL would ask for one on the terminal, and a service hang.
            context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile, lambda: password or "")
        except OSError as error:
            text = f"ssl_certfile {settings.ssl_certfile}: {_reason(error)}"
            raise UsageError(text, hint="check ssl_certfile, ssl_keyfile and ssl_password") from None
    return context


def _reason(error: OSError) -> str:
    """Why a file could not be used; ssl.SSLError is an OSError whose strerror is long and OpenSSL's own."""
    if isinstance(error, ssl.SSLError):
        return f"not usable ({error.reason or 'wrong password or not PEM'})"
    return error.strerror or type(error).__name__
