"""Images: chunks of one attempt -> Output (S-IMG-1 to S-IMG-8).

Imports pipeline.core and the contract only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.core.error import payload_error
from pipeline.core.output import Json, Output
from schemas.chunk import ImageStreamChunk, StreamType
from schemas.payload import ImageResponse

_COMPLETED: Final = frozenset({"image_generation.completed", "image_edit.completed"})
_FIELDS: Final = ("id", "created_at", "background", "output_format", "quality", "size", "usage")
_ORDER: Final = ("id", "created", "data", "background", "output_format", "quality", "size", "usage")


class _Image:
    """One image: its finished form, its latest preview, or the pieces of one base64 text."""

    def __init__(self) -> None:
        self.finished = False
        self.result: str | None = None
        self.url: str | None = None
        self.revised_prompt: str | None = None
        self.preview: str | None = None
        self.preview_index = 0
        self.pieces: list[str] = []

    def add(self, response: ImageResponse) -> None:
        data, place = response.b64_json, response.partial_image_index
        if response.url:
            self.url = response.url
        if response.revised_prompt:
            self.revised_prompt = response.revised_prompt
        if response.type in _COMPLETED:
            self.finished = True
            self.result = data or self.result
        elif data and place is None:
            self.pieces.append(data)
        elif data and place is not None and (self.preview is None or place >= self.preview_index):
            self.preview, self.preview_index = data, place

    def render(self, index: int) -> Json | None:
        """The image, or None when nothing is known of it but that it was begun."""
        pieces = "".join(self.pieces) or None
        if self.result is None and not (self.finished and self.url):
            data = (pieces or self.preview) if self.finished else (self.preview or pieces)
        else:
            data = self.result
        fields = {"url": self.url, "b64_json": data, "revised_prompt": self.revised_prompt}
        known = {name: value for name, value in fields.items() if value is not None}
        return {**known, "index": index} if known or self.finished else None


def fold_image(chunks: Sequence[ImageStreamChunk]) -> Output:
    """Fold the chunks by image; a preview is shown only where no finished image came, previews are never joined."""
    output = Output()
    images: dict[int, _Image] = {}
    latest: dict[str, tuple[tuple[int, int], object]] = {}
    for chunk in chunks:
        response = chunk.response
        if response is None or chunk.error is not None:
            continue
        index = chunk.image_index or 0
        if response.error or response.type == "error":
            output.error, output.anomalies = payload_error(StreamType.IMAGE, response)
        elif response.type or response.b64_json or response.url:
            images.setdefault(index, _Image()).add(response)
        if has_image_content(response):
            output.content_times.append(chunk.timestamp)
        place = (chunk.chunk_index, index)
        for name in _FIELDS:
            value = getattr(response, name)
            if value is not None and (name not in latest or place >= latest[name][0]):
                latest[name] = (place, value)
    fields: Json = {name: value for name, (_, value) in latest.items()}
    if images or fields:
        fields["created"] = fields.pop("created_at", None)
        rendered = (images[index].render(index) for index in sorted(images))
        fields["data"] = [image for image in rendered if image is not None]
        output.image_generation_output = {name: fields[name] for name in _ORDER if fields.get(name) is not None}
    if images and all(image.finished for image in images.values()):
        output.finish_reason, output.terminal = "completed", True
    return output


def has_image_content(response: ImageResponse) -> bool:
    """Whether an image payload carries an image or a part of one."""
    return bool(response.b64_json or response.url)
