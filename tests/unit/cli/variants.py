"""What vendors make of OpenAI's formats: payloads by hand after what they are known to send, and their records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

USAGE: Json = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@dataclass(frozen=True)
class Variant:
    """Payloads of one stream, and what its record says; a dotted name leads into the record."""

    vendor: str
    payloads: list[Json]
    record: Json
    format: str = "openai-chat"
    stream_type: str = "chat.completion"


def delta(fields: Json, finish: str | None = None, *, index: int = 0, **beside: Any) -> Json:
    """A chat completion chunk with one choice; fields of the choice may be given as `choice`."""
    choice = {"index": index, "delta": fields, "finish_reason": finish, **beside.pop("choice", {})}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **beside}


def usage_only(**beside: Any) -> Json:
    """A chunk without choices."""
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], **beside}


def event(name: str, **fields: Any) -> Json:
    """An event of the Responses API."""
    return {"type": f"response.{name}", **fields}


def completed(**usage: int) -> Json:
    """The terminal event without output, as some servers send it."""
    return event("completed", response={"status": "completed", "output": [], "usage": usage})


CITED = ["https://a.example", "https://b.example"]
FOUND = [{"title": "A", "url": "https://a.example", "date": "2026-01-01", "snippet": "s"}]
SHOWN = [{"image_url": "https://a.example/x.png", "origin_url": "https://a.example", "height": 8, "width": 8}]
REFERENCE = {"type": "reference", "reference_ids": [0, 2]}
FILTER = {"hate": {"filtered": False, "severity": "safe"}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
NOTE = {
    "type": "url_citation",
    "url_citation": {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2},
}
TEXT = {"type": "output_text", "text": "42"}

VARIANTS: dict[str, Variant] = {
    "mistral: content in blocks": Variant(
        "mistral",
        [
            delta(
                {"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "6 "}]}]}
            ),
            delta({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "× 7"}]}]}),
            delta({"content": [{"type": "text", "text": "It is 42"}, REFERENCE, {"type": "text", "text": "."}]}),
            delta({"content": ""}, "stop", usage=USAGE),
        ],
        {
            "output_message.content": "It is 42.",
            "output_message.reasoning": "6 × 7",
            "output_message.annotations": [REFERENCE],
            "token_usage": USAGE,
            "payload_anomalies": 0,
        },
    ),
    "groq: usage in x_groq": Variant(
        "groq",
        [
            delta({"role": "assistant", "content": "42"}, x_groq={"id": "req_1"}),
            delta({}, "stop", x_groq={"id": "req_1", "usage": {**USAGE, "queue_time": 0.5}}),
        ],
        {"output_message.content": "42", "token_usage.total_tokens": 15, "status": "success", "finish_reason": "stop"},
    ),
    "groq: usage in x_groq without a choice": Variant(
        "groq",
        [delta({"content": "42"}, "stop"), usage_only(x_groq={"id": "req_1", "usage": USAGE})],
        {"output_message.content": "42", "token_usage": USAGE},
    ),
    "groq: an error in x_groq": Variant(
        "groq",
        [delta({"content": "4"}), delta({}, x_groq={"id": "req_1", "error": "over capacity"})],
        {"output_message.content": "4", "status": "error", "error_details.error.message": "over capacity"},
    ),
    "openrouter: reasoning details, cost, who served it": Variant(
        "openrouter",
        [
            delta(
                {
                    "role": "assistant",
                    "content": "",
                    "reasoning": "6 × 7",
                    "reasoning_details": [
                        {"type": "reasoning.text", "text": "6 × 7", "index": 0, "format": "anthropic-claude-v1"}
                    ],
                },
                provider="Anthropic",
            ),
            delta(
                {
                    "content": "",
                    "reasoning_details": [
                        {"type": "reasoning.text", "signature": "S", "index": 0, "format": "anthropic-claude-v1"}
                    ],
                },
                provider="Anthropic",
            ),
            delta({"content": "42", "annotations": [NOTE], "images": [PICTURE]}, provider="Anthropic"),
            delta({"content": ""}, "stop", provider="Anthropic", choice={"native_finish_reason": "end_turn"}),
            delta(
                {"role": "assistant", "content": ""},
                provider="Anthropic",
                usage={**USAGE, "cost": 0.00125, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.001}},
            ),
        ],
        {
            "output_message.content": "42",
            "output_message.reasoning": "6 × 7",
            "output_message.reasoning_details": [
                {
                    "index": 0,
                    "type": "reasoning.text",
                    "text": "6 × 7",
                    "signature": "S",
                    "format": "anthropic-claude-v1",
                }
            ],
            "output_message.annotations": [NOTE],
            "output_message.images": [PICTURE],
            "output_message.upstream_provider": "Anthropic",
            "token_usage.cost.total_cost": 0.00125,
            "cost": 0.00125,
            "cost_details.total": "0.00125",
            "cost_details.source": "provider",
        },
    ),
    "perplexity: citations, search results, pictures": Variant(
        "perplexity",
        [
            delta({"role": "assistant", "content": "4"}, citations=CITED[:1], usage={**USAGE, "completion_tokens": 1}),
            delta({"content": "2[1]"}, "stop", citations=CITED, search_results=FOUND, images=SHOWN, usage=USAGE),
        ],
        {
            "output_message.content": "42[1]",
            "output_message.citations": CITED,
            "output_message.search_results": FOUND,
            "output_message.search_images": SHOWN,
            "token_usage": USAGE,
        },
    ),
    "xai: reasoning_content and citations": Variant(
        "xai",
        [
            delta({"role": "assistant", "content": "", "reasoning_content": "6 × 7"}),
            delta({"content": "42"}, "stop"),
            usage_only(
                usage={**USAGE, "total_tokens": 40, "completion_tokens_details": {"reasoning_tokens": 25}},
                citations=CITED,
            ),
        ],
        {
            "output_message.content": "42",
            "output_message.reasoning": "6 × 7",
            "output_message.citations": CITED,
            "token_usage.completion_tokens_details.reasoning_tokens": 25,
        },
    ),
    "deepseek: reasoning_content": Variant(
        "deepseek",
        [
            delta({"role": "assistant", "content": None, "reasoning_content": ""}),
            delta({"content": None, "reasoning_content": "6 × 7"}),
            delta({"content": "42", "reasoning_content": None}),
            delta({"content": "", "reasoning_content": None}, "stop", usage=USAGE),
        ],
        {
            "output_message.content": "42",
            "output_message.reasoning": "6 × 7",
            "output_message.reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "6 × 7"}],
            "token_usage": USAGE,
        },
    ),
    "huggingface, together: text beside the delta": Variant(
        "huggingface",
        [
            delta({"role": "assistant", "content": "4", "token_id": 19}, choice={"text": "4", "seed": None}),
            delta({"role": "assistant", "content": "2"}, "stop", choice={"text": "2", "seed": 7}, usage=USAGE),
        ],
        {"output_message.content": "42", "token_usage": USAGE, "finish_reason": "stop"},
    ),
    "azure: prompt filter first, verdicts in choices": Variant(
        "azure",
        [
            {
                "id": "",
                "model": "",
                "choices": [],
                "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": FILTER}],
            },
            delta({"role": "assistant", "content": ""}, choice={"content_filter_results": {}}),
            delta({"content": "42"}, choice={"content_filter_results": FILTER}),
            delta({}, "stop", choice={"content_filter_results": {}}),
            usage_only(usage=USAGE),
        ],
        {
            "model": "m",
            "output_message.content": "42",
            "finish_reason": "stop",
            "token_usage": USAGE,
            "payload_anomalies": 0,
        },
    ),
    "azure: the filter runs behind the text": Variant(
        "azure",
        [
            delta({"role": "assistant", "content": "42"}),
            delta({}, "stop"),
            {
                **usage_only(),
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": None,
                        "content_filter_results": FILTER,
                        "content_filter_offsets": {"check_offset": 44, "start_offset": 44, "end_offset": 46},
                    }
                ],
            },
            {
                **usage_only(usage=USAGE),
                "choices": [{"index": 0, "finish_reason": "content_filter", "content_filter_results": FILTER}],
            },
        ],
        {"output_message.content": "42", "finish_reason": "content_filter", "token_usage": USAGE, "status": "success"},
    ),
    "openai: service tier, obfuscation, refusal": Variant(
        "openai",
        [
            delta({"role": "assistant", "content": "", "refusal": None}, service_tier="auto", obfuscation="x"),
            delta({"refusal": "No"}, service_tier="default", obfuscation="xyz"),
            delta({"refusal": "."}, "stop", service_tier="default", obfuscation=""),
            usage_only(usage=USAGE, service_tier="default", obfuscation="xy"),
        ],
        {"output_message.refusal": "No.", "service_tier": "default", "token_usage": USAGE, "payload_anomalies": 0},
    ),
    "vllm: usage with every chunk": Variant(
        "vllm",
        [
            delta({"role": "assistant", "content": ""}, usage={**USAGE, "completion_tokens": 0, "total_tokens": 10}),
            delta({"content": "4"}, usage={**USAGE, "completion_tokens": 1, "total_tokens": 11}),
            delta({"content": "2"}, "stop", choice={"stop_reason": 7, "token_ids": None}, usage=USAGE),
            usage_only(usage=USAGE),
        ],
        {"output_message.content": "42", "token_usage": USAGE, "payload_anomalies": 0},
    ),
    "fireworks: usage and timings on the last choice": Variant(
        "fireworks",
        [
            delta({"role": "assistant"}),
            delta({"content": "42"}),
            delta({}, "stop", usage={**USAGE, "prompt_tokens_details": {"cached_tokens": 4}}, perf_metrics={"x": 1}),
        ],
        {"output_message.content": "42", "token_usage.prompt_tokens_details": {"cached_read_tokens": 4}},
    ),
    "gemini's own openai endpoint: signatures in extra_content": Variant(
        "gemini",
        [
            delta(
                {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "index": 0,
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{}"},
                            "extra_content": {"google": {"thought_signature": "S"}},
                        }
                    ],
                }
            ),
            delta({"content": "", "extra_content": {"google": {"thought_signature": "T"}}}, "tool_calls", usage=USAGE),
        ],
        {
            "tool_calls": [
                {
                    "index": 0,
                    "type": "function",
                    "id": "c1",
                    "function": {"name": "f", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "S"}},
                }
            ],
            "output_message.extra_content": {"google": {"thought_signature": "T"}},
        },
    ),
    "lm studio: arguments only when they are done": Variant(
        "lmstudio",
        [
            event(
                "output_item.added",
                output_index=0,
                item={"id": "fc", "type": "function_call", "call_id": "c", "name": "f"},
            ),
            event("function_call_arguments.done", output_index=0, item_id="fc", arguments='{"n":42}'),
            event(
                "output_item.done",
                output_index=0,
                item={"id": "fc", "type": "function_call", "call_id": "c", "name": "f"},
            ),
            completed(input_tokens=10, output_tokens=5, total_tokens=15),
        ],
        {
            "tool_calls": [
                {"index": 0, "type": "function", "id": "c", "function": {"name": "f", "arguments": '{"n":42}'}}
            ],
            "token_usage": USAGE,
        },
        "openai-responses",
        "responses",
    ),
    "openrouter: another item id with every event": Variant(
        "openrouter",
        [
            event(
                "output_item.added",
                output_index=0,
                item={"id": "a", "type": "message", "role": "assistant", "content": []},
            ),
            event("content_part.added", output_index=0, item_id="b", content_index=0, part={**TEXT, "text": ""}),
            event("output_text.delta", output_index=0, item_id="c", content_index=0, delta="4"),
            event("output_text.delta", output_index=0, item_id="d", content_index=0, delta="2"),
            event("output_text.done", output_index=0, item_id="e", content_index=0, text="42"),
            event(
                "output_item.done",
                output_index=0,
                item={"id": "f", "type": "message", "role": "assistant", "content": [TEXT]},
            ),
            event(
                "completed",
                response={
                    "status": "completed",
                    "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "cost": 0.5},
                },
            ),
        ],
        {
            "output_messages": [{"id": "f", "type": "message", "role": "assistant", "content": [TEXT]}],
            "cost": 0.5,
            "cost_details.source": "provider",
        },
        "openai-responses",
        "responses",
    ),
    "perplexity through a gateway: sources beside responses events": Variant(
        "perplexity",
        [
            event("output_text.delta", output_index=0, content_index=0, delta="42"),
            {
                **completed(input_tokens=10, output_tokens=5, total_tokens=15),
                "citations": CITED,
                "search_results": FOUND,
            },
        ],
        {
            "output_messages": [
                {"type": "message", "role": "assistant", "content": [TEXT], "citations": CITED, "search_results": FOUND}
            ]
        },
        "openai-responses",
        "responses",
    ),
}
