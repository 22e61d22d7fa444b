"""Whether the brokers can keep the promises: version, listeners, settings.

Pure judgement of what `cluster` found. Imports the engine's timings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pipeline.engine.config import Timing
from pipeline.ops.doctor.cluster import POSITIONS, TRANSACTIONS, Cluster
from pipeline.ops.doctor.finding import Finding, fine, thin, unseen, wrong

SAFE_COPIES: Final = 3
"""Replicas from which on promise G1 holds (CONTRACT §5)."""

_INIT_PRODUCER_ID, _TXN_OFFSET_COMMIT, _ADD_PARTITIONS, _END_TXN = 22, 28, 24, 26

RELEASES: Final = (
    (_END_TXN, 5, "4.0"),
    (_ADD_PARTITIONS, 4, "3.5"),
    (_INIT_PRODUCER_ID, 4, "2.7"),
    (_TXN_OFFSET_COMMIT, 3, "2.5"),
)
"""Request, version, and the first Kafka that takes it; the newest first."""

OLDEST: Final = "2.5"
"""The first that lets a producer whose transaction failed go on under a new epoch (KIP-360), which fencing rests on."""


class Rule(NamedTuple):
    """What a broker's setting must be: at least, at most (both included), in its own unit, and why."""

    name: str
    least: int | None
    most: int | None
    severe: bool
    why: str


_TIMING: Final = Timing()
RULES: Final = (
    Rule(
        "transaction.max.timeout.ms",
        int(_TIMING.transaction * 1_000),
        None,
        severe=True,
        why="a worker's transactions may take so long, and would be refused",
    ),
    Rule(
        "group.min.session.timeout.ms",
        None,
        int(_TIMING.session * 1_000),
        severe=True,
        why="a worker's session is so long, and would be refused",
    ),
    Rule(
        "group.max.session.timeout.ms",
        int(_TIMING.session * 1_000),
        None,
        severe=True,
        why="a worker's session is so long, and would be refused",
    ),
    Rule(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        None,
        10_000,
        severe=False,
        why="so long again readers wait for the transaction of a worker that vanished",
    ),
)


def check_brokers(cluster: Cluster) -> Iterator[Finding]:
    """How many there are, and how old the oldest is."""
    count = len(cluster.brokers)
    told = f"{count} broker{'s' if count != 1 else ''}"
    silent = [number for number in cluster.brokers if number not in cluster.versions]
    if silent:
        yield wrong("brokers", f"{told}; {_listed(silent)} does not answer", "look at it: its partitions wait")
    if not cluster.versions:
        yield unseen("brokers", f"{told}; none says what it can do")
        return
    releases = {number: release(versions) for number, versions in cluster.versions.items()}
    too_old = [number for number, found in releases.items() if found is None]
    if too_old:
        text = f"{told}; {_listed(too_old)} is older than Kafka {OLDEST}: workers could not be fenced off safely"
        yield wrong("brokers", text, f"update Kafka to {OLDEST} or newer; 4.x is what this is tested with")
        return
    known = sorted(name for name in releases.values() if name is not None)
    new = all(name == RELEASES[0][2] for name in known)
    text = f"{told}, Kafka {known[0]} or newer"
    yield fine("brokers", f"{text}; transactions v2 {'known' if new else 'not known'}, not needed")


def release(versions: Mapping[int, int]) -> str | None:
    """The newest Kafka of RELEASES that a broker can be; None: it is older than all of them."""
    return next((name for api, version, name in RELEASES if versions.get(api, -1) >= version), None)


def check_listeners(cluster: Cluster) -> Iterator[Finding]:
    """Whether every address that clients are sent to takes connections from here."""
    for address, reason in cluster.unreachable.items():
        if address in cluster.brokers.values():
            text = f"clients are sent to {address}, which does not answer here: {reason}"
            yield wrong("listeners", text, "check advertised.listeners of that broker, name resolution and firewalls")
        else:
            text = f"bootstrap server {address}: {reason}"
            yield thin("listeners", text, "take it out of bootstrap_servers, or start that broker")
    if not cluster.unreachable:
        yield fine("listeners", ", ".join(cluster.brokers.values()))


def check_settings(cluster: Cluster) -> Iterator[Finding]:
    """The brokers' own settings that the engine depends on."""
    if not cluster.settings:
        names = ", ".join(rule.name for rule in RULES)
        advice = f"grant DescribeConfigs on the cluster, or ask its operator for {names}"
        yield unseen("broker-settings", "not allowed to look", advice)
        return
    broken = [finding for rule in RULES if (finding := _judged(rule, cluster.settings)) is not None]
    yield from broken
    making = [n for n, found in cluster.settings.items() if found.get("auto.create.topics.enable") == "true"]
    if making:
        text = "auto.create.topics.enable: a mistyped topic name makes a topic, with the producers' clock"
        yield thin("broker-settings", text, "set it to false on the brokers")
    if not broken and not making:
        yield fine("broker-settings", f"{len(RULES) + 1} looked at")


def check_internal(cluster: Cluster) -> Iterator[Finding]:
    """Replicas of Kafka's own topics: what is lost there is lost for every ledger."""
    few = [
        f"{name} has {copies}"
        for name in (TRANSACTIONS, POSITIONS)
        if (copies := min((part.replicas for part in cluster.parts.get(name, ())), default=SAFE_COPIES)) < SAFE_COPIES
    ]
    if few:
        text = f"{', '.join(few)} replicas: with {SAFE_COPIES} a lost broker holds up nobody"
        yield thin("internal-topics", text, "raise transaction.state.log.replication.factor and reassign partitions")
    elif TRANSACTIONS in cluster.denied:
        yield unseen("internal-topics", "not allowed to look", f"grant Describe on {TRANSACTIONS} and {POSITIONS}")
    elif TRANSACTIONS not in cluster.parts:
        yield unseen("internal-topics", "not there yet: the first transaction makes them")
    else:
        yield fine("internal-topics", f"{SAFE_COPIES} replicas or more")


def _judged(rule: Rule, settings: Mapping[int, Mapping[str, str]]) -> Finding | None:
    """A broken rule, told of the first broker that breaks it."""
    for number, found in settings.items():
        value = found.get(rule.name)
        if value is None or not value.isdigit():
            continue
        low = rule.least is not None and int(value) < rule.least
        high = rule.most is not None and int(value) > rule.most
        if low or high:
            bound = f"at least {rule.least}" if low else f"at most {rule.most}"
            text = f"{rule.name} is {value} on broker {number}: {rule.why}"
            tell = wrong if rule.severe else thin
            return tell("broker-settings", text, f"set it to {bound}")
    return None


def _listed(numbers: list[int]) -> str:
    return ", ".join(f"broker {number}" for number in numbers)
