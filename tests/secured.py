"""A secured Kafka for tests: TLS, logins, ACLs; principals with exactly the rights that a test gives them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from pydantic import SecretStr

from pipeline.ops.broker import Cluster, Security
from pipeline.settings import Settings
from pipeline.topics.rights import Right
from tests.certificates import Authority

ADMINISTRATOR: Final = "admin"
PASSWORD: Final = "made-up-password"
HOST: Final = "localhost"
USERS: Final = {ADMINISTRATOR: PASSWORD, "scrammed": PASSWORD}

_KINDS: Final = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
SECONDS: Final = 60.0
_LIFE: Final = 3_600


@dataclass(frozen=True)
class Secured:
    """The broker and who it trusts."""

    cluster: Cluster
    authority: Authority
    home: Path
    administrator: AdminClient

    def settings(self, base: Settings, user: str) -> Settings:
        """Settings of a ledger as a user of this broker: by a token in a file, over TLS."""
        path = self.home / f"token-{user}"
        path.write_text(token(user) + "\n", encoding="ascii")
        return self.over_tls(base, sasl_mechanism="OAUTHBEARER", sasl_oauth_token_file=path)

    def with_password(self, base: Settings, mechanism: str, user: str, password: str = PASSWORD) -> Settings:
        """The same with a password."""
        login = {"sasl_plain_username": user, "sasl_plain_password": SecretStr(password)}
        return self.over_tls(base, sasl_mechanism=mechanism, **login)

    def over_tls(self, base: Settings, **changes: Any) -> Settings:
        """Settings of a ledger, on the listener for logins unless told otherwise."""
        way = {
            "bootstrap_servers": self.cluster.bootstrap_servers,
            "security_protocol": "SASL_SSL",
            "ssl_cafile": self.authority.certificate,
        }
        return base.model_copy(update=way | changes)

    def grant(self, user: str, rights: Iterable[Right]) -> None:
        """Give a user these rights; they hold when this returns."""
        bindings = [_binding(user, right) for right in rights]
        for future in self.administrator.create_acls(bindings).values():
            future.result(SECONDS)
        anything: Any = None  # confluent's types take no None, its code takes nothing else for it
        allowed = AclOperation.ANY, AclPermissionType.ANY
        own = AclBindingFilter(ResourceType.ANY, anything, ResourcePatternType.ANY, f"User:{user}", anything, *allowed)
        deadline = time.monotonic() + SECONDS
        while len(self.administrator.describe_acls(own).result(SECONDS)) < len(set(bindings)):
            assert time.monotonic() < deadline, "the broker does not know of the rights"


@contextmanager
def secured(home: Path) -> Iterator[Secured]:
    """One such broker for the block."""
    authority = Authority(home / "tls")
    own = authority.issue(HOST)
    security = Security(own.both, authority.certificate, ADMINISTRATOR, USERS, plain={"plain": PASSWORD})
    cluster = Cluster(home / "kafka", security=security)
    try:
        cluster.start()
        administrator = AdminClient({
            "bootstrap.servers": cluster.bootstrap_servers,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-256",
            "sasl.username": ADMINISTRATOR,
            "sasl.password": PASSWORD,
            "ssl.ca.location": str(authority.certificate),
            "log_level": 0,
        })  # fmt: skip
        yield Secured(cluster, authority, home, administrator)
    finally:
        cluster.kill()


def token(user: str) -> str:
    """A token as the broker takes it for tests: not signed, good for an hour."""
    now = int(time.time())
    claims = {"sub": user, "iat": now - 5, "exp": now + _LIFE}
    parts = ({"alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def _binding(user: str, right: Right) -> AclBinding:
    pattern = ResourcePatternType.PREFIXED if right.prefixed else ResourcePatternType.LITERAL
    operation = getattr(AclOperation, right.operation)
    kind = _KINDS[right.kind]
    return AclBinding(kind, right.name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
