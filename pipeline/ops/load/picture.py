"""Images with previews: one to three of them in a stream, the usage with the last.

Imports its siblings and the standard library.
"""

from __future__ import annotations

import base64
import random
from typing import Final

from pipeline.ops.load.chat import tokens
from pipeline.ops.load.manner import Manner
from pipeline.ops.load.piece import Json, Made, Piece

TOKENS_AN_IMAGE: Final = 1_056
MOST: Final = 3


def image(draw: random.Random, manner: Manner) -> Made:
    """Each image by itself: its previews, then the whole of it."""
    model = draw.choice(manner.models["image.generation"])
    count = draw.randint(1, MOST)
    shared: Json = {"size": "1024x1024", "quality": "medium", "background": "opaque", "output_format": "png"}
    pieces = []
    for number in range(count):
        slot = f"image{number}"
        for preview in range(draw.randint(*manner.previews)):
            data = _noise(draw, manner.preview.whole(draw))
            partial = {"type": "image_generation.partial_image", "partial_image_index": preview, "b64_json": data}
            pieces.append(Piece({"response": partial | shared}, (slot, data), image=number))
        data = _noise(draw, manner.picture.whole(draw))
        done = {"type": "image_generation.completed", "b64_json": data} | shared
        pieces.append(Piece({"response": done}, (slot, data), image=number))
    counts = tokens(draw, manner, model, TOKENS_AN_IMAGE * count)._replace(cached=0)
    pieces[-1].counts = counts
    pieces[-1].body["response"]["usage"] = {
        "input_tokens": counts.prompt,
        "output_tokens": counts.completion,
        "total_tokens": counts.total,
        "input_tokens_details": {"text_tokens": counts.prompt, "image_tokens": 0},
    }
    request: Json = {"model": model.name, "n": count, "prompt": "boats in a harbour"}
    return Made("image.generation", model, pieces, counts, "completed", request=request)


def _noise(draw: random.Random, size: int) -> str:
    return base64.b64encode(draw.randbytes(size)).decode()
