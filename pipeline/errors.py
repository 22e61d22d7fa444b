"""The one error tree of Streamledger: blame in the type, coordinates as attributes, the way out in `hint`.

StreamledgerError                  exit 1, what `pipeline.cli` catches and prints in one line
├── UsageError                     exit 2, the caller's fault: an argument, a setting, an input file
├── ProducerFault                  the gateway's fault: a chunk that becomes a dead letter, never stops a partition (G4)
├── BrokerFault                    exit 3, the broker's or network's fault: trying again later may help
│   ├── KafkaUnreachable           the configured Kafka does not answer
│   ├── AccessRefused              it answers, and refuses a login, a certificate or a right: waiting does not help
│   ├── TokenUnavailable           there is no token to log in with; its source may be back later
│   └── BrokerUnavailable          no Kafka could be provided (the embedded broker can't be fetched or started)
│       └── PortTaken              somebody else listens on one of its ports
├── FoundProblem                   exit 1, the command did its work and what it looked at is wrong
│   ├── TopicDrift                 topics differ from their definitions
│   ├── ValueRefused               a database of records takes a value of the statement for none of its own
│   └── DatabaseAway               a database of records does not answer; trying again later may help
│       └── DatabaseHeld           another process has the DuckDB file open
└── OurFault                       exit 1, ends the process: the ledger can't go on safely
    ├── StateLost                  the changelog is gone, the group has offsets; a local store may be the last copy
    ├── InvariantBroken            something that must never happen did
    └── Fenced                     another owner holds the partition's transactional id (G2)

Add a class here, and to the drawing, only when someone catches it. Texts carry no chunk content (G7). Imports the
standard library only, because every room may import it.
"""

from typing import ClassVar, Final

OK: Final = 0
FOUND_PROBLEM: Final = 1
BAD_USAGE: Final = 2
NO_KAFKA: Final = 3


class StreamledgerError(Exception):
    """Root of all errors that the project raises on purpose.

    Args:
        message: What is wrong, one plain sentence without content of chunks.
        hint: What to do next; printed after the message.
        topic: Kafka topic the error belongs to.
        partition: Kafka partition the error belongs to.
        offset: Kafka offset the error belongs to.
        request_id: Request the error belongs to.
    """

    exit_code: ClassVar[int] = FOUND_PROBLEM
    """Exit status of a command that ends with this error (CONTRACT §6)."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        topic: str | None = None,
        partition: int | None = None,
        offset: int | None = None,
        request_id: str | None = None,
    ) -> None:
        """Keep the parts as attributes; the text is made when it is printed."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.request_id = request_id

    @property
    def coordinates(self) -> dict[str, str | int]:
        """The coordinates that are known, under the keys that logs use."""
        known = {"topic": self.topic, "partition": self.partition, "offset": self.offset, "request_id": self.request_id}
        return {name: value for name, value in known.items() if value is not None}

    def __str__(self) -> str:
        """One line: message, then the coordinates in brackets, then the hint."""
        where = ", ".join(f"{name} {value}" for name, value in self.coordinates.items())
        return self.message + (f" [{where}]" if where else "") + (f" ({self.hint})" if self.hint else "")


class UsageError(StreamledgerError):
    """The caller asked for something that can't be done."""

    exit_code = BAD_USAGE


class ProducerFault(StreamledgerError):
    """A chunk that can't be admitted.

    Args:
        reason: One of the reasons of CONTRACT §3, the value of `dl.reason`.
        detail: What exactly, without content: the value of `dl.detail`.
        topic: Topic of the chunk.
        partition: Partition of the chunk.
        offset: Offset of the chunk.
        request_id: Request the chunk names, if it could be read.
    """

    def __init__(
        self,
        reason: str,
        detail: str = "",
        *,
        topic: str | None = None,
        partition: int | None = None,
        offset: int | None = None,
        request_id: str | None = None,
    ) -> None:
        """Build the message from reason and detail."""
        message = f"{reason}: {detail}" if detail else reason
        super().__init__(message, topic=topic, partition=partition, offset=offset, request_id=request_id)
        self.reason = reason
        self.detail = detail


class BrokerFault(StreamledgerError):
    """Kafka can't be reached or provided."""

    exit_code = NO_KAFKA


class KafkaUnreachable(BrokerFault):
    """No broker at the configured address answers."""


class AccessRefused(BrokerFault):
    """Kafka answers and does not let us in, or not do what we ask: a login, a certificate, a right."""


class TokenUnavailable(BrokerFault):
    """The token for a login can't be had: its file can't be read, its endpoint does not answer."""


class BrokerUnavailable(BrokerFault):
    """No Kafka could be provided: the embedded broker can't be fetched or does not start."""


class PortTaken(BrokerUnavailable):
    """A port of the embedded broker is in use; with other ports it may start."""


class FoundProblem(StreamledgerError):
    """A check found what it looks for."""


class TopicDrift(FoundProblem):
    """Topics of the cluster differ from their definitions in a way that breaks a promise."""


class ValueRefused(FoundProblem):
    """A value that a database of records can't hold; it does not say which."""


class DatabaseAway(FoundProblem):
    """A database of records does not answer, or broke off what was asked of it."""


class DatabaseHeld(DatabaseAway):
    """Another process has the DuckDB file open."""


class OurFault(StreamledgerError):
    """The process must end: going on could lose or double money."""


class StateLost(OurFault):
    """The state of a partition is gone while its past is known to have existed."""


class InvariantBroken(OurFault):
    """A state that the design excludes was seen."""


class Fenced(OurFault):
    """Another owner took the partition; nothing of ours may be written any more."""
