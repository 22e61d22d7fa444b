"""What Kafka's errors mean to whoever runs us: not there, a login refused, a certificate refused, a right missing.

The one place that reads them for logins and rights. aiokafka only logs why a connection could not be made, so the
reason is found by one more attempt. Imports the errors; aiokafka when something has gone wrong.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pipeline.errors import AccessRefused, BrokerFault, KafkaUnreachable, TokenUnavailable

PROBE_MILLISECONDS: Final = 5_000
CLOSE_SECONDS: Final = 1.0
"""Longest wait for a connection to be closed; brokers keep one that was refused for a tenth of a second."""
GRANT: Final = "`streamledger topics --rights ROLE` lists what each command needs"

TOPIC_DENIED: Final = 29
GROUP_DENIED: Final = 30
"""Kafka's codes for a right that is missing, in answers that tell it for each resource."""

_ALWAYS: Final = {"group": "READ", "transactional_id": "WRITE"}
"""What members of a group and transactions need, whatever they do."""

_CONNECTION: Final = (
    "security_protocol",
    "ssl_context",
    "sasl_mechanism",
    "sasl_plain_username",
    "sasl_plain_password",
    "sasl_oauth_token_provider",
)
_NAME_MISMATCH, _IP_MISMATCH, _EXPIRED, _NOT_YET = 62, 64, 10, 9
"""Codes of OpenSSL's X509_V_ERR_*."""


def right(error: BaseException, operation: str, **resource: str) -> AccessRefused | None:
    """The error for a right that is missing; None if it is about something else.

    Args:
        error: Of aiokafka.
        operation: What was tried on a topic or the cluster, as Kafka calls it: READ, WRITE, …
        resource: Names where the error itself has none: `topic`, `group`, `transactional_id`.
    """
    from aiokafka import errors  # noqa: PLC0415 (commands without Kafka do without it)

    kinds: dict[type[BaseException], str] = {
        errors.TopicAuthorizationFailedError: "topic",
        errors.GroupAuthorizationFailedError: "group",
        errors.TransactionalIdAuthorizationFailed: "transactional_id",
        errors.ClusterAuthorizationFailedError: "cluster",
    }
    for each in _chain(error):
        kind = kinds.get(type(each))
        if kind is not None:
            if kind == "cluster" and "topic" in resource:
                return denied("WRITE", "topic", resource["topic"])  # an idempotent producer of who may write nowhere
            name = resource.get(kind, "") if kind != "topic" else ""
            return denied(_ALWAYS.get(kind, operation), kind, name or _named(each) or resource.get(kind, ""))
    return None


def denied(operation: str, kind: str, name: str) -> AccessRefused:
    """The error for a right that is missing; where Kafka answers with a code instead of an error."""
    said = f"{kind.replace('_', ' ')} {name}".rstrip()
    return AccessRefused(f"Kafka does not let this user {operation} on {said}", hint=GRANT)


def kept_off(error: BaseException, operation: str, otherwise: str, **resource: str) -> BrokerFault:
    """The error for a right that is missing, else a BrokerFault that says `otherwise` and the kind of error."""
    found = right(error, operation, **resource)
    return found if found is not None else BrokerFault(f"{otherwise}: {type(error).__name__}")


async def unreached(kafka: Mapping[str, Any]) -> BrokerFault:
    """Why no connection could be made, found by trying each address once more.

    Args:
        kafka: Keyword arguments of aiokafka's clients, as `client` makes them.
    """
    from aiokafka.conn import AIOKafkaConnection, get_ip_port_afi  # noqa: PLC0415 (as above)
    from aiokafka.errors import KafkaError  # noqa: PLC0415

    servers = kafka["bootstrap_servers"]
    addresses = servers.split(",") if isinstance(servers, str) else list(servers)
    told = {name: kafka[name] for name in _CONNECTION if name in kafka}
    for address in addresses:
        host, port, _ = get_ip_port_afi(address)
        connection = AIOKafkaConnection(host, port, request_timeout_ms=PROBE_MILLISECONDS, **told)
        try:
            await connection.connect()
        except TokenUnavailable as error:
            return TokenUnavailable(error.message, hint=error.hint)
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            found = _refused(error, address, kafka)
            if found is not None:
                return found
        finally:
            connection.close()
            # Also for those that the client has just tried: a command ends now, and with it the loop they close in.
            if connection._protocol is not None:  # noqa: SLF001 (it was connected)
                await asyncio.wait([connection._closed_fut], timeout=CLOSE_SECONDS)  # noqa: SLF001
    text = f"no Kafka answers at {','.join(addresses)}"
    hint = "check bootstrap_servers and security_protocol; `streamledger broker` starts one"
    return KafkaUnreachable(text, hint=hint)


def _refused(error: BaseException, address: str, kafka: Mapping[str, Any]) -> AccessRefused | None:
    """The error for a connection that was made and not let in; None for one that was not made."""
    from aiokafka import errors  # noqa: PLC0415 (as above)

    mechanism, user = kafka.get("sasl_mechanism"), kafka.get("sasl_plain_username")
    for each in _chain(error):
        if isinstance(each, errors.SaslAuthenticationFailed):
            who = "the token" if mechanism == "OAUTHBEARER" else f"the login of {user}"
            hint = f"check the {'sasl_oauth_*' if mechanism == 'OAUTHBEARER' else 'sasl_plain_*'} settings"
            return AccessRefused(f"Kafka at {address} refuses {who} by {mechanism}", hint=hint)
        if isinstance(each, errors.UnsupportedSaslMechanismError | errors.IllegalSaslStateError):
            return AccessRefused(
                f"Kafka at {address} takes no login by {mechanism}",
                hint="sasl_mechanism, security_protocol and port must be those of one listener",
            )
        if isinstance(each, ssl.SSLCertVerificationError):
            return _distrusted(each, address)
        if isinstance(each, ssl.SSLError):
            return _alert(each, address)
    return None


def _distrusted(error: ssl.SSLCertVerificationError, address: str) -> AccessRefused:
    """The broker's certificate is not one that we trust."""
    hint = "ssl_cafile must hold the CA that signed it"
    if error.verify_code in {_NAME_MISMATCH, _IP_MISMATCH}:
        hint = "bootstrap_servers must use a name that is in the certificate"
    elif error.verify_code in {_EXPIRED, _NOT_YET}:
        hint = "it must be renewed on the broker, or a clock is wrong"
    text = f"the certificate of Kafka at {address} is not trusted: {error.verify_message.rstrip('.')}"
    return AccessRefused(text, hint=hint)


def _alert(error: ssl.SSLError, address: str) -> AccessRefused:
    """TLS failed for another reason: mostly the broker does not trust us, or speaks no TLS."""
    reason = error.reason or "no reason given"
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        text = f"Kafka at {address} refuses our certificate or wants one: {reason}"
        return AccessRefused(text, hint="check ssl_certfile and ssl_keyfile, and whose CA the broker trusts")
    text = f"TLS with Kafka at {address} fails: {reason}"
    return AccessRefused(text, hint="does this listener speak TLS? check security_protocol and port")


def _named(error: BaseException) -> str:
    """The names in the arguments of an authorization error."""
    named = error.args[0] if error.args else ""
    if isinstance(named, str):
        return named
    return ", ".join(sorted(map(str, named))) if isinstance(named, set | frozenset | list | tuple) else ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
