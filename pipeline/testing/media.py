"""Builders of speech, transcriptions and images (WIRE §7 to §9). Imports this room's streams."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from pipeline.testing.chunk import AUDIO, IMAGE, TRANSCRIPTION, Document
from pipeline.testing.closing import ClosingStream
from pipeline.testing.stream import Step, Stream


class SpeechStream(ClosingStream):
    """The chunks of speech; see `speech`."""

    stream_type: ClassVar[str] = AUDIO
    end_is_enough: ClassVar[bool] = True

    def audio(self, *pieces: bytes) -> Self:
        """Sound, a chunk for each piece."""
        made = self
        for piece in pieces:
            response = {"type": "speech.audio.delta", "audio": b64encode(piece).decode()}
            made = made._add({"response": response}, content=True)
        return made

    def finish(self) -> Self:
        """`speech.audio.done`."""
        return self._close({"type": "speech.audio.done", "audio": None}, end="success", content=True)


class TranscriptionStream(ClosingStream):
    """The chunks of a transcription; see `transcription`."""

    stream_type: ClassVar[str] = TRANSCRIPTION
    end_is_enough: ClassVar[bool] = True

    def text(self, *pieces: str) -> Self:
        """Transcript, a chunk for each piece."""
        made = self
        for piece in pieces:
            response = {"type": "transcript.text.delta", "delta": piece, "text": ""}
            made = made._add({"response": response}, content=bool(piece), text=piece)
        return made

    def finish(self) -> Self:
        """`transcript.text.done`; like some providers it does not tell the text again, so what was lost stays lost."""
        return self._close({"type": "transcript.text.done", "text": ""}, end="success", content=True)


class ImagesStream(Stream):
    """The chunks of an image generation; see `images`."""

    stream_type: ClassVar[str] = IMAGE
    end_is_enough: ClassVar[bool] = True

    def preview(self, picture: bytes, *, image: int = 0) -> Self:
        """An early look at an image."""
        place = self._next({"image_index": image})
        response = {"type": "image_generation.partial_image", "partial_image_index": place}
        return self._picture(response, picture, image, content=True)

    def picture(self, picture: bytes, *, image: int = 0, usage: tuple[int, int] | None = None) -> Self:
        """A finished image; the last one has the usage of all, tokens in and out."""
        response: Document = {"type": "image_generation.completed"}
        if usage is not None:
            counts = {"input_tokens": usage[0], "output_tokens": usage[1], "total_tokens": sum(usage)}
            response["usage"] = counts
        said = {"content": True, "tokens": usage, "end": "success", "finish": "completed"}
        return self._picture(response, picture, image, **said)

    def _picture(self, response: Document, picture: bytes, image: int, **said: Any) -> Self:
        payload = {**response, "b64_json": b64encode(picture).decode()}
        return self._add({"image_index": image, "response": payload}, **said)

    def _outcome(self, steps: Sequence[Step], *, marked: bool) -> tuple[str, str | None]:
        """The end is that of all images of which there is something."""
        begun = {each.fields["image_index"] for each in steps if "image_index" in each.fields}
        ended = {each.fields["image_index"] for each in steps if each.finish == "completed"}
        failed = any(each.finish == "error" for each in steps)
        return super()._outcome(steps if failed or begun == ended else (), marked=marked)

    def _next(self, fields: Mapping[str, Any]) -> int:
        """Images are numbered one by one."""
        image = fields.get("image_index")
        mine = [each.fields.get("image_index") for each in self.steps if each.attempt == self.number]
        return sum(each == image for each in mine)


def speech(request_id: str = "r-1", **envelope: Any) -> SpeechStream:
    """Begin speech; `audio(b"RI", b"FF")`, `usage(7, 42)`, `finish()`.

    >>> speech().audio(b"RIFF").finish().chunks[0]["response"]
    {'type': 'speech.audio.delta', 'audio': 'UklGRg=='}

    Args:
        request_id: Of all its chunks.
        envelope: Fields of every chunk: `provider`, `model`, `labels`, `raw_request` …
    """
    return SpeechStream(request_id=request_id, envelope=envelope)


def transcription(request_id: str = "r-1", **envelope: Any) -> TranscriptionStream:
    """Begin a transcription; `text("Hel", "lo")`, `usage(14, 5)`, `finish()`; arguments as those of `speech`."""
    return TranscriptionStream(request_id=request_id, envelope=envelope)


def images(request_id: str = "r-1", *, n: int = 1, **envelope: Any) -> ImagesStream:
    """Begin an image generation; `preview(b"…")`, `picture(b"…", usage=(12, 272))`; a second one with `image=1`.

    Args:
        request_id: Of all its chunks.
        n: How many images were asked for; the request closes when they are there.
        envelope: Fields of every chunk: `provider`, `model`, `labels` …
    """
    asked = {"raw_request": {"n": n, **(envelope.pop("raw_request", None) or {})}}
    return ImagesStream(request_id=request_id, envelope={**envelope, **asked})
