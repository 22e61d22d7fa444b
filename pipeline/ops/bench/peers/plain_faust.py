"""Faust as one begins with it: a table row for each chunk. `plain_faust.py SERVERS SOURCE TARGET STATE MS`.

Run as a script, by its path, in an interpreter that has Faust.
"""
# ruff: noqa: INP001 (no package: scripts for interpreters that need not have this one)

import importlib
import os
import sys
import time

SERVERS, SOURCE, TARGET, STATE, COMMIT_MS = sys.argv[1:6]
PARTITIONS = 4

faust = importlib.import_module("faust")
app = faust.App(
    TARGET,
    broker=f"kafka://{SERVERS}",
    store="rocksdb://?driver=rocksdict",
    datadir=STATE,
    topic_partitions=PARTITIONS,
    topic_disable_leader=True,
    topic_replication_factor=1,
    broker_commit_interval=int(COMMIT_MS) / 1_000,
    stream_buffer_maxsize=16_384,
    web_enabled=False,
)
source = app.topic(SOURCE, key_type=str, key_serializer="raw", value_serializer="json")
target = app.topic(TARGET, key_type=str, key_serializer="raw", value_serializer="json", partitions=PARTITIONS)
texts = app.Table("texts", partitions=PARTITIONS, default=str)


@app.agent(source)  # type: ignore[untyped-decorator, unused-ignore]  # Faust leaves it untyped
async def join(chunks: object) -> None:
    """Join the text of choice 0 in the table; with the last chunk it goes to the target."""
    told = False
    async for key, chunk in chunks.items():  # type: ignore[attr-defined]  # a stream of Faust
        if not told:
            told = True
            os.write(1, f"first {time.time()}\n".encode())
        request = key.decode() if isinstance(key, bytes) else key
        (choice,) = chunk["response"]["choices"]
        text = texts[request] + choice["delta"]["content"]
        if choice["finish_reason"] is None:
            texts[request] = text
        else:
            texts.pop(request)
            await target.send(key=request.encode(), value=text)


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "--loglevel=error", "--without-web"]
    app.main()
