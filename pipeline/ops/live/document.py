"""A snapshot as one JSON document: the names of the view's shapes, amounts as decimal text, nulls written.

Imports the view's shapes.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal

from pipeline.ops.live.view import Snapshot


def document(snapshot: Snapshot) -> str:
    """What `top --json` prints and the page gives to programs."""
    return json.dumps(asdict(snapshot), ensure_ascii=False, default=_plain)


def _plain(value: object) -> str:
    """Amounts as decimal text."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(type(value).__name__)
