"""Usage of Anthropic messages → usage inclusive of cache tokens (WIRE §4).

Owns the sum that makes an Anthropic prompt comparable: its input_tokens leave out what was read from and written to the
prompt cache. What was sampled beside the answer (a compaction, an advisor) stays in `iterations`, where the fold looks
for it. The names of the leaves are those of pipeline.core.dialect.
"""

from __future__ import annotations

from pipeline.core.dialect import lifetimes
from pipeline.ingest.leaf import Payload, count, mapping, text


class Usage:
    """What was reported so far: counts are cumulative, so a later report replaces field by field and is never added."""

    def __init__(self) -> None:
        """Begin with nothing reported."""
        self.reported: Payload = {}

    def update(self, report: object) -> None:
        """Take over what a report says; null says nothing."""
        self.reported |= {key: value for key, value in mapping(report).items() if value is not None}

    def inclusive(self) -> Payload | None:
        """Usage as chunks carry it, None when nothing is known.

        A prompt of zero tokens is no measure (continuations after a server tool report it): it is left out then, and
        so is a total of zero, which means "unknown" and not "free". Zero output is a measure: a refusal has it.
        """
        said = self.reported
        split = {name: count(value) or 0 for name, value in lifetimes(said).items()}
        read, write = count(said.get("cache_read_input_tokens")), count(said.get("cache_creation_input_tokens"))
        if write is None and split:  # some gateways send only the split by lifetime
            write = sum(split.values())
        prompt = (count(said.get("input_tokens")) or 0) + (read or 0) + (write or 0)
        completion = count(said.get("output_tokens"))
        usage = {
            "prompt_tokens": prompt or None,
            "prompt_tokens_details": _known(
                {
                    "cached_read_tokens": read,
                    "cached_write_tokens": write,
                    "cached_write_token_details": split or None,
                }
            ),
            "completion_tokens": completion,
            "completion_tokens_details": self._completion_details(),
            "total_tokens": (prompt + (completion or 0)) or None,
            "iterations": said.get("iterations"),
            "inference_geo": text(said.get("inference_geo")) if prompt or completion is not None else None,
        }
        return _known(usage)

    def _completion_details(self) -> Payload | None:
        return _known(
            {
                "reasoning_tokens": count(mapping(self.reported.get("output_tokens_details")).get("thinking_tokens")),
                "num_search_queries": count(mapping(self.reported.get("server_tool_use")).get("web_search_requests")),
            }
        )


def _known(fields: Payload) -> Payload | None:
    return {key: value for key, value in fields.items() if value is not None} or None
