"""What Kafka says against a reader comes out as an error of ours: not there any more, a right missing, or else.

Imports aiokafka's errors, settings and errors.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from aiokafka.errors import KafkaError

from pipeline.errors import BrokerFault, KafkaUnreachable
from pipeline.settings import right


@contextlib.contextmanager
def answering(topic: str) -> Iterator[None]:
    """For reading a topic.

    Raises:
        KafkaUnreachable: no broker answers any more; trying again may help.
        AccessRefused: this user may not read the topic.
        BrokerFault: Kafka refuses for another reason.
    """
    try:
        yield
    except (KafkaError, TimeoutError) as error:
        refused = right(error, "READ", topic=topic)
        if refused is not None:
            raise refused from error
        name = type(error).__name__
        if getattr(error, "retriable", True):
            raise KafkaUnreachable(f"Kafka stopped answering: {name}", hint="check the brokers, then again") from error
        raise BrokerFault(f"Kafka refused: {name}", topic=topic, hint="look at the topic and its brokers") from error
