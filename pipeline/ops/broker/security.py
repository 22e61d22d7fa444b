"""The embedded broker as a secured one: logins and TLS for clients, a right for everything (ACLs).

Owns the properties and what is told when the data is prepared. Between broker and controller, on the loopback
interface, nothing changes: it shows clients a secured Kafka, it is none. Imports its siblings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.ops.broker.ports import HOST
from pipeline.ops.broker.properties import CLIENTS, Ports

CERTIFIED: Final = "CERTIFIED"
"""Listener for clients that come with a certificate instead of a login."""

NAME: Final = "localhost"
"""Under which clients reach a secured broker: TLS compares it with the certificate."""

_AUTHORIZER: Final = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
_MODULES: Final = "org.apache.kafka.common.security"
_SCRAM: Final = ("SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True)
class Security:
    """Who may connect, and how the broker shows who it is.

    Attributes:
        keystore: PEM file of the broker's key (PKCS 8) and its certificates; the name in it is `localhost`.
        authority: PEM file of the CA that clients' certificates come from.
        administrator: User that may do anything.
        users: Passwords by user, for PLAIN and both kinds of SCRAM; the administrator's is among them.
        plain: Further ones for PLAIN alone, which cost nothing at the start.

    Tokens (OAUTHBEARER) are taken unsigned: their `sub` is the user.
    """

    keystore: Path
    authority: Path
    administrator: str
    users: Mapping[str, str]
    plain: Mapping[str, str] = field(default_factory=dict)

    def properties(self, own: Ports) -> dict[str, str]:
        """What a secured node is configured with beside the usual, and instead of it."""
        clients = f"listener.name.{CLIENTS.lower()}"
        plain = "".join(f' user_{name}="{password}"' for name, password in {**self.users, **self.plain}.items())
        scram = f"{_MODULES}.scram.ScramLoginModule required;"
        return {
            "listeners": (
                f"{CLIENTS}://{HOST}:{own.clients},{CERTIFIED}://{HOST}:{own.certified},"
                f"BROKER://{HOST}:{own.brokers},CONTROLLER://{HOST}:{own.controller}"
            ),
            "advertised.listeners": (
                f"{CLIENTS}://{NAME}:{own.clients},{CERTIFIED}://{NAME}:{own.certified},BROKER://{HOST}:{own.brokers}"
            ),
            "listener.security.protocol.map": (
                f"{CLIENTS}:SASL_SSL,{CERTIFIED}:SSL,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.keystore),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority),
            f"listener.name.{CERTIFIED.lower()}.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
            f"{clients}.sasl.enabled.mechanisms": f"PLAIN,{','.join(_SCRAM)},OAUTHBEARER",
            f"{clients}.plain.sasl.jaas.config": f"{_MODULES}.plain.PlainLoginModule required{plain};",
            **{f"{clients}.{mechanism.lower()}.sasl.jaas.config": scram for mechanism in _SCRAM},
            f"{clients}.oauthbearer.sasl.jaas.config": (
                f'{_MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
            ),
            "authorizer.class.name": _AUTHORIZER,
            "super.users": f"User:{self.administrator};User:ANONYMOUS",  # the latter: on its own listeners, the broker
            "allow.everyone.if.no.acl.found": "false",
        }

    def credentials(self) -> list[str]:
        """Arguments of the tool that prepares the data: the users of SCRAM."""
        return [
            argument
            for name, password in self.users.items()
            for mechanism in _SCRAM
            for argument in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
        ]
