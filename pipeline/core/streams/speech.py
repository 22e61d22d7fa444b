"""Speech: chunks of one attempt -> Output (S-AUDIO-1 to S-AUDIO-3).

Imports pipeline.core and the contract only.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Final

from pipeline.core.error import payload_error
from pipeline.core.output import Output
from schemas.chunk import AudioStreamChunk, StreamType
from schemas.payload import SpeechResponse

_DONE: Final = "speech.audio.done"


def fold_speech(chunks: Sequence[AudioStreamChunk]) -> Output:
    """Join the bytes of all fragments, each padded by itself, and encode them once; keep the usage as it was sent."""
    output = Output()
    audio: list[bytes] = []
    usage = None
    seen = False
    for chunk in chunks:
        response = chunk.response
        if response is None or chunk.error is not None:
            continue
        if response.audio:
            audio.append(response.audio)
            output.content_times.append(chunk.timestamp)
        if response.usage is not None:
            usage = response.usage
        output.terminal |= response.type == _DONE
        seen |= response.type is not None
        if response.error or response.type == "error":
            output.error, output.anomalies = payload_error(StreamType.AUDIO, response)
    if seen or audio or usage is not None:
        output.audio_output = {"audio": b64encode(b"".join(audio)).decode() or None, "usage": usage}
    return output


def has_speech_content(response: SpeechResponse) -> bool:
    """Whether a speech payload carries audio."""
    return bool(response.audio)
