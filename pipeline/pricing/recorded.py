"""An attempt as a record keeps it: what is left of it, in the form in which the fold prices one.

Owns the way back from a record's fields to what its price depended on.  Imports the core.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pipeline.core.appraisal import call_of
from pipeline.core.facts import Attempt
from pipeline.core.output import Output
from pipeline.core.valuation import Call

OUTPUTS: Final = ("output_messages", "audio_output", "transcription_output", "image_generation_output")
"""Fields of a record that units are counted in."""


def attempt_in(
    fields: Mapping[str, Any], at: datetime, *, cost: float | None = None, call: str | None = None, said: bool = True
) -> Attempt:
    """An attempt without its chunks.

    Args:
        fields: of a record, or of one of its attempts.
        at: when the request was sent.
        cost: as the gateway stated it.
        call: which call of the provider it was.
        said: whether anything was delivered.
    """
    output = Output(content_times=[at] if said else [])
    for name in OUTPUTS:
        setattr(output, name, fields.get(name))
    return Attempt(
        number=fields.get("number") or 0,
        chunks=(),
        folded=(),
        output=output,
        error=fields.get("error_details"),
        finish_reason=fields.get("finish_reason"),
        token_usage=fields.get("token_usage"),
        cost=cost,
        cache_debug=fields.get("cache_debug"),
        service_tier=fields.get("service_tier"),
        provider=fields.get("provider"),
        model=fields.get("model"),
        anomalies=0,
        call=call,
    )


def call_in(attempt: Attempt, fields: Mapping[str, Any], stream_type: str, at: datetime) -> Call:
    """What the price of such an attempt depends on; `fields` are those of the record."""
    return call_of(attempt, stream_type, at, fields.get("raw_request"))
