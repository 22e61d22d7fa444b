"""Transcriptions: chunks of one attempt -> Output (S-TR-1 to S-TR-5).

Imports pipeline.core and the contract only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.core.error import payload_error
from pipeline.core.output import Json, Output
from schemas.chunk import StreamType, TranscriptionStreamChunk
from schemas.payload import TranscriptionResponse

_DELTA: Final = "transcript.text.delta"
_SEGMENT: Final = "transcript.text.segment"
DONE: Final = "transcript.text.done"
"""Type of the closing event."""

_LISTS: Final = ("logprobs", "segments", "words")
_SCALARS: Final = ("duration", "language", "task", "usage")
_SEGMENT_FIELDS: Final = ("id", "start", "end", "text", "speaker")
_ORDER: Final = ("duration", "language", "logprobs", "segments", "task", "text", "usage", "words")


class _Transcript:
    """What the chunks said so far; a list in the closing event replaces what was gathered before it."""

    def __init__(self) -> None:
        self.seen = False
        self.deltas: list[str] = []
        self.text: str | None = None
        self.fields: Json = {}
        self.gathered: dict[str, list[Json]] = {name: [] for name in _LISTS}
        self.closing: dict[str, list[Json]] = {}

    def add(self, response: TranscriptionResponse) -> None:
        self.seen |= response.type is not None or response.usage is not None
        if response.type == _SEGMENT:
            segment = {name: getattr(response, name) for name in _SEGMENT_FIELDS}
            self.gathered["segments"].append({name: value for name, value in segment.items() if value is not None})
        elif response.text and response.type != _DELTA:
            self.text = response.text
        elif response.delta:
            self.deltas.append(response.delta)
        for name in _LISTS:
            entries = getattr(response, name)
            if entries and response.type == DONE:
                self.closing[name] = entries
            elif entries:
                self.gathered[name].extend(entries)
        for name in _SCALARS:
            value = getattr(response, name)
            if value is not None:
                self.fields[name] = value

    def render(self) -> Json:
        fields = self.fields | self.gathered | self.closing
        fields["text"] = "".join(self.deltas) if self.text is None else self.text
        return {name: fields[name] for name in _ORDER if name == "text" or fields.get(name) not in (None, [])}


def fold_transcription(chunks: Sequence[TranscriptionStreamChunk]) -> Output:
    """Fold the chunks; the text of the closing event wins over the deltas (S-TR-2), lists are kept once (S-TR-3)."""
    output = Output()
    transcript = _Transcript()
    for chunk in chunks:
        response = chunk.response
        if response is None or chunk.error is not None:
            continue
        transcript.add(response)
        if has_transcription_content(response) and (response.type != DONE or not output.content_times):
            output.content_times.append(chunk.timestamp)
        output.terminal |= response.type == DONE
        if response.error or response.type == "error":
            output.error, output.anomalies = payload_error(StreamType.TRANSCRIPTION, response)
    rendered = transcript.render()
    if transcript.seen or rendered != {"text": ""}:
        output.transcription_output = rendered
    return output


def has_transcription_content(response: TranscriptionResponse) -> bool:
    """Whether a transcription payload carries a piece of the transcript."""
    return bool(response.delta or (response.text and response.type != _DELTA))
