"""The ceiling of any Python client: aiokafka's records, decoded, no state. `consume.py SERVERS SOURCE TARGET STATE MS`.

Run as a script, by its path. Passes the key of each last chunk on, so that the same reader counts it; state directory
and commit interval are of no use to it.
"""
# ruff: noqa: INP001 (no package: scripts for interpreters that need not have this one)

import os
import sys
import time

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def main(servers: str, source: str, target: str) -> None:
    """Run until it is killed."""
    consumer = AIOKafkaConsumer(
        source,
        bootstrap_servers=servers,
        group_id=target,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_poll_records=2_000,
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers, linger_ms=5)
    decode = msgspec.json.decode
    await consumer.start()
    await producer.start()
    told = False
    while True:
        for records in (await consumer.getmany(timeout_ms=500)).values():
            if not told:
                told = True
                os.write(1, f"first {time.time()}\n".encode())
            for record in records:
                if decode(record.value)["is_final"]:
                    await producer.send(target, b"", key=record.key)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:4]))
