"""Taps: the streams of real clients go on as they are, and their chunks are published beside them.

`tap` takes streams of SDKs that talk HTTP through httpx (openai, anthropic and those built like them), raw httpx
responses, and iterables of events; `asgi` and `litellm` hold the taps of proxies. Nothing here raises into a stream:
what goes wrong on our side is logged, and the stream goes on. Imports `pipeline.log` and this room only; the clients
themselves are known by what they can do, so none has to be installed.
"""

from pipeline.ingest.taps.tap import tap

__all__ = ["tap"]
