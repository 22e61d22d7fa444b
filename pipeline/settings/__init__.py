"""Settings: frozen values read once at the edge of the program (CONTRACT §6).

Public face of the package: `load` for commands, `Settings` for everything below them, `client` and `producer` for Kafka
clients, `patient` for those that must know a broker, `right`, `denied`, `kept_off` and `unreached` for what Kafka says
against them; of addresses `parted`, `listened`, `loopback` and `url`. May import `pipeline.errors` and, lazily,
`pipeline.core.policy`; every other room may import it.
"""

from __future__ import annotations

from pipeline.settings.address import listened, loopback, parted, url
from pipeline.settings.brokers import patient
from pipeline.settings.client import MESSAGE_BYTES, client, producer
from pipeline.settings.describe import default, placeholder, secret, show, what, why
from pipeline.settings.model import ENV_PREFIX, NAMES, Settings
from pipeline.settings.refusal import GROUP_DENIED, TOPIC_DENIED, denied, kept_off, right, unreached
from pipeline.settings.sources import CONFIG_VARIABLE, Kind, Loaded, Origin, load, unknown

__all__ = [
    "CONFIG_VARIABLE",
    "ENV_PREFIX",
    "GROUP_DENIED",
    "MESSAGE_BYTES",
    "NAMES",
    "TOPIC_DENIED",
    "Kind",
    "Loaded",
    "Origin",
    "Settings",
    "client",
    "default",
    "denied",
    "kept_off",
    "listened",
    "load",
    "loopback",
    "parted",
    "patient",
    "placeholder",
    "producer",
    "right",
    "secret",
    "show",
    "unknown",
    "unreached",
    "url",
    "what",
    "why",
]
