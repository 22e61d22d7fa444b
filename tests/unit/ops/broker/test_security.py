"""The configuration of a secured node: what clients see is secured, and nothing is open by mistake."""

from __future__ import annotations

from pathlib import Path

from pipeline.ops.broker.properties import Ports, server_properties
from pipeline.ops.broker.security import Security

PORTS = Ports(1, 2, 3, 4)
SECURITY = Security(Path("/tls/own.pem"), Path("/tls/ca.pem"), "admin", {"admin": "a-word"}, plain={"app": "b-word"})
MADE = server_properties(1, [PORTS], Path("/data"), SECURITY.properties(PORTS))


def test_clients_come_in_by_login_or_by_certificate() -> None:
    """One listener each, both TLS, under the name of the certificate."""
    assert MADE["listeners"].split(",")[:2] == ["CLIENT://127.0.0.1:1", "CERTIFIED://127.0.0.1:4"]
    assert MADE["advertised.listeners"].split(",")[:2] == ["CLIENT://localhost:1", "CERTIFIED://localhost:4"]
    assert MADE["listener.security.protocol.map"].startswith("CLIENT:SASL_SSL,CERTIFIED:SSL,")
    assert MADE["listener.name.certified.ssl.client.auth"] == "required"


def test_nobody_may_do_what_was_not_granted() -> None:
    """But for the administrator, and the broker on its own listeners."""
    assert MADE["allow.everyone.if.no.acl.found"] == "false"
    assert MADE["super.users"] == "User:admin;User:ANONYMOUS"


def test_users_of_scram_are_told_when_the_data_is_prepared() -> None:
    """Both kinds; those of PLAIN are in the configuration."""
    assert SECURITY.credentials() == [
        "--add-scram",
        "SCRAM-SHA-256=[name=admin,password=a-word]",
        "--add-scram",
        "SCRAM-SHA-512=[name=admin,password=a-word]",
    ]
    assert 'user_app="b-word"' in MADE["listener.name.client.plain.sasl.jaas.config"]
