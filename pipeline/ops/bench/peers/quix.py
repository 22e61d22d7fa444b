"""QuixStreams with RocksDB state, at least once. `quix.py SERVERS SOURCE TARGET STATE MS`.

Run as a script, by its path, in an interpreter that has QuixStreams: it can't share one with this project, because it
asks for an older pydantic.
"""
# ruff: noqa: INP001 (no package: scripts for interpreters that need not have this one)

import importlib
import os
import sys
import time
from typing import Any

TOLD: list[float] = []


def join(chunk: dict[str, Any], state: Any) -> str | None:
    """Join the text of choice 0 in the state; the whole text with the last chunk, else nothing."""
    if not TOLD:
        TOLD.append(time.time())
        os.write(1, f"first {TOLD[0]}\n".encode())
    (choice,) = chunk["response"]["choices"]
    text: str = state.get("text", "") + choice["delta"]["content"]
    if choice["finish_reason"] is None:
        state.set("text", text)
        return None
    state.delete("text")
    return text


def main(servers: str, source: str, target: str, directory: str, commit_ms: str) -> None:
    """Run until it is killed."""
    quixstreams = importlib.import_module("quixstreams")
    app = quixstreams.Application(
        broker_address=servers,
        consumer_group=target,
        state_dir=directory,
        commit_interval=int(commit_ms) / 1_000,
        auto_offset_reset="earliest",
        loglevel="ERROR",
    )
    texts = app.dataframe(app.topic(source, value_deserializer="json")).apply(join, stateful=True)
    texts = texts[texts.apply(lambda text: text is not None)]
    texts.to_topic(app.topic(target, value_serializer="json"))
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:6])
