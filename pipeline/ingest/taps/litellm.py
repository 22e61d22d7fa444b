"""The tap of LiteLLM's proxy: a custom logger that publishes each stream the proxy hands on.

    litellm_settings:
      callbacks: my_module.ledger        # ledger = StreamledgerLogger(AsyncPublisher())

Owns the hook and the labels. It is the iterator hook that sees every chunk once, in order, and how the stream ends;
LiteLLM's `log_stream_event` is called from a pool of threads, in any order, and for async calls not at all. Streams of
its SDK are tapped by `tap(litellm.completion(…, stream=True), publisher)`. Imports litellm and this room.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

try:
    from litellm.integrations.custom_logger import CustomLogger
except ImportError as missing:
    from pipeline.errors import UsageError

    raise UsageError("litellm is not installed", hint="this tap runs inside of LiteLLM's proxy") from missing

from pipeline.ingest.taps.events import Source, passing_async
from pipeline.ingest.taps.handle import matched
from pipeline.ingest.taps.watch import AsyncWatch

LABELS: Final[Mapping[str, str]] = {
    "api_key": "user_api_key_hash",
    "key_alias": "user_api_key_alias",
    "team_id": "user_api_key_team_id",
    "team_alias": "user_api_key_team_alias",
    "user_id": "user_api_key_user_id",
    "org_id": "user_api_key_org_id",
    "project_id": "user_api_key_project_id",
    "end_user_id": "user_api_key_end_user_id",
}
"""Label by attribute of the proxy's UserAPIKeyAuth: the names that LiteLLM's own logs have. No e-mail address."""

_LABEL_CHARACTERS: Final = 64
"""Of four bytes at most: within the 256 of CONTRACT §1."""


class StreamledgerLogger(CustomLogger):
    """Give one instance to `litellm.callbacks`; whoever made its publisher closes it.

    Args:
        publisher: An AsyncPublisher.
        labels: Label by attribute of UserAPIKeyAuth, in the place of LABELS.

    Raises:
        UsageError: a sync publisher.
    """

    def __init__(self, publisher: Any, *, labels: Mapping[str, str] = LABELS) -> None:
        """Begin."""
        super().__init__()
        self._publisher = matched(publisher, wanted=True)
        self._labels = dict(labels)

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """The stream as it is, published beside."""
        source = Source(response, self._publisher, None, self._arguments(user_api_key_dict, request_data), AsyncWatch())
        stream = passing_async(aiter(response), source)
        try:
            async for event in stream:
                yield event
        finally:
            await stream.aclose()

    def _arguments(self, auth: Any, data: Mapping[str, Any]) -> dict[str, Any]:
        told = {label: getattr(auth, name, None) for name, label in self._labels.items()}
        told["litellm_call_id"] = data.get("litellm_call_id")
        begun = getattr(data.get("litellm_logging_obj"), "start_time", None)
        return {
            "labels": {label: str(value)[:_LABEL_CHARACTERS] for label, value in told.items() if value},
            "start_timestamp": begun.astimezone(UTC) if isinstance(begun, datetime) else None,
        }
